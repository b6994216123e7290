"""Which objects of a cluster are the pods of a builder, and how they are made to start fast.

buildx makes a deployment for each node of a builder, or a stateful set if its state is on a volume
claim. Its readiness probe looks after 5 s and then every 30 s, so most builders are ready after
32 s (buildx v0.38.2, driver/kubernetes/manifest/manifest.go). Therefore buildx makes them without
replicas, and a patch adds the replicas with a probe that looks every second until the daemon
answers; Kubernetes looks for the pod's readiness then.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from warmbuild import csv_attributes
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What buildx takes without an option.
_REPLICAS: Final = 1
_SECONDS: Final = 120.0
_CLAIM: Final = "persistent-volume-claim.requests.storage"
# A container of this name has the daemon, which answers to this command.
_CONTAINER: Final = "buildkitd"
_ANSWERS: Final = ("buildctl", "debug", "workers")
# A part of a duration as Go writes them, and its seconds.
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# buildx makes a builder without pods if this is the last value of the option.
HELD: Final = "replicas=0"


@frozen
class Pool:
    """The pods of one node of a builder."""

    name: str  # of the deployment or the stateful set
    namespace: str
    replicas: int = _REPLICAS
    seconds: float = _SECONDS  # how long they may take to be ready
    has_claims: bool = False  # whether the state of each is on a volume claim

    @property
    def kind(self) -> str:
        """The resource, as the API and its rules of access name it."""
        return "statefulsets" if self.has_claims else "deployments"

    @property
    def is_patient(self) -> bool:
        """Whether a user gives its pods more time than buildx does by itself."""
        return self.seconds > _SECONDS

    @property
    def path(self) -> str:
        """The path of the object in the API."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind}/{self.name}"

    @property
    def pods_path(self) -> str:
        """The path of the list of its pods, by the label that buildx gives them."""
        return f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3D{self.name}"

    def events_path(self, uid: str) -> str:
        """Return the path of the list of events of an object of this namespace."""
        selector = quote(f"involvedObject.uid={uid}", safe="")
        return f"/api/v1/namespaces/{self.namespace}/events?fieldSelector={selector}"


def pool(node: str, driver_opts: Sequence[str], namespace: str) -> Pool:
    """Return the pods of a node by its name and the options of its driver.

    `namespace` is that of the kubeconfig, which an option may replace.
    """
    options = dict(
        field.partition("=")[::2] for line in driver_opts for field in csv_attributes.fields(line)
    )
    replicas = options.get("replicas", "")
    return Pool(
        # As buildxNameToDeploymentName does.
        name=node.replace("_", "-"),
        namespace=options.get("namespace") or namespace,
        replicas=int(replicas) if replicas.isascii() and replicas.isdigit() else _REPLICAS,
        seconds=_duration(options.get("timeout", "")) or _SECONDS,
        has_claims=bool(options.get(_CLAIM)),
    )


def patch(found: Pool) -> Mapping[str, object]:
    """Return what starts the pods of a node, as a strategic merge patch."""
    probe = {
        "exec": {"command": list(_ANSWERS)},
        "periodSeconds": 1,
        "timeoutSeconds": 60,
        "failureThreshold": max(1, round(found.seconds)),
    }
    container = {
        "name": _CONTAINER,
        "startupProbe": probe,
        "readinessProbe": {"initialDelaySeconds": 0},
        # The status of a pod has the last lines of a daemon that has failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "spec": {
            "replicas": found.replicas,
            "template": {"spec": {"containers": [container]}},
        }
    }


def _duration(text: str) -> float:
    """Return the seconds of a duration of Go; 0 if it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
