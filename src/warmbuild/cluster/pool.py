"""Which objects of a cluster are the pods of a builder, and how they are made to start fast.

buildx makes a deployment for each node of a builder, or a stateful set if its state is on a volume
claim. Its readiness probe looks after 5 s and then every 30 s, so most builders are ready after
32 s (buildx v0.38.2, driver/kubernetes/manifest/manifest.go). Therefore buildx makes them without
replicas, and a patch adds the replicas with a probe that looks every second until the daemon
answers; Kubernetes looks for the pod's readiness then.
"""

from __future__ import annotations

import re
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from warmbuild import untrusted_json
from warmbuild.frozen import frozen
from warmbuild.inputs import builders
from warmbuild.run_context import is_true

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The resources of pods, without claims of volumes and with them.
KINDS: Final = ("deployments", "statefulsets")
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
# buildx mounts a daemon's configuration here, from a volume of this name.
CONFIGURATION: Final = "/etc/buildkit"
_CONFIGURED: Final = "config"
# buildx makes a builder without pods if this is the last value of the option.
HELD: Final = "replicas=0"


@frozen
class Made:
    """Pods of a node that a run found, whoever has made them."""

    name: str
    when: datetime
    marks: Mapping[str, str]  # annotations
    configurations: tuple[str, ...]  # the config maps that they read


@frozen
class Pool:
    """The pods of one node of a builder."""

    name: str  # of the deployment or the stateful set
    namespace: str
    replicas: int = _REPLICAS
    seconds: float = _SECONDS  # how long they may take to be ready
    has_claims: bool = False  # whether the state of each is on a volume claim
    image: str = ""  # of the daemon; empty if no option names one
    counts: bool = False  # whether an option says how many replicas there are
    marks: Mapping[str, str] = field(default_factory=dict)
    """Annotations that say whose they are, if they end with their run; none if they stay."""

    @property
    def kind(self) -> str:
        """The resource, as the API and its rules of access name it."""
        return KINDS[self.has_claims]

    @property
    def is_patient(self) -> bool:
        """Whether a user gives its pods more time than buildx does by itself."""
        return self.seconds > _SECONDS

    @property
    def path(self) -> str:
        """The path of the object in the API."""
        return f"{path(self.kind, self.namespace)}/{self.name}"

    @property
    def pods_path(self) -> str:
        """The path of the list of its pods, by the label that buildx gives them."""
        return f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=app%3D{self.name}"

    def events_path(self, uid: str) -> str:
        """Return the path of the list of events of an object of this namespace."""
        selector = quote(f"involvedObject.uid={uid}", safe="")
        return f"/api/v1/namespaces/{self.namespace}/events?fieldSelector={selector}"


def path(kind: str, namespace: str) -> str:
    """Return the path in the API of all pools of a kind."""
    return f"/apis/apps/v1/namespaces/{namespace}/{kind}"


def made(item: Mapping[str, object]) -> Made | None:
    """Read a deployment or a stateful set; None if it does not say when it was made."""
    metadata = untrusted_json.child(item, "metadata")
    try:
        when = datetime.fromisoformat(untrusted_json.text(metadata, "creationTimestamp"))
    except ValueError:
        return None
    annotations = untrusted_json.child(metadata, "annotations")
    volumes = untrusted_json.children(_pod(item), "volumes")
    maps = (untrusted_json.text(untrusted_json.child(one, "configMap"), "name") for one in volumes)
    return Made(
        name=untrusted_json.text(metadata, "name"),
        when=when if when.tzinfo else when.replace(tzinfo=UTC),
        marks={name: untrusted_json.text(annotations, name) for name in annotations},
        configurations=tuple(filter(None, maps)),
    )


def is_rootless(driver_opts: Sequence[str]) -> bool:
    """Return whether the daemons of pods run without root."""
    return is_true(builders.driver_options(driver_opts).get("rootless", ""))


def pool(node: str, driver_opts: Sequence[str], namespace: str) -> Pool:
    """Return the pods of a node by its name and the options of its driver.

    `namespace` is that of the kubeconfig, which an option may replace.
    """
    given = builders.driver_options(driver_opts)
    replicas = given.get("replicas", "")
    return Pool(
        # As buildxNameToDeploymentName does.
        name=node.replace("_", "-"),
        namespace=given.get("namespace") or namespace,
        replicas=int(replicas) if replicas.isascii() and replicas.isdigit() else _REPLICAS,
        counts=bool(replicas),
        image=given.get("image", ""),
        seconds=_duration(given.get("timeout", "")) or _SECONDS,
        has_claims=bool(given.get(_CLAIM)),
    )


def patch(found: Pool, there: Mapping[str, object]) -> Mapping[str, object]:
    """Return what starts the pods of a node, as a strategic merge patch of what is there."""
    probe = {
        "exec": {"command": list(_ANSWERS)},
        "periodSeconds": 1,
        "timeoutSeconds": 60,
        "failureThreshold": max(1, round(found.seconds)),
    }
    container: dict[str, object] = {
        "name": _CONTAINER,
        "startupProbe": probe,
        "readinessProbe": {"initialDelaySeconds": 0},
        # The status of a pod has the last lines of a daemon that has failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if found.has_claims and _CONFIGURED in _volumes(there):
        # The mount of a claim takes the place of this one in buildx v0.38.2.
        mount = {"name": _CONFIGURED, "mountPath": CONFIGURATION}
        container["volumeMounts"] = [mount]
    spec: dict[str, object] = {
        "replicas": found.replicas,
        "template": {"spec": {"containers": [container]}},
    }
    if not found.marks:
        return {"spec": spec}
    if found.has_claims:
        # buildx removes a stateful set alone, and its volumes would stay for ever.
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Delete"}
    return {"metadata": {"annotations": dict(found.marks)}, "spec": spec}


def rests(owner: Mapping[str, object]) -> bool:
    """Return whether a deployment or a stateful set is to have no pods."""
    return untrusted_json.child(owner, "spec").get("replicas") == 0


def difference(owner: Mapping[str, object], wanted: Pool) -> str:
    """Return in what pods that were found differ from the options, as a sentence; empty if not.

    They stay as they are: other runs use them, and what they lack may be on purpose.
    """
    has = untrusted_json.number(untrusted_json.child(owner, "spec"), "replicas")
    image = _image(owner)
    parts = []
    if wanted.counts and has and has != wanted.replicas:
        pods = "1 replica" if has == 1 else f"{has} replicas"
        parts.append(f"has {pods}, not {wanted.replicas}")
    if wanted.image and image and image != wanted.image:
        parts.append(f"runs {image}, not {wanted.image}")
    if not parts:
        return ""
    return (
        f"the pool {wanted.name} was there and {' and '.join(parts)}: driver-opts take effect "
        "only when a pool is made"
    )


def _volumes(owner: Mapping[str, object]) -> Sequence[str]:
    volumes = untrusted_json.children(_pod(owner), "volumes")
    return [untrusted_json.text(one, "name") for one in volumes]


def _pod(owner: Mapping[str, object]) -> Mapping[str, object]:
    """Return how a deployment or a stateful set makes its pods."""
    template = untrusted_json.child(untrusted_json.child(owner, "spec"), "template")
    return untrusted_json.child(template, "spec")


def _image(owner: Mapping[str, object]) -> str:
    containers = untrusted_json.children(_pod(owner), "containers")
    daemon = (one for one in containers if untrusted_json.text(one, "name") == _CONTAINER)
    return untrusted_json.text(next(daemon, {}), "image")


def _duration(text: str) -> float:
    """Return the seconds of a duration of Go; 0 if it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
