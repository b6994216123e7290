"""Clusters: what is said of one that cannot be reached, and of pods that are not ready."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.golden import machine
from tests.golden.machine import VERSION
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SERVER: Final = "k8s.example.com"
_KUBERNETES: Final = "--driver=kubernetes"
_CLAIM: Final = "--driver-opts=persistent-volume-claim.requests.storage=1Gi"
_SOON: Final = "--driver-opts=timeout=9s"
_REVIEWS: Final = f"POST {_SERVER}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO: Final = f"POST {_SERVER}/apis/authentication.k8s.io/v1/selfsubjectreviews"
_OWNERS: Final = f"{_SERVER}/apis/apps/v1/*"
_PODS: Final = f"GET {_SERVER}/api/v1/namespaces/ci/pods*"
_EVENTS: Final = f"GET {_SERVER}/api/v1/namespaces/ci/events*"
_TOKEN: Final = {"token": "sesame-open-yourself"}


def _ok(answer: object) -> machine.Reply:
    return 200, {}, json.dumps(answer)


def _refused(status: int, message: str) -> machine.Reply:
    return status, {}, json.dumps({"message": message})


def _allowed(each: str) -> list[machine.Reply]:
    """Return the answers to questions for rights, each a plus or a minus."""
    return [_ok({"status": {"allowed": one == "+"}}) for one in each]


def _who(name: str) -> dict[str, machine.Reply]:
    return {_WHO: _ok({"status": {"userInfo": {"username": name}}})}


def _pod(**status: object) -> dict[str, Any]:
    return {"metadata": {"name": "wb-1", "uid": "1"}, "status": status}


def _waits(reason: str, message: str, **more: object) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return _pod(containerStatuses=[{"image": "moby/buildkit:v0.34.2", "state": state, **more}])


def _unplaced(why: str) -> dict[str, Any]:
    return _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": why}])


def _unmade(why: str) -> dict[str, Any]:
    condition = {"type": "ReplicaFailure", "status": "True", "message": why}
    return {
        "metadata": {"uid": "2"},
        "spec": {"replicas": 1},
        "status": {"conditions": [condition]},
    }


def _kubeconfig(
    user: Mapping[str, object] = _TOKEN, cluster: Mapping[str, object] | None = None
) -> machine.Prepare:
    """Return what makes the user's kubeconfig."""
    read = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ci"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"https://{_SERVER}", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    return _written(json.dumps(read))


def _written(text: str) -> machine.Prepare:
    def make(job: Path) -> None:
        path = job.parent / "home" / ".kube" / "config"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")

    return make


def _plugin(script: str) -> machine.Prepare:
    """Return what makes a kubeconfig whose plugin is a script."""
    config, program = _kubeconfig({"exec": {"command": "cloud"}}), machine.program("cloud", script)

    def make(job: Path) -> None:
        config(job)
        program(job)

    return make


def _credential(**status: str) -> str:
    return f"echo '{json.dumps({'status': status})}'"


_UNREACHED: Final[dict[str, dict[str, Any]]] = {
    "no kubeconfig": {"prepare": lambda _job: None},
    "a kubeconfig that is not there": {"env": {"KUBECONFIG": "/nowhere"}},
    "several kubeconfigs": {"env": {"KUBECONFIG": "/a:/b"}},
    "a kubeconfig that is none": {"prepare": _written("[]")},
    "a kubeconfig without a context": {"prepare": _written("{}")},
    "a kubeconfig without a server": {"prepare": _kubeconfig(cluster={"server": "k8s"})},
    "a token that is none": {"prepare": _kubeconfig({"token": "a b"})},
    "a token that is refused": {"registries": {_REVIEWS: _refused(401, "Unauthorized")}},
    "a password that is refused": {
        "prepare": _kubeconfig({"username": "me", "password": "hunter22"}),
        "registries": {_REVIEWS: _refused(401, "Unauthorized")},
    },
    "a certificate that is refused": {
        "prepare": _kubeconfig({}),
        "registries": {_REVIEWS: _refused(401, "Unauthorized")},
    },
    "a token of a plugin that is refused": {
        "prepare": _plugin(_credential(token="sesame")),
        "registries": {_REVIEWS: _refused(401, "Unauthorized")},
    },
    "a plugin that fails": {"prepare": _plugin("exit 1")},
    "a plugin that gives nothing": {"prepare": _plugin("echo '{}'")},
    "a plugin that gives no token": {"prepare": _plugin(_credential(token="a b"))},
    "a plugin that is not there": {"prepare": _kubeconfig({"exec": {"command": "cloud"}})},
    "a plugin that gives a certificate": {
        "prepare": _plugin(_credential(clientCertificateData="x")),
        "buildx": {"create": (1, "ERROR: no")},
    },
    "a way that only buildx takes": {
        "prepare": _kubeconfig(cluster={"proxy-url": "http://proxy.example.com"}),
        "buildx": {"create": (1, "ERROR: no")},
    },
    "a server that redirects": {"registries": {_REVIEWS: (307, {"Location": "/x"}, "")}},
    "a server that gives no JSON": {"registries": {_REVIEWS: (200, {}, "<html>")}},
}
_SUBJECTS: Final = {
    "an account without rights": "system:serviceaccount:ci:runner",
    "a user without rights": "me@example.com",
}
_TROUBLES: Final[dict[str, tuple[tuple[str, ...], dict[str, machine.Reply]]]] = {
    title: (flags, {_PODS: _ok({"items": [pod]})})
    for title, (flags, pod) in {
        "an image that cannot be pulled": ((), _waits("ErrImagePull", "not found")),
        "a container that does not start": (
            (),
            _waits("CreateContainerError", "no space left"),
        ),
        "no memory": (
            (),
            _waits(
                "CrashLoopBackOff",
                "back-off",
                lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            ),
        ),
        "a daemon that ends": (
            (),
            _waits("CrashLoopBackOff", "", lastState={"terminated": {"exitCode": 1}}),
        ),
        "evicted": ((), _pod(reason="Evicted", message="The node had too little memory.")),
        "no room": ((), _unplaced("0/2 nodes are available: 2 Insufficient cpu.")),
        "no such node": ((), _unplaced("2 node(s) didn't match Pod's node affinity/selector.")),
        "a taint": ((), _unplaced("2 node(s) had untolerated taint(s).")),
        "no volume": (
            (_CLAIM,),
            _unplaced("pod has unbound immediate PersistentVolumeClaims."),
        ),
        "too many reasons": ((), _unplaced("1 Insufficient cpu, 1 had untolerated taint(s).")),
        "no node for another reason": ((), _unplaced("0/0 nodes are available.")),
    }.items()
}
_REFUSALS: Final = {
    "a namespace without privileged pods": 'forbidden: violates PodSecurity "baseline:latest"',
    "a full quota": "exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9",
    "no service account": 'forbidden: serviceaccount "x" not found',
    "a limit of the namespace": "maximum cpu usage per Container is 1, but limit is 2",
}
_MOUNT: Final = {
    "type": "Warning",
    "reason": "FailedMount",
    "message": 'MountVolume.SetUp failed for volume "config"',
}


def _scenes() -> Iterator[Scene]:
    usual = machine.built(buildx={"build": BUILT})
    for title, parts in _UNREACHED.items():
        yield Scene(title=title, said=machine.unusual(_booted(**parts), usual))
    for title, name in _SUBJECTS.items():
        said = _booted(registries={_REVIEWS: _allowed("-"), **_who(name)})
        yield Scene(title=title, said=machine.unusual(said, usual))
    some = _allowed("++++-+")
    said = _booted(registries={_REVIEWS: some}, buildx={"create": (1, "ERROR: no")})
    yield Scene(title="an account that may not patch", said=machine.unusual(said, usual))
    missing = 'ERROR: error while calling Create for "x": namespaces "ci" not found'
    said = _booted(registries={_PODS: _ok({})}, buildx={"create": (1, missing)})
    yield Scene(title="no such namespace", said=machine.unusual(said, usual))
    refusal = {f"PATCH {_OWNERS}": _refused(403, 'admission webhook "x" denied the request')}
    said = _booted(registries=refusal)
    yield Scene(title="a change that is refused", said=machine.unusual(said, usual))
    for title, (flags, replies) in _TROUBLES.items():
        said = _booted(*flags, registries=replies)
        yield Scene(title=title, said=machine.unusual(said, usual))
    for title, why in _REFUSALS.items():
        replies = {_PODS: _ok({}), f"GET {_OWNERS}": _ok(_unmade(why))}
        said = _booted(registries=replies)
        yield Scene(title=title, said=machine.unusual(said, usual))
    small = {"spec": {"replicas": 1}}
    serves = _pod(phase="Running", containerStatuses=[{"ready": True}])
    replies = {_PODS: _ok({"items": [serves]}), f"GET {_OWNERS}": _ok(small)}
    said = _booted("--builder=pool", "--driver-opts=replicas=2", registries=replies)
    yield Scene(title="a pool that is smaller", said=machine.unusual(said, usual))
    for title, status in (("pods of a killed run", 200), ("pods that stay", 403)):
        then = (datetime.now(UTC) - timedelta(days=3, minutes=1)).isoformat()
        made = {"name": "warmbuild-0a1b2c3d0", "creationTimestamp": then}
        replies = {
            f"GET {_OWNERS}": _ok({"items": [{"metadata": made}]}),
            f"DELETE {_OWNERS}": (status, {}, json.dumps({"message": "no"})),
        }
        said = machine.run("cleanup", registries=replies, prepare=_kubeconfig())
        yield Scene(title=title, said=said)
    begins = {_PODS: _ok({"items": [_pod()]}), _EVENTS: _ok({"items": [_MOUNT]})}
    said = _booted(_SOON, registries=begins)
    yield Scene(title="what only events say", said=machine.unusual(said, usual))


def _booted(*flags: str, **parts: Any) -> str:  # noqa: ANN401 (of `built`)
    """Run a build whose builder is to be pods of a cluster that allows everything."""
    owner = _ok({"metadata": {"uid": "2"}, "spec": {"replicas": 0}})
    usual = {
        _REVIEWS: _allowed("+"),
        **_who("system:serviceaccount:ci:runner"),
        f"GET {_OWNERS}": owner,
        f"PATCH {_OWNERS}": _ok({}),
        _EVENTS: _ok({}),
    }
    parts["registries"] = usual | parts.get("registries", {})
    parts["buildx"] = {"version": VERSION, "build": BUILT} | parts.get("buildx", {})
    return machine.built(_KUBERNETES, *flags, **{"prepare": _kubeconfig(), **parts})


SUBJECT = Subject(
    name="clusters",
    about="Clusters: what is said of one that cannot be reached, and of pods that are not ready.",
    scenes=_scenes,
)
