"""The lab's cluster, as its administrator changes it and counts what is in it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_TIMEOUT: Final = 30
# How long the cluster may take for what it does by itself, in seconds.
PATIENCE: Final = 60.0
# Where the API has the objects of a kind.
_GROUPS: Final = {
    "Deployment": "apis/apps/v1",
    "StatefulSet": "apis/apps/v1",
    "Job": "apis/batch/v1",
    "NetworkPolicy": "apis/networking.k8s.io/v1",
    "PodDisruptionBudget": "apis/policy/v1",
    "Role": "apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
}
_PLURALS: Final = {"NetworkPolicy": "networkpolicies"}
# What a builder may leave in a namespace.
KINDS: Final = (
    "Deployment",
    "StatefulSet",
    "ConfigMap",
    "Pod",
    "PersistentVolumeClaim",
    "Service",
    "Secret",
)
# What every namespace has.
_ALWAYS: Final = frozenset({"ConfigMap/kube-root-ca.crt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster, by the kubeconfig of its administrator, and one of its namespaces."""

    kubeconfig: Path
    namespace: str = "default"

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        """Return what the API server answers, which may not be an error."""
        answer = self.asked(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.text}"
        return answer.json()

    def asked(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> requests.Response:
        """Return the answer of the API server, also if it is an error."""
        read = json.loads(self.kubeconfig.read_text())
        cluster, user = read["clusters"][0]["cluster"], read["users"][0]["user"]
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return requests.request(
            method,
            f"{cluster['server']}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {user['token']}", "Content-Type": kind},
            verify=cluster["certificate-authority"],
            timeout=_TIMEOUT,
        )

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of an object of this namespace, or of all of a kind."""
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        path = f"{_GROUPS.get(kind, 'api/v1')}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def create(self, *objects: Mapping[str, Any]) -> None:
        """Create objects in this namespace, whatever namespace they name."""
        for one in objects:
            metadata = {**one["metadata"], "namespace": self.namespace}
            self.call("POST", self.path(one["kind"]), {**one, "metadata": metadata})

    def apply(self, text: str) -> None:
        """Create the objects of a file of YAML in this namespace."""
        self.create(*(one for one in yaml.safe_load_all(text) if one))

    def list(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """Return all objects of a kind in this namespace."""
        found: list[Mapping[str, Any]] = self.call("GET", self.path(kind))["items"]
        return found

    def pods(self) -> Sequence[Mapping[str, Any]]:
        """Return the pods of this namespace that are not being removed."""
        return [one for one in self.list("Pod") if "deletionTimestamp" not in one["metadata"]]

    def ready(self) -> Sequence[str]:
        """Return the names of the pods that are ready."""
        return [
            one["metadata"]["name"]
            for one in self.pods()
            for condition in one["status"].get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]

    def content(self) -> Sequence[str]:
        """Return what is in this namespace, as KIND/NAME, beside what every namespace has."""
        return sorted(name for name in self._content() if name not in _ALWAYS)

    def kill(self, pod: str) -> None:
        """Remove a pod at once."""
        self.call("DELETE", self.path("Pod", pod) + "?gracePeriodSeconds=0")

    def account(self, name: str, rules: Sequence[Mapping[str, object]], directory: Path) -> Path:
        """Create a service account with these rules, and return its kubeconfig."""
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        group = "rbac.authorization.k8s.io"
        self.create(
            {"kind": "ServiceAccount", "metadata": {"name": name}},
            {"kind": "Role", "metadata": {"name": name}, "rules": list(rules)},
            {
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "subjects": [subject],
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            },
        )
        return self.config_of(name, directory)

    def config_of(self, name: str, directory: Path) -> Path:
        """Return the kubeconfig of a service account."""
        asked = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}}
        path = f"{self.path('ServiceAccount', name)}/token"
        read = json.loads(self.kubeconfig.read_text())
        read["users"][0]["user"] = {"token": self.call("POST", path, asked)["status"]["token"]}
        read["contexts"][0]["context"]["namespace"] = self.namespace
        file = directory / f"{name}.kubeconfig"
        file.write_text(json.dumps(read))
        return file

    def config(self, directory: Path) -> Path:
        """Return a kubeconfig of the administrator whose namespace is this one."""
        read = json.loads(self.kubeconfig.read_text())
        read["contexts"][0]["context"]["namespace"] = self.namespace
        file = directory / "admin.kubeconfig"
        file.write_text(json.dumps(read))
        return file

    def _content(self) -> Iterator[str]:
        for kind in KINDS:
            for one in self.list(kind):
                yield f"{kind}/{one['metadata']['name']}"


def wait(ready: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is so; fail if it is not after these seconds."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.1)
