"""Reads what the pods of a builder do, and says what keeps one from being ready.

The members and reasons are those of Kubernetes's API (core/v1, PodStatus) and of its kubelet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import retries, untrusted_json
from warmbuild.frozen import frozen
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# An image that is not there, by the reason of a container that waits.
_PULL: Final = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
    }
)
# It has ended at once twice.
_LOOP: Final = "CrashLoopBackOff"
_ERROR: Final = "buildkitd: "
_OVER: Final = frozenset({"Failed", "Succeeded"})
# What says that a node is being added for a pod: the reasons of cluster-autoscaler and Karpenter.
_GROWS: Final = frozenset({"TriggeredScaleUp", "Nominated"})
# What it waits for if nothing is wrong.
_BEGINS: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_OOM: Final = "OOMKilled"
# Seconds after which something ends a boot that may pass: a pull is tried again after 10 s, and
# then after 20 s.
_PATIENCE: Final = 45.0
# Seconds after which something ends it that does not pass.
_AT_ONCE: Final = 1.0
_MOST: Final = 400


@frozen
class Trouble:
    """What keeps a pod from being ready, and what to do about it."""

    text: str
    advice: str
    patience: float  # seconds after which it ends a boot; those of the boot if it is 0
    grows: bool = False  # whether another node would do

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
    is_over: bool  # whether it has ended for good, as one that was evicted
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
    """Return why a deployment makes no pods, if it says so; a stateful set has events alone."""
    for condition in _conditions(owner):
        if untrusted_json.text(condition, "type") == "ReplicaFailure" and _is(condition, "True"):
            return _refused(untrusted_json.text(condition, "message"))
    return None


def told(subject: str, events: Mapping[str, object]) -> Trouble | None:
    """Return what the newest warning of a list of events says of a pod, or of who makes it."""
    warnings = [
        (_time(one), number, one)
        for number, one in enumerate(untrusted_json.children(events, "items"))
        if untrusted_json.text(one, "type") == "Warning"
        and untrusted_json.text(one, "reason") not in _HARMLESS
    ]
    if not warnings:
        return None
    newest = max(warnings)[2]
    said = untrusted_json.text(newest, "message")
    if untrusted_json.text(newest, "reason") == "FailedCreate":
        return _refused(said)
    text = f"{subject} does not start: {_quoted(said)}"
    return Trouble(text=text, advice=_LOOK, patience=0.0)


def grows(events: Mapping[str, object]) -> bool:
    """Return whether events say that a node is being added."""
    reasons = (
        untrusted_json.text(one, "reason") for one in untrusted_json.children(events, "items")
    )
    return not _GROWS.isdisjoint(reasons)


def hopeless(trouble: Trouble) -> Trouble:
    """Return a trouble that nothing is being done about, which then ends a boot sooner."""
    return replace(trouble, patience=_PATIENCE)


def _time(event: Mapping[str, object]) -> str:
    """Return when an event was last seen; RFC 3339 in UTC sorts by itself."""
    last = untrusted_json.text(event, "lastTimestamp")
    return last or untrusted_json.text(event, "eventTime")


def _refused(said: str) -> Trouble:
    why = _quoted(said)
    advice, patience = _LOOK_AT_OPTIONS, _AT_ONCE
    if "PodSecurity" in why:
        advice = (
            "The namespace allows no privileged pods: choose another one by namespace=NAME in "
            "driver-opts, or one of the level 'privileged'; rootless=true needs that level, too"
        )
    elif "quota" in why:
        advice = (
            "Set requests and limits in driver-opts that fit, wait until other pods have ended, or "
            "have the quota of the namespace raised"
        )
        # A quota may also ask for what the options lack.
        patience = _AT_ONCE if "must specify" in why else _PATIENCE
    elif "serviceaccount" in why:
        advice = "Create the service account there, or name another one by serviceaccount"
    text = f"the cluster refuses to make the builder's pods: {why}"
    return Trouble(text=text, advice=advice, patience=patience)


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
        is_over=untrusted_json.text(untrusted_json.child(item, "status"), "phase") in _OVER,
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
            return _unplaced(name, _quoted(untrusted_json.text(condition, "message")))
    return _of_containers(item, name)


def _unplaced(name: str, why: str) -> Trouble:
    """Return what it means that the scheduler has no node for a pod, in its own words."""
    advice = []
    if "Insufficient" in why:
        advice += ["Lower requests.cpu or requests.memory in driver-opts, or the limits"]
    if "affinity/selector" in why:
        advice += ["Check nodeselector in driver-opts against the labels of the nodes"]
    if "taint" in why:
        advice += ["Add tolerations to driver-opts"]
    if "PersistentVolumeClaim" in why or "persistentvolume" in why:
        advice += ["Give the cluster a default storage class, or volumes of that size"]
    first, *others = advice or ["Check requests, nodeselector and tolerations in driver-opts"]
    said = ", or ".join([first, *(f"{one[0].lower()}{one[1:]}" for one in others)])
    return Trouble(
        text=f"no node takes the pod {name}: {why}",
        advice=f"{said}. If the cluster adds nodes by itself, set timeout in "
        "driver-opts to more than that takes",
        patience=0.0,
        grows=True,
    )


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
                patience=_PATIENCE if retries.passes(message) else _AT_ONCE,
            )
        if end := _end(container):
            advice = _MEMORY if end == _NO_MEMORY else _LOOK
            patience = _AT_ONCE if reason == _LOOP else _PATIENCE
            text = f"the daemon of the pod {name} {end}"
            return Trouble(text=text, advice=advice, patience=patience)
        if reason not in _BEGINS:
            text = f"the container of the pod {name} does not start: {message}"
            return Trouble(text=text, advice=_LOOK, patience=_PATIENCE)
    return None


_ROOM: Final = (
    "Give it room: raise requests.memory or limits.ephemeral-storage in driver-opts, or keep its "
    "state on a volume claim (persistent-volume-claim.requests.storage)"
)
_MEMORY: Final = "Raise limits.memory in driver-opts"
_NO_MEMORY: Final = "was killed, because it ran out of memory"
_LOOK: Final = "kubectl describe pod and kubectl logs say more"
_LOOK_AT_OPTIONS: Final = "Check the options in driver-opts"
# Warnings of every pod: a probe fails until the daemon answers.
_HARMLESS: Final = frozenset({"Unhealthy", "MissingClusterDNS", "DNSConfigForming"})


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
            return _NO_MEMORY
        if ended and reason != "Completed":
            said = _quoted(_failure(untrusted_json.text(ended, "message")))
            return f"ended with exit code {code}{f': {said}' if said else ''}"
    return ""


def _containers(item: Mapping[str, object], member: str) -> Iterator[Mapping[str, object]]:
    return untrusted_json.children(untrusted_json.child(item, "status"), member)


def _conditions(item: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return untrusted_json.children(untrusted_json.child(item, "status"), "conditions")


def _is(condition: Mapping[str, object], status: str) -> bool:
    return untrusted_json.text(condition, "status") == status


def _failure(text: str) -> str:
    """Return the error in what a daemon has printed, which is the last line if none is marked.

    buildkitd prints `buildkitd: ERROR`, with its usage after that or before it.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(_ERROR)), lines[-1] if lines else "")


def _quoted(text: str) -> str:
    """Return what a cluster says as a part of a sentence."""
    return excerpt(text)[:_MOST].rstrip(". ")
