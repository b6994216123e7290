from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plans import planned
from warmbuild import ci
from warmbuild.builder import fleet
from warmbuild.builder.private_directory import Private
from warmbuild.buildkit import answers
from warmbuild.cluster import client, rights
from warmbuild.cluster.client import ForeignError, RefusedError
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.process import LateError, Result
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan

ACCOUNT = "system:serviceaccount:ci:runner"
FORBIDDEN = RefusedError(403, "forbidden")
MISSING = RefusedError(404, "not found")
READY = {"metadata": {"name": "p", "uid": "u"}, "status": {"containerStatuses": [{"ready": True}]}}
PENDING = {
    "metadata": {"name": "p", "uid": "u"},
    "status": {
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu"}]
    },
}
BEGINS = {"metadata": {"name": "p", "uid": "u"}, "status": {}}
UNPULLED = {
    "metadata": {"name": "p", "uid": "u"},
    "status": {
        "containerStatuses": [
            {"image": "bk", "state": {"waiting": {"reason": "ErrImagePull", "message": "none"}}}
        ]
    },
}
EVICTED = {
    "metadata": {"name": "old", "uid": "0"},
    "status": {"phase": "Failed", "reason": "Evicted", "message": "no room"},
}
GROWS = {"items": [{"reason": "TriggeredScaleUp", "type": "Normal"}]}
MOUNT = {"items": [{"reason": "FailedMount", "type": "Warning", "message": "no such map"}]}


class Cluster:
    """A cluster with an account that lacks rights, and what it answers to the rest."""

    namespace = "ci"

    def __init__(self, *lacks: str, **answers: Any) -> None:  # noqa: ANN401
        self.lacks, self.answers, self.called = lacks, answers, list[str]()

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, object]:
        if path == rights.REVIEWS:
            assert body
            asked = body["spec"]["resourceAttributes"]
            below = f"/{asked['subresource']}" if asked["subresource"] else ""
            right = f"{asked['verb']} {asked['resource']}{below}"
            return {"status": {"allowed": right not in self.lacks}}
        if path == rights.WHO:
            return {"status": {"userInfo": {"username": ACCOUNT}}}
        self.called.append(f"{method} {path}")
        kind = next(one for one in ("events", "pods", "deployments") if f"/{one}" in path)
        name = "patch" if method == "PATCH" else kind
        found = self.answers.get(name, {"spec": {"replicas": 0}} if kind == "deployments" else {})
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]  # as the test has it


class Clock:
    """A clock that only waiting moves, by its seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(fleet, "time", made)
    return made


@pytest.fixture
def plan(parsed: Callable[..., Inputs]) -> Callable[..., BuilderPlan]:
    def make(**inputs: str) -> BuilderPlan:
        return planned(parsed(driver="kubernetes", **inputs), RunContext(ci="local")).builder

    return make


@pytest.fixture
def start(
    plan: Callable[..., BuilderPlan], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., fleet.Fleet]:
    """Return the pods of a plan in a cluster."""

    def make(cluster: Cluster, **inputs: str) -> fleet.Fleet:
        monkeypatch.setattr(client, "found", lambda _env, _keeping: cluster)
        made = plan(**inputs)
        log = Log(ci.named("local"))
        return fleet.fleet(made, made.name or "wb", {}, Private(root=tmp_path), log)

    return make


class Creation:
    """buildx, which ends after some seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.end = clock, seconds

    def finish(self, patience: float) -> Result:
        if self.clock.now + patience < self.end:
            self.clock.sleep(patience)
            raise LateError("")
        return Result(code=0, output="")


class TestRights:
    def test_with_all_of_them_the_run_starts_the_pods(
        self, start: Callable[..., fleet.Fleet], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert start(Cluster()).held
        assert capsys.readouterr().out == ""

    def test_without_that_of_the_fast_boot_buildx_starts_them(
        self, start: Callable[..., fleet.Fleet], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert not start(Cluster("patch deployments")).held
        note = "note: this account may not patch deployments.apps in the namespace ci: buildx alone"
        assert note in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("inputs", "lacks", "missing"),
        [
            ({}, "create pods/exec", "create pods/exec"),
            ({}, "delete deployments", "delete deployments.apps"),
            ({"buildkitd_config_inline": "debug = true"}, "create configmaps", "create configmaps"),
            ({"builder": "pool"}, "create deployments", "create deployments.apps"),
        ],
    )
    def test_without_another_nothing_is_started(
        self,
        start: Callable[..., fleet.Fleet],
        inputs: dict[str, str],
        lacks: str,
        missing: str,
    ) -> None:
        with pytest.raises(EngineError) as caught:
            start(Cluster(lacks, deployments=MISSING), **inputs)
        said = str(caught.value)
        assert said.startswith(f"the account {ACCOUNT} may not {missing} in the namespace ci. ")
        assert "subjects: [{kind: ServiceAccount, name: runner, namespace: ci}]" in said

    @pytest.mark.parametrize(
        ("inputs", "lacks"),
        [
            ({"cleanup": "false"}, "delete deployments"),
            ({}, "create configmaps"),
            ({"builder": "pool"}, "create deployments"),
            ({"builder": "pool"}, "patch deployments"),
        ],
    )
    def test_what_a_builder_does_not_need_is_not_missed(
        self, start: Callable[..., fleet.Fleet], inputs: dict[str, str], lacks: str
    ) -> None:
        # A pool of that name is there.
        assert start(Cluster(lacks), **inputs).held

    def test_what_cannot_be_asked_is_assumed(
        self, start: Callable[..., fleet.Fleet], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cluster = Cluster()
        monkeypatch.setattr(cluster, "call", _refuse)
        assert start(cluster).held

    def test_a_cluster_that_only_buildx_reaches_is_left_to_it(
        self,
        start: Callable[..., fleet.Fleet],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        cluster = Cluster()
        monkeypatch.setattr(cluster, "call", _foreign)
        made = start(cluster)
        assert (made.held, made.pools) == (False, ())
        made.boot()
        assert "note: the kubeconfig has proxy-url, which warmbuild" in capsys.readouterr().out
        assert made.lost() == "the connection to a pod broke"


def _refuse(*_: object) -> Mapping[str, object]:
    raise FORBIDDEN


def _foreign(*_: object) -> Mapping[str, object]:
    raise ForeignError("the kubeconfig has proxy-url")


class TestBoot:
    def test_pods_that_are_ready_end_it(self, start: Callable[..., fleet.Fleet]) -> None:
        cluster = Cluster(pods={"items": [READY]})
        start(cluster).boot()
        assert [one.split()[0] for one in cluster.called] == ["GET", "PATCH", "GET", "GET"]

    def test_a_pool_that_has_pods_keeps_its_number(self, start: Callable[..., fleet.Fleet]) -> None:
        cluster = Cluster(pods={"items": [READY]}, deployments={"spec": {"replicas": 3}})
        start(cluster, builder="pool").boot()
        assert not [one for one in cluster.called if one.startswith("PATCH")]

    @pytest.mark.parametrize(
        ("found", "inputs", "seconds", "said"),
        [
            pytest.param({"pods": {"items": [UNPULLED]}}, {}, 2, "cannot pull", id="no hope"),
            pytest.param({"pods": {"items": [PENDING]}}, {}, 46, "no node takes", id="no room"),
            pytest.param({"pods": {"items": [EVICTED]}}, {}, 46, "old was evicted", id="evicted"),
            pytest.param(
                {"pods": {"items": [EVICTED, UNPULLED]}}, {}, 2, "cannot pull", id="its successor"
            ),
            pytest.param(
                {"pods": {"items": [PENDING]}, "events": GROWS},
                {},
                121,
                "0 of 1 pods after 120 s: no node takes the pod p",
                id="a node is being added",
            ),
            pytest.param(
                {"pods": {"items": [PENDING]}, "events": FORBIDDEN},
                {},
                121,
                "0 of 1 pods after 120 s: no node takes the pod p",
                id="nobody knows",
            ),
            pytest.param(
                {"pods": {"items": [PENDING]}},
                {"driver_opts": "timeout=5m"},
                301,
                "0 of 1 pods after 300 s: no node takes the pod p",
                id="a patient user",
            ),
            pytest.param(
                {"pods": {"items": [BEGINS]}, "events": MOUNT},
                {"driver_opts": "timeout=9s"},
                10,
                "0 of 1 pods after 9 s: the pod p does not start: no such map",
                id="what only events say",
            ),
            pytest.param(
                {"pods": {"items": [BEGINS]}},
                {"driver_opts": "timeout=9s,replicas=2"},
                10,
                "the builder has 0 of 2 pods after 9 s.",
                id="nothing is said",
            ),
        ],
    )
    def test_what_hinders_them_ends_it_in_its_time(
        self,
        start: Callable[..., fleet.Fleet],
        clock: Clock,
        found: dict[str, Any],
        inputs: dict[str, str],
        seconds: float,
        said: str,
    ) -> None:
        with pytest.raises(EngineError) as caught:
            start(Cluster(**found), **inputs).boot()
        assert said in str(caught.value)
        assert seconds - 2 < clock.now < seconds + 2

    def test_what_is_waited_for_is_said_once(
        self, start: Callable[..., fleet.Fleet], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(EngineError):
            start(Cluster(pods={"items": [PENDING]})).boot()
        line = "waiting for the builder: no node takes the pod p: Insufficient cpu"
        assert capsys.readouterr().out.splitlines() == [line]

    def test_a_refusal_on_the_way_is_told(self, start: Callable[..., fleet.Fleet]) -> None:
        refusal = RefusedError(422, "admission webhook denied the request")
        with pytest.raises(EngineError, match=r"refuses a call for the builder: admission webho"):
            start(Cluster(patch=refusal)).boot()


class TestSlowBoot:
    def test_buildx_is_waited_for(self, start: Callable[..., fleet.Fleet], clock: Clock) -> None:
        made = start(Cluster("patch deployments", pods={"items": [BEGINS]}))
        made.watch(Creation(clock, 32.0))  # type: ignore[arg-type]  # of what is used
        assert 31 <= clock.now <= 33

    def test_what_is_not_there_yet_is_no_trouble(
        self, start: Callable[..., fleet.Fleet], clock: Clock
    ) -> None:
        made = start(Cluster("patch deployments", deployments=MISSING))
        made.watch(Creation(clock, 5.0))  # type: ignore[arg-type]  # of what is used

    def test_what_does_not_pass_ends_it(
        self, start: Callable[..., fleet.Fleet], clock: Clock
    ) -> None:
        made = start(Cluster("patch deployments", pods={"items": [UNPULLED]}))
        with pytest.raises(EngineError, match="cannot pull the image bk"):
            made.watch(Creation(clock, 120.0))  # type: ignore[arg-type]  # of what is used
        assert clock.now < 5

    def test_a_fast_one_watches_nothing(
        self, start: Callable[..., fleet.Fleet], clock: Clock
    ) -> None:
        start(Cluster()).watch(Creation(clock, 120.0))  # type: ignore[arg-type]  # of what is used
        assert clock.now == 0.0


class TestRefusal:
    def refusal(self, made: fleet.Fleet, plan: BuilderPlan, output: str) -> str:
        return str(made.refusal(plan, answers.boot(output, up=False)))

    def test_buildx_is_quoted(
        self, start: Callable[..., fleet.Fleet], plan: Callable[..., BuilderPlan]
    ) -> None:
        said = self.refusal(start(Cluster()), plan(), "ERROR: invalid driver option x")
        expected = "the builder does not start. buildx says:\n  | ERROR: invalid driver option x"
        assert said == expected

    def test_a_namespace_that_is_not_there_is_to_be_made(
        self, start: Callable[..., fleet.Fleet], plan: Callable[..., BuilderPlan]
    ) -> None:
        said = self.refusal(start(Cluster()), plan(), 'ERROR: x: namespaces "b" not found')
        assert said.endswith(
            "\nCreate the namespace, or name another one by namespace=NAME in driver-opts."
        )

    def test_what_pods_say_goes_first(
        self, start: Callable[..., fleet.Fleet], plan: Callable[..., BuilderPlan]
    ) -> None:
        made = start(Cluster(pods={"items": [UNPULLED]}))
        assert self.refusal(made, plan(), "ERROR: expected 1").startswith("the pod p cannot pull")

    def test_a_right_that_was_taken_away_meanwhile_is_named(
        self, start: Callable[..., fleet.Fleet], plan: Callable[..., BuilderPlan]
    ) -> None:
        cluster = Cluster()
        made = start(cluster)
        # The configuration is a default of buildx, which no input names.
        cluster.lacks = ("create configmaps",)
        assert " may not create configmaps in the namespace ci" in self.refusal(made, plan(), "")


def test_each_node_has_pods_of_its_own(start: Callable[..., fleet.Fleet]) -> None:
    append = "- name: arm\n  driver-opts:\n    - namespace=arm\n- driver-opts: []\n"
    made = start(Cluster(), append=append, builder="ci")
    assert [(one.name, one.namespace) for one in made.pools] == [
        ("ci0", "ci"),
        ("arm", "arm"),
        ("ci2", "ci"),
    ]
