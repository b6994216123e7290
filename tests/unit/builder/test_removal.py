from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.unit.fake_runner import FakeRunner
from warmbuild import ci
from warmbuild.builder import engine, engine_calls, removal
from warmbuild.builder.engine import Container
from warmbuild.builder.environment import Buildx
from warmbuild.builder.leftovers import Verdict
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from warmbuild.builder.engine_calls import Address
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan

GOES = Verdict(removes=True)
STAYS = Verdict(removes=False)
IN_USE = Verdict(
    removes=False, why="another job is connected to it; the last job that uses it removes it"
)
OURS = Container(identity="1", env=("A=1", "WARMBUILD_TEMPORARY=true"), connections=0)
THEIRS = Container(identity="1", env=("PATH=/bin",), connections=0)
USED = Container(identity="1", env=OURS.env, connections=1)
REMOTE = {"driver": "remote", "endpoint": "tcp://b.example.com:1234"}


@pytest.fixture
def plan(parsed: Callable[..., Inputs]) -> Callable[..., BuilderPlan]:
    def make(**inputs: str) -> BuilderPlan:
        return planned(parsed(**inputs), RunContext(ci="local")).builder

    return make


@pytest.mark.parametrize(
    ("inputs", "found", "expected"),
    [
        pytest.param({}, None, GOES, id="a builder of this run"),
        pytest.param({"cleanup": "false"}, None, STAYS, id="cleanup is off"),
        pytest.param({"builder": "b", "cleanup": "false"}, OURS, STAYS, id="for this name as well"),
        pytest.param({"builder": "b"}, OURS, GOES, id="nobody else uses it"),
        pytest.param({"builder": "b"}, None, GOES, id="another job has removed it"),
        pytest.param({"builder": "b"}, USED, IN_USE, id="another job uses it"),
        pytest.param({"builder": "b"}, THEIRS, STAYS, id="it was there before"),
        pytest.param({"builder": "b", "endpoint": "tcp://e:1"}, USED, IN_USE, id="elsewhere"),
        pytest.param({"builder": "b", "endpoint": "there"}, None, STAYS, id="a Docker context"),
        pytest.param({"builder": "b", "driver": "kubernetes"}, None, STAYS, id="pods"),
        pytest.param({"builder": "b", **REMOTE}, None, GOES, id="a daemon that runs already"),
    ],
)
def test_the_last_job_removes_what_jobs_have_made(
    plan: Callable[..., BuilderPlan],
    inputs: dict[str, str],
    found: Container | None,
    expected: Verdict,
) -> None:
    assert removal.decide(plan(**inputs), found) == expected


class Engine:
    """An engine that reports the builder's container like this in turn."""

    def __init__(self, *found: Container | None, error: str = "") -> None:
        self.found = list(found)
        self.error = error
        self.removed: list[tuple[str, str, bool]] = []

    def connect(self, env: dict[str, str], *, wait: bool, patience: float) -> str:
        assert not wait
        assert patience > 1
        return env["DOCKER_HOST"]

    def container(self, _client: str, builder: str) -> Container | None:
        assert builder == "b"
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def remove(self, client: str, _builder: str, found: Container, *, keep_state: bool) -> None:
        if self.error:
            raise EngineError(self.error)
        self.removed.append((client, found.identity, keep_state))


@pytest.fixture
def removed(
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[bool, str]]:
    """Return what removes the builder b; it says whether buildx did, and what was logged."""
    monkeypatch.setattr(removal, "_GLANCE", 0.0)

    def remove(
        there: Engine, *, code: int = 0, up: bool = True, name: str = "b", **inputs: str
    ) -> tuple[bool, str]:
        for function in ("connect", "container", "remove"):
            monkeypatch.setattr(engine, function, getattr(there, function))
        runner = FakeRunner()
        runner.answer("buildx", "rm", "--force", name or "x", lines=["no such thing"], code=code)
        buildx = Buildx(program="buildx", env={"DOCKER_HOST": "unix:///x"}, runner=runner)
        log = Log(ci.named("local"))
        removal.remove(plan(builder=name, **inputs), name or "x", buildx, log, up=up)
        return bool(runner.commands), capsys.readouterr().out

    return remove


Removed = Callable[..., tuple[bool, str]]


def test_the_last_client_has_time_to_leave(removed: Removed) -> None:
    there = Engine(USED, USED, OURS)
    assert removed(there) == (False, "")
    assert there.removed == [("unix:///x", "1", False)]


def test_a_builder_elsewhere_is_removed_there(removed: Removed) -> None:
    there = Engine(OURS)
    assert removed(there, endpoint="tcp://e:1", keep_state="true") == (False, "")
    assert there.removed == [("tcp://e:1", "1", True)]


def test_buildx_removes_the_other_nodes(removed: Removed) -> None:
    there = Engine(OURS)
    assert removed(there, append="- endpoint: tcp://e:1") == (True, "")
    assert there.removed == [("unix:///x", "1", False)]


def refuse(*_arguments: object, **_options: object) -> None:
    raise EngineError("the engine does not answer")


def test_a_builder_of_this_run_goes_without_waiting_for_its_last_file(
    removed: Removed, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[tuple[str, str]] = []

    def remove_container(at: Address, name: str, *, patience: float) -> None:
        assert patience > 1
        gone.append((at.path, name))

    def remove_volume(at: Address, name: str, *, patience: float, most: float) -> bool:
        assert patience < 1 < most
        gone.append((at.path, name))
        return False

    monkeypatch.setattr(engine_calls, "remove_container", remove_container)
    monkeypatch.setattr(engine_calls, "remove_volume", remove_volume)
    assert removed(Engine(None), name="") == (False, "")
    assert gone == [("/x", "buildx_buildkit_x0"), ("/x", "buildx_buildkit_x0_state")]


def test_buildx_removes_a_builder_of_this_run_if_the_engine_refuses(
    removed: Removed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_calls, "remove_container", refuse)
    said = "warning: the builder x could not be removed: no such thing\n"
    assert removed(Engine(None), name="") == (True, "")
    assert removed(Engine(None), name="", code=1) == (True, said)
    assert removed(Engine(None), name="", code=1, up=False) == (True, "")


def test_a_builder_that_is_gone_needs_no_removal(removed: Removed) -> None:
    there = Engine(None)
    assert removed(there) == (False, "")
    assert there.removed == []


def test_a_builder_in_use_stays_and_it_is_said(
    removed: Removed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_GOODBYE", 0.0)
    there = Engine(USED)
    assert removed(there) == (False, f"the builder b stays: {IN_USE.why}\n")
    assert removed(there, up=False) == (False, "")
    assert there.removed == []


def test_a_builder_that_stays_is_asked_for_nothing(removed: Removed) -> None:
    assert removed(Engine(), cleanup="false") == (False, "")


def test_an_engine_that_refuses_is_a_warning(removed: Removed) -> None:
    said = "warning: the builder b could not be removed: the engine refuses\n"
    assert removed(Engine(OURS, error="the engine refuses")) == (False, said)
