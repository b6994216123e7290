from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cluster import pool
from warmbuild.cluster.pool import Pool

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
