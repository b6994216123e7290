"""Reads what the pods of a builder do, and says what keeps one from being ready.

The members and reasons are those of Kubernetes's API (core/v1, PodStatus) and of its kubelet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.frozen import frozen
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# What does not pass, by the reason of a container that waits.
_FINAL: Final = frozenset({"ErrImageNeverPull", "InvalidImageName"})
_PULL: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", *_FINAL}
)
# What it waits for if nothing is wrong.
_BEGINS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_OOM: Final = "OOMKilled"
# Seconds after which something ends a boot that may pass: a pull is tried again after 10 s, and
# then after 20 s.
_PATIENCE: Final = 45.0
_MOST: Final = 400


@frozen
class Trouble:
    """What keeps a pod from being ready, and what to do about it."""

    text: str
    advice: str
    patience: float  # seconds after which it ends the boot; endless if it is 0

    def __str__(self) -> str:
        """Return both as sentences."""
        return f"{self.text}. {self.advice}"


@frozen
class Pod:
    """One pod of a builder."""

    name: str
    uid: str
    is_ready: bool
    is_running: bool  # whether buildx may choose it, ready or not
    is_going: bool  # whether it is being removed
    restarts: int  # of the daemon
    trouble: Trouble | None
    end: str  # why its daemon ended last, as a clause; empty if it did not


def pods(listed: Mapping[str, object]) -> Sequence[Pod]:
    """Read a list of pods."""
    return tuple(map(_pod, untrusted_json.children(listed, "items")))


def ready(found: Sequence[Pod]) -> int:
    """Return how many pods are ready and stay."""
    return sum(one.is_ready and not one.is_going for one in found)


def serve(found: Sequence[Pod], least: int) -> bool:
    """Return whether so many pods are ready, and buildx cannot choose one that is not.

    It chooses among all that run and are not being removed (buildx v0.38.2, podchooser).
    """
    begins = any(one.is_running and not (one.is_ready or one.is_going) for one in found)
    return ready(found) >= least and not begins


def unmade(owner: Mapping[str, object]) -> Trouble | None:
    """Return why a deployment makes no pods, if it says so."""
    for condition in _conditions(owner):
        if untrusted_json.text(condition, "type") == "ReplicaFailure" and _is(condition, "True"):
            why = _quoted(untrusted_json.text(condition, "message"))
            return Trouble(
                text=f"the cluster refuses to make the builder's pods: {why}",
                advice=_of_refusal(why),
                patience=_PATIENCE,
            )
    return None


def lost(before: Sequence[Pod], now: Sequence[Pod]) -> str:
    """Return which pod of a builder has ended since, and why, as a clause; empty if none has."""
    there = {one.uid: one for one in now}
    for pod in before:
        if pod.uid not in there:
            return f"the pod {pod.name} is gone"
        later = there[pod.uid]
        if later.restarts > pod.restarts or (later.end and not later.is_ready):
            return f"the daemon of the pod {pod.name} {later.end or 'was restarted'}"
        if later.is_going:
            return f"the pod {pod.name} is being removed"
    return ""


def _pod(item: Mapping[str, object]) -> Pod:
    metadata = untrusted_json.child(item, "metadata")
    name = untrusted_json.text(metadata, "name")
    daemon = next(_containers(item, "containerStatuses"), {})
    return Pod(
        name=name,
        uid=untrusted_json.text(metadata, "uid"),
        is_ready=daemon.get("ready") is True,
        is_running=untrusted_json.text(untrusted_json.child(item, "status"), "phase") == "Running",
        is_going=bool(untrusted_json.text(metadata, "deletionTimestamp")),
        restarts=untrusted_json.number(daemon, "restartCount"),
        trouble=_trouble(item, name),
        end=_evicted(item) or _end(daemon),
    )


def _trouble(item: Mapping[str, object], name: str) -> Trouble | None:
    """Return what keeps a pod from being ready."""
    if why := _evicted(item):
        return Trouble(text=f"the pod {name} {why}", advice=_ROOM, patience=_PATIENCE)
    for condition in _conditions(item):
        if untrusted_json.text(condition, "type") == "PodScheduled" and _is(condition, "False"):
            why = _quoted(untrusted_json.text(condition, "message"))
            return Trouble(
                text=f"no node takes the pod {name}: {why}",
                advice="Lower requests.cpu or requests.memory in driver-opts, check nodeselector "
                "and tolerations, or add a node; with a cluster that adds nodes by itself, "
                "raise timeout in driver-opts",
                patience=0.0,
            )
    return _of_containers(item, name)


def _of_containers(item: Mapping[str, object], name: str) -> Trouble | None:
    for container in (
        *_containers(item, "initContainerStatuses"),
        *_containers(item, "containerStatuses"),
    ):
        waiting = untrusted_json.child(untrusted_json.child(container, "state"), "waiting")
        reason = untrusted_json.text(waiting, "reason")
        message = _quoted(untrusted_json.text(waiting, "message")) or reason
        if reason in _PULL:
            image = untrusted_json.text(container, "image")
            return Trouble(
                text=f"the pod {name} cannot pull the image {image}: {message}",
                advice="Name an image that the nodes can pull, by image=REF in driver-opts; "
                "if it needs a login, add an imagePullSecret to the service account of the pods "
                "(serviceaccount in driver-opts)",
                patience=0.001 if reason in _FINAL else _PATIENCE,
            )
        if end := _end(container):
            advice = _MEMORY if _OOM in str(container.get("lastState")) else _LOOK
            text = f"the daemon of the pod {name} {end}"
            return Trouble(text=text, advice=advice, patience=_PATIENCE)
        if reason not in _BEGINS:
            text = f"the container of the pod {name} does not start: {message}"
            return Trouble(text=text, advice=_LOOK, patience=_PATIENCE)
    return None


_ROOM: Final = (
    "Give it room: raise requests.memory or limits.ephemeral-storage in driver-opts, or keep its "
    "state on a volume claim (persistent-volume-claim.requests.storage)"
)
_MEMORY: Final = "Raise limits.memory in driver-opts"
_LOOK: Final = "kubectl describe pod and kubectl logs say more"


def _of_refusal(why: str) -> str:
    if "PodSecurity" in why:
        return (
            "The namespace allows no privileged pods: choose another one by namespace=NAME in "
            "driver-opts, or set rootless=true there"
        )
    if "quota" in why:
        return "Ask for less in driver-opts, or have the quota of the namespace raised"
    return "Check the options in driver-opts"


def _evicted(item: Mapping[str, object]) -> str:
    status = untrusted_json.child(item, "status")
    if untrusted_json.text(status, "reason") != "Evicted":
        return ""
    return f"was evicted: {_quoted(untrusted_json.text(status, 'message'))}"


def _end(container: Mapping[str, object]) -> str:
    """Return how a container ended last, as a clause; empty if it never did."""
    for state in ("state", "lastState"):
        ended = untrusted_json.child(untrusted_json.child(container, state), "terminated")
        reason, code = (
            untrusted_json.text(ended, "reason"),
            untrusted_json.number(ended, "exitCode"),
        )
        if reason == _OOM:
            return "was killed, because it ran out of memory"
        if ended and reason != "Completed":
            said = _quoted(untrusted_json.text(ended, "message"))
            return f"ended with exit code {code}{f': {said}' if said else ''}"
    return ""


def _containers(item: Mapping[str, object], member: str) -> Iterator[Mapping[str, object]]:
    return untrusted_json.children(untrusted_json.child(item, "status"), member)


def _conditions(item: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return untrusted_json.children(untrusted_json.child(item, "status"), "conditions")


def _is(condition: Mapping[str, object], status: str) -> bool:
    return untrusted_json.text(condition, "status") == status


def _quoted(text: str) -> str:
    """Return the first line of what a cluster says, without a full stop."""
    return excerpt(text)[:_MOST].rstrip(". ")
