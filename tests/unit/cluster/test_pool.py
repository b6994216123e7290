from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cluster import pool
from warmbuild.cluster.pool import Made, Pool

MARKS: Final = {"io.github.warmbuild.owner": "user=0"}
WHEN: Final = "2026-12-01T01:02:03Z"


def owner(replicas: int = 1, image: str = "moby/buildkit:v1", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Return a deployment as the API does."""
    containers = [{"name": "sidecar", "image": "s"}, {"name": "buildkitd", "image": image}]
    return {
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers, **spec}}}
    }


CLAIM = "persistent-volume-claim.requests.storage=1Gi"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), {}),
        (("replicas=3",), {"replicas": 3}),
        (("replicas=3", "replicas=0"), {"replicas": 0}),
        (("replicas=many",), {}),
        (("replicas=",), {}),
        (("namespace=builders",), {"namespace": "builders"}),
        (("namespace=",), {}),
        (('"namespace=a","timeout=1m30s"',), {"namespace": "a", "seconds": 90.0}),
        (("timeout=2h",), {"seconds": 7200.0}),
        (("timeout=soon",), {}),
        ((CLAIM,), {"has_claims": True}),
    ],
)
def test_the_pods_that_options_ask_for(options: tuple[str, ...], found: dict[str, Any]) -> None:
    made = pool.pool("ci_0", options, "ci")
    expected = replace(Pool(name="ci-0", namespace="ci"), **found)
    for member in ("name", "namespace", "replicas", "seconds", "has_claims"):
        assert getattr(made, member) == getattr(expected, member)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_that_of_go(hours: int, minutes: int, seconds: int) -> None:
    made = pool.pool("n", [f"timeout={hours}h{minutes}m{seconds}s"], "ci")
    assert made.seconds == (hours * 3600 + minutes * 60 + seconds or pool.pool("n", (), "").seconds)


@given(st.text())
def test_any_text_is_a_timeout_or_none(text: str) -> None:
    assert pool.pool("n", [f'"timeout={text.replace(chr(34), "")}"'], "ci").seconds > 0


def test_only_a_timeout_of_a_user_waits_for_what_may_come() -> None:
    assert not pool.pool("n", (), "ci").is_patient
    assert pool.pool("n", ["timeout=10m"], "ci").is_patient


def test_paths_are_those_of_the_api() -> None:
    deployment = Pool(name="ci0", namespace="builders")
    assert deployment.path == "/apis/apps/v1/namespaces/builders/deployments/ci0"
    stateful = Pool(name="ci0", namespace="builders", has_claims=True)
    assert stateful.path == "/apis/apps/v1/namespaces/builders/statefulsets/ci0"
    assert stateful.pods_path == "/api/v1/namespaces/builders/pods?labelSelector=app%3Dci0"
    uid = stateful.events_path("u-1").partition("?")[2]
    assert uid == "fieldSelector=involvedObject.uid%3Du-1"


def test_a_patch_gives_replicas_and_probes_that_look_at_once() -> None:
    spec = pool.patch(Pool(name="ci0", namespace="ci", replicas=2, seconds=90.0), {})["spec"]
    assert isinstance(spec, dict)
    assert spec["replicas"] == 2
    (container,) = spec["template"]["spec"]["containers"]
    assert container["name"] == "buildkitd"
    assert container["startupProbe"]["periodSeconds"] == 1
    # It is looked for so often as seconds are left.
    assert container["startupProbe"]["failureThreshold"] == 90
    assert container["readinessProbe"] == {"initialDelaySeconds": 0}
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize(
    ("node", "opts", "expected"),
    [
        ("ci0", (), Pool(name="ci0", namespace="n")),
        ("my_ci0", (), Pool(name="my-ci0", namespace="n")),
        (
            "ci0",
            ("image=i,replicas=2", '"nodeselector=a=b,c=d"', "namespace=other", "timeout=1m30s"),
            Pool(name="ci0", namespace="other", replicas=2, counts=True, seconds=90.0, image="i"),
        ),
        (
            "ci0",
            ("persistent-volume-claim.requests.storage=1Gi", "timeout=soon", "replicas=x"),
            Pool(name="ci0", namespace="n", counts=True, has_claims=True),
        ),
    ],
)
def test_a_pool_is_read_as_buildx_reads_it(
    node: str, opts: tuple[str, ...], expected: Pool
) -> None:
    assert pool.pool(node, opts, "n") == expected


def test_a_pool_has_its_paths() -> None:
    one = Pool(name="ci0", namespace="n")
    assert one.path == "/apis/apps/v1/namespaces/n/deployments/ci0"
    claiming = replace(one, has_claims=True)
    assert claiming.path == "/apis/apps/v1/namespaces/n/statefulsets/ci0"
    assert one.pods_path == "/api/v1/namespaces/n/pods?labelSelector=app%3Dci0"


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        pytest.param(owner(), Pool(name="ci0", namespace="n"), "", id="nothing is asked for"),
        pytest.param(
            owner(2),
            Pool(name="ci0", namespace="n", replicas=2, counts=True, image="moby/buildkit:v1"),
            "",
            id="as asked for",
        ),
        pytest.param(owner(5), Pool(name="ci0", namespace="n"), "", id="a number by others"),
        pytest.param(
            owner(0), Pool(name="ci0", namespace="n", replicas=2, counts=True), "", id="it rests"
        ),
        pytest.param(
            owner(1),
            Pool(name="ci0", namespace="n", replicas=2, counts=True),
            "has 1 replica, not 2",
            id="fewer",
        ),
        pytest.param(
            owner(3, "moby/buildkit:v2"),
            Pool(name="ci0", namespace="n", replicas=2, counts=True, image="moby/buildkit:v1"),
            "has 3 replicas, not 2 and runs moby/buildkit:v2, not moby/buildkit:v1",
            id="both",
        ),
        pytest.param({}, Pool(name="ci0", namespace="n", image="i"), "", id="no deployment"),
    ],
)
def test_a_pool_that_was_found_may_differ(
    there: dict[str, Any], wanted: Pool, expected: str
) -> None:
    told = "the pool ci0 was there and {}: driver-opts take effect only when a pool is made"
    assert pool.difference(there, wanted) == (told.format(expected) if expected else "")


def test_pods_of_a_run_say_whose_they_are_and_take_their_claims_with_them() -> None:
    one = Pool(name="ci0", namespace="n", replicas=2)
    stays = pool.patch(one, owner(0))
    assert "metadata" not in stays
    assert stays["spec"]["replicas"] == 2  # type: ignore[index]
    goes = pool.patch(replace(one, marks=MARKS, has_claims=True), owner(0))
    assert goes["metadata"] == {"annotations": MARKS}
    policy = goes["spec"]["persistentVolumeClaimRetentionPolicy"]  # type: ignore[index]
    assert policy == {"whenDeleted": "Delete"}
    kept = pool.patch(replace(one, has_claims=True), owner(0))
    assert "persistentVolumeClaimRetentionPolicy" not in kept["spec"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("has_claims", "volumes", "is_mounted"),
    [(True, ["config"], True), (True, [], False), (False, ["config"], False)],
)
def test_the_configuration_is_mounted_beside_a_claim(
    *, has_claims: bool, volumes: list[str], is_mounted: bool
) -> None:
    one = Pool(name="ci0", namespace="n", has_claims=has_claims)
    there = owner(0, volumes=[{"name": name} for name in volumes])
    spec: Any = pool.patch(one, there)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    mount = {"name": "config", "mountPath": "/etc/buildkit"}
    assert container.get("volumeMounts", []) == ([mount] if is_mounted else [])


@pytest.mark.parametrize(
    ("opts", "expected"),
    [
        (("rootless=true",), True),
        (("namespace=ci,rootless=1",), True),
        (("rootless=true", "rootless=false"), False),
        ((), False),
    ],
)
def test_whether_daemons_run_without_root(opts: tuple[str, ...], *, expected: bool) -> None:
    assert pool.is_rootless(opts) is expected


def test_pods_that_were_found_are_read() -> None:
    volumes = [{"configMap": {"name": "w0-config"}}, {"emptyDir": {}}]
    metadata = {"name": "w0", "creationTimestamp": WHEN, "annotations": MARKS}
    assert pool.made({**owner(volumes=volumes), "metadata": metadata}) == Made(
        name="w0",
        when=datetime(2026, 12, 1, 1, 2, 3, tzinfo=UTC),
        marks=MARKS,
        configurations=("w0-config",),
    )
    assert pool.made({"metadata": {"name": "w0"}}) is None
