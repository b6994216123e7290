from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.unit.fake_runner import FakeRunner
from warmbuild import ci
from warmbuild.builder import engine, removal
from warmbuild.builder.engine import Container
from warmbuild.builder.environment import Buildx
from warmbuild.builder.leftovers import Verdict
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.fixture
def removed(
    plan: Callable[..., BuilderPlan],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[list[tuple[str, ...]], str]]:
    """Return what removes the builder b, whose container the engine reports like this in turn."""
    monkeypatch.setattr(removal, "_GLANCE", 0.0)

    def remove(
        *found: Container | EngineError | None, code: int = 0, up: bool = True, **inputs: str
    ) -> tuple[list[tuple[str, ...]], str]:
        reports = list(found)

        def report(*_arguments: object) -> Container | None:
            seen = reports.pop(0) if len(reports) > 1 else reports[0]
            if isinstance(seen, EngineError):
                raise seen
            return seen

        def connect(env: dict[str, str], *, wait: bool) -> str:
            assert not wait
            return env["DOCKER_HOST"]

        monkeypatch.setattr(engine, "container", report)
        monkeypatch.setattr(engine, "connect", connect)
        runner = FakeRunner()
        runner.answer("buildx", "rm", lines=["no such thing"], code=code)
        buildx = Buildx(program="buildx", env={"DOCKER_HOST": "unix:///x"}, runner=runner)
        removal.remove(plan(builder="b", **inputs), "b", buildx, Log(ci.named("local")), up=up)
        return runner.commands, capsys.readouterr().out

    return remove


RM = [("buildx", "rm", "--force", "b")]


def test_the_last_client_has_time_to_leave(
    removed: Callable[..., tuple[list[tuple[str, ...]], str]],
) -> None:
    assert removed(USED, USED, OURS) == (RM, "")


def test_a_builder_in_use_stays_and_it_is_said(
    removed: Callable[..., tuple[list[tuple[str, ...]], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_GOODBYE", 0.0)
    said = f"the builder b stays: {IN_USE.why}\n"
    assert removed(USED) == ([], said)
    assert removed(USED, endpoint="tcp://e:1") == ([], said)
    assert removed(USED, up=False) == ([], "")


def test_a_builder_that_the_engine_does_not_report_stays(
    removed: Callable[..., tuple[list[tuple[str, ...]], str]],
) -> None:
    assert removed(EngineError("there is no engine")) == (
        [],
        "the builder b stays: there is no engine\n",
    )


def test_a_builder_that_stays_is_asked_for_nothing(
    removed: Callable[..., tuple[list[tuple[str, ...]], str]],
) -> None:
    assert removed(EngineError("nobody asks it"), cleanup="false") == ([], "")


def test_a_removal_that_fails_is_a_warning_if_there_was_a_builder(
    removed: Callable[..., tuple[list[tuple[str, ...]], str]],
) -> None:
    said = "warning: the builder b could not be removed: no such thing\n"
    assert removed(OURS, code=1) == (RM, said)
    assert removed(OURS, code=1, up=False) == (RM, "")
