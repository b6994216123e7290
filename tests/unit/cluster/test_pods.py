from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cluster import pods

if TYPE_CHECKING:
    from warmbuild.cluster.pods import Pod, Trouble

AT_ONCE, LATER = 1.0, 45.0
OOM = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
)
# Members whose value may be anything.
STATUS = st.dictionaries(
    st.sampled_from(["reason", "message", "conditions", "containerStatuses", "phase"]),
    JSON
    | st.lists(
        st.dictionaries(st.sampled_from(["type", "status", "state", "lastState", "ready"]), JSON)
    ),
)


def item(name: str = "p", uid: str = "u", **status: object) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid}, "status": status}


def container(**members: object) -> dict[str, Any]:
    return item(containerStatuses=[{"name": "buildkitd", "image": "bk:1", **members}])


def waiting(reason: str, message: str = "", **members: object) -> dict[str, Any]:
    return container(state={"waiting": {"reason": reason, "message": message}}, **members)


def unplaced(message: str) -> dict[str, Any]:
    return item(conditions=[{"type": "PodScheduled", "status": "False", "message": message}])


def one(read: dict[str, Any]) -> Pod:
    (found,) = pods.pods({"items": [read]})
    return found


def trouble(read: dict[str, Any]) -> Trouble:
    found = one(read).trouble
    assert found
    return found


@pytest.mark.parametrize(
    "read",
    [
        item(),
        item(conditions=[{"type": "PodScheduled", "status": "True"}]),
        waiting(""),
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        container(state={"running": {}}, ready=False),
        container(state={"running": {}}, ready=True),
        container(state={"terminated": {"exitCode": 0, "reason": "Completed"}}),
    ],
)
def test_a_pod_that_begins_has_no_trouble(read: dict[str, Any]) -> None:
    assert one(read).trouble is None


@pytest.mark.parametrize(
    ("read", "text", "patience"),
    [
        pytest.param(
            waiting("ErrImagePull", "bk:1: not found"),
            "the pod p cannot pull the image bk:1: bk:1: not found",
            AT_ONCE,
            id="an image that is not there",
        ),
        pytest.param(
            waiting("ImagePullBackOff", "Back-off pulling image: 503 Service Unavailable"),
            "the pod p cannot pull the image bk:1: Back-off pulling image: 503 Service Unavailable",
            LATER,
            id="a registry that restarts",
        ),
        pytest.param(
            waiting("ErrImageNeverPull"),
            "the pod p cannot pull the image bk:1: ErrImageNeverPull",
            AT_ONCE,
            id="no message",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'configmap "x" not found.'),
            'the container of the pod p does not start: configmap "x" not found',
            LATER,
            id="a map that is not there yet",
        ),
        pytest.param(
            container(state=OOM),
            "the daemon of the pod p was killed, because it ran out of memory",
            LATER,
            id="out of memory once",
        ),
        pytest.param(
            waiting("CrashLoopBackOff", "back-off 10s", lastState=OOM),
            "the daemon of the pod p was killed, because it ran out of memory",
            AT_ONCE,
            id="out of memory again",
        ),
        pytest.param(
            container(state={"terminated": {"exitCode": 1, "message": "usage\nbuildkitd: no\nx"}}),
            "the daemon of the pod p ended with exit code 1: buildkitd: no",
            LATER,
            id="its own error",
        ),
        pytest.param(
            container(state={"terminated": {"exitCode": 1, "message": "a\nlast\n\n"}}),
            "the daemon of the pod p ended with exit code 1: last",
            LATER,
            id="its last line",
        ),
        pytest.param(
            container(lastState={"terminated": {"exitCode": 2}}, state={"running": {}}),
            "the daemon of the pod p ended with exit code 2",
            LATER,
            id="without a word",
        ),
        pytest.param(
            item(reason="Evicted", message="The node was low on resource: memory. "),
            "the pod p was evicted: The node was low on resource: memory",
            LATER,
            id="evicted",
        ),
        pytest.param(
            item(
                initContainerStatuses=[
                    {"image": "q", "state": {"waiting": {"reason": "ErrImagePull"}}}
                ]
            ),
            "the pod p cannot pull the image q: ErrImagePull",
            AT_ONCE,
            id="the image of the emulators",
        ),
    ],
)
def test_what_keeps_a_pod_from_being_ready(
    read: dict[str, Any], text: str, patience: float
) -> None:
    found = trouble(read)
    assert (found.text, found.patience) == (text, patience)
    assert found.advice


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("0/2 nodes are available: 2 Insufficient cpu.", "Lower requests.cpu or requests.memory"),
        ("2 node(s) didn't match Pod's node affinity/selector.", "Check nodeselector"),
        ("2 node(s) had untolerated taint {a: b}.", "Add tolerations"),
        ("pod has unbound immediate PersistentVolumeClaims.", "Give the cluster a default storage"),
        ("something else", "Check requests, nodeselector and tolerations"),
    ],
)
def test_what_to_do_if_no_node_takes_a_pod(why: str, advice: str) -> None:
    found = trouble(unplaced(why))
    assert found.advice.startswith(advice)
    assert found.grows
    # As long as the boot may take, or a while if nothing adds a node.
    assert found.patience == 0.0
    assert pods.hopeless(found).patience == LATER


@pytest.mark.parametrize(
    ("said", "advice", "patience"),
    [
        ('violates PodSecurity "baseline:latest": privileged', "The namespace allows no", AT_ONCE),
        ("exceeded quota: q, requested: pods=1", "Set requests and limits", LATER),
        ("failed quota: q: must specify limits.cpu", "Set requests and limits", AT_ONCE),
        ('serviceaccount "x" not found', "Create the service account", AT_ONCE),
        ("maximum cpu usage per Container is 1", "Check the options", AT_ONCE),
    ],
)
def test_what_to_do_if_pods_are_refused(said: str, advice: str, patience: float) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": said}
    owner = {"status": {"conditions": [{"type": "Available"}, failure]}}
    event = {"type": "Warning", "reason": "FailedCreate", "message": said}
    of_events = pods.told("the builder", {"items": [event]})
    found = pods.unmade(owner)
    assert found == of_events
    assert found
    assert found.text == f"the cluster refuses to make the builder's pods: {said}"
    assert (found.advice[: len(advice)], found.patience) == (advice, patience)


def test_an_owner_that_makes_pods_has_no_trouble() -> None:
    failure = {"type": "ReplicaFailure", "status": "False", "message": "quota"}
    assert pods.unmade({"status": {"conditions": [failure]}}) is None
    assert pods.unmade({}) is None


def test_the_newest_warning_is_told() -> None:
    old = {"type": "Warning", "message": "old", "lastTimestamp": "2026-01-01T00:00:01Z"}
    new = {"type": "Warning", "message": "new", "eventTime": "2026-01-01T00:00:02.000000Z"}
    normal = {"type": "Normal", "message": "fine", "lastTimestamp": "2026-01-01T00:00:09Z"}
    probe = {"type": "Warning", "reason": "Unhealthy", "lastTimestamp": "2026-01-01T00:00:09Z"}
    found = pods.told("the pod p", {"items": [new, old, normal, probe]})
    assert found
    assert (found.text, found.patience) == ("the pod p does not start: new", 0.0)
    assert pods.told("the pod p", {"items": [normal, probe]}) is None


@pytest.mark.parametrize(
    ("reason", "grows"), [("TriggeredScaleUp", True), ("Nominated", True), ("Scheduled", False)]
)
def test_who_adds_nodes_says_so(reason: str, *, grows: bool) -> None:
    assert pods.grows({"items": [{"reason": "FailedScheduling"}, {"reason": reason}]}) is grows


def test_pods_that_are_ready_are_counted_without_those_that_go() -> None:
    ready = container(ready=True)
    going = container(ready=True)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = pods.pods({"items": [ready, going, container(ready=False)]})
    assert pods.ready(found) == 1


def test_words_of_a_cluster_are_one_short_line() -> None:
    found = trouble(waiting("ErrImagePull", "a\n::error::b\x1b[2J\u2028" + "c" * 5000))
    assert found.text.isprintable()
    assert len(str(found)) < 900


@given(STATUS, JSON)
def test_pods_of_any_shape_are_read(status: dict[str, Any], value: object) -> None:
    found = pods.pods({"items": [{"metadata": value, "status": status}, value]})
    assert all(isinstance(read.name, str) for read in found)
    pods.unmade({"status": status})
    pods.told("it", {"items": [status, value]})
    pods.grows({"items": value})
    pods.pods({"items": value})


def pod(phase: str, *, ready: bool, going: bool = False) -> dict[str, Any]:
    """Return a pod as the API does."""
    metadata = {"name": "p", "uid": "u", **({"deletionTimestamp": "now"} if going else {})}
    return {
        "metadata": metadata,
        "status": {"phase": phase, "containerStatuses": [{"ready": ready}]},
    }


READY = pod("Running", ready=True)
BEGINS = pod("Running", ready=False)
WAITS = pod("Pending", ready=False)
GOES = pod("Running", ready=False, going=True)
WENT = pod("Failed", ready=False)


@pytest.mark.parametrize(
    ("found", "least", "expected"),
    [
        pytest.param([READY], 1, True, id="one"),
        pytest.param([], 1, False, id="none"),
        pytest.param([READY], 2, False, id="one of two that are to be"),
        pytest.param([READY, BEGINS], 1, False, id="buildx may choose one that begins"),
        pytest.param([READY, WAITS], 1, True, id="but not one that waits for a node"),
        pytest.param([READY, GOES], 1, True, id="nor one that goes"),
        pytest.param([READY, WENT], 1, True, id="nor one that was evicted"),
        pytest.param([pod("Running", ready=True, going=True)], 1, False, id="it goes"),
    ],
)
def test_pods_serve_if_whichever_buildx_chooses_is_ready(
    found: list[dict[str, Any]], least: int, *, expected: bool
) -> None:
    assert pods.serve(pods.pods({"items": found}), least) is expected
