"""Plans that are carried out by a buildx that a test answers for."""

from __future__ import annotations

import itertools
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import plans
from tests.golden.made_up import vertex
from tests.unit.fake_runner import FakeRunner, recorded
from warmbuild import ci, trust
from warmbuild.bake import targets
from warmbuild.bake.targets import Target
from warmbuild.build import solve
from warmbuild.build.display import Display
from warmbuild.build.solve import Beside, Limits, Tool
from warmbuild.builder.environment import Buildx
from warmbuild.builder.memory import State
from warmbuild.builder.private_directory import Private
from warmbuild.buildkit.plain_progress import Printer
from warmbuild.cache.probe import Found
from warmbuild.errors import BuildError, EngineError, RegistryError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan

PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
BUILD = ("buildx", "build")
BAKE = ("buildx", "bake")
METADATA = json.dumps({"containerimage.digest": "sha256:1", "token": "hunter2"})
SAID = {"--metadata-file": METADATA, "--iidfile": "sha256:2\n"}
RACE = "unknown: blob unknown to registry"


_FULL = "no space is left in the builder's state"


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def log() -> Log:
    log = Log(ci.named("local"))
    log.hide(["hunter2"])
    return log


@pytest.fixture
def restarts() -> list[str]:
    return []


class Where(State):
    """A state that moves to disk when it is told to, and to nothing else."""

    def __init__(self) -> None:
        self.size, self.moved = 0, list[str]()

    def to_disk(self, why: str) -> None:
        self.size = 0
        self.moved.append(why)


@pytest.fixture
def kept() -> list[str]:
    """Return the refs that caches were tagged as."""
    return []


@pytest.fixture
def where() -> Where:
    return Where()


@pytest.fixture
def tool(
    runner: FakeRunner,
    tmp_path: Path,
    restarts: list[str],
    kept: list[str],
    log: Log,
    where: Where,
) -> Tool:
    private = Private(root=tmp_path)

    def keep(cache: CachePlan) -> bool:
        kept.append(str(cache.write.ref) if cache.write else "")
        return True

    return Tool(
        buildx=Buildx(program="buildx", env={"BUILDX_BUILDER": "b"}, runner=runner),
        files=solve.files(private),
        definition=str(private.file("definition.json")),
        private=private,
        limits=Limits(cache=600.0, push=600.0, retry=600.0),
        annotates=True,
        restart=lambda: restarts.append("again"),
        lost=str,
        display=Display(Printer(), log),
        state=where,
        keep=keep,
        log=log,
    )


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.fixture
def planned(parsed: Callable[..., Inputs]) -> Callable[..., BuildPlan]:
    """Return what plans a push of the branch x."""
    return lambda **values: plans.planned(parsed(**values), PUSH)


def of_targets(inputs: Inputs, *names: str) -> list[BuildPlan]:
    known = plans.known(inputs, PUSH)
    found = []
    for name in names:
        one = Target(name=name, definition={"tags": [f"ghcr.io/me/{name}:1"]}, linked=False)
        own = targets.inputs(inputs, PUSH, known.applied, one)
        found.append(targets.planned(own, PUSH, known, one))
    return found


def race() -> list[str]:
    """Return a push that was refused, as the registry refuses one beside an export."""
    refusal = "failed to do request: Head .*?connection refused"
    return [re.sub(refusal, RACE, line) for line in recorded("push-refused")]


def has(command: tuple[str, ...], *flags: str) -> bool:
    return all(flag in command for flag in flags)


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was said, but for the progress of BuildKit and the commands."""
    said = capsys.readouterr().out.splitlines()
    return [line for line in said if line and not line.startswith(("#", "+", "=", "WARNING: "))]


def test_a_cold_build_pushes_the_image_first_and_writes_its_cache_after_it(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned()], tool)
    image, export = runner.commands
    assert has(image, "--push", "--tag")
    assert not has(image, "--cache-to")
    assert has(export, "--cache-to", "--output", "type=cacheonly")
    assert not has(export, "--push")
    assert [env["BUILDX_BUILDER"] for env in runner.environments] == ["b", "b"]
    assert [step.cached for step in outcome.steps] == [False] * 5
    assert outcome.cache_written == "ghcr.io/me/app:cache-x"
    assert (outcome.cache_read, outcome.cache_age) == ((), None)
    assert shown(capsys) == ["the image is done; now exporting its cache"]


def test_what_buildx_wrote_is_read_back_and_secrets_are_hidden_in_it(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    outcome = solve.build([planned(cache="off")], tool)
    assert outcome.digest == "sha256:1"
    assert outcome.image_id == "sha256:2"
    assert outcome.metadata == '{"containerimage.digest":"sha256:1","token":"***"}'


@pytest.mark.parametrize("metadata", ["{", "[]", '{"a":' * 500 + "1" + "}" * 500])
def test_metadata_that_a_frontend_has_spoilt_are_none(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, metadata: str
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes={"--metadata-file": metadata})
    assert solve.build([planned(cache="off")], tool).metadata == "{}"


def test_a_build_that_says_nothing_of_itself_has_no_digest(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned(cache="off")], tool)
    assert (outcome.digest, outcome.image_id, outcome.metadata) == ("", "", "{}")
    assert outcome.cache_written == ""


def test_a_push_that_failed_for_a_reason_that_passes_is_tried_again_without_the_cache(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    log: Log,
    pauses: list[float],
) -> None:
    runner.answer(*BUILD, lines=race(), code=1)
    runner.answer(*BUILD, lines=recorded("warm"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned(cache_export="with")], tool)
    beside, again, export = runner.commands
    assert has(beside, "--push", "--cache-to")
    assert has(again, "--push")
    assert not has(again, "--cache-to")
    assert has(export, "--cache-to", "type=cacheonly")
    assert pauses == [2.0]
    # What ran, ran in the first attempt.
    assert [step.cached for step in outcome.steps] == [False] * 5
    assert outcome.cache_written == "ghcr.io/me/app:cache-x"
    assert log.warnings[0] == (
        "the push failed with a transient error (blob unknown to registry); retrying in 2 s, "
        "then exporting the cache"
    )


def test_a_push_that_is_refused_is_the_end(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
) -> None:
    refused = [line.replace("connection refused", "denied") for line in recorded("push-refused")]
    runner.answer(*BUILD, lines=refused, code=1)
    with pytest.raises(RegistryError, match="the image is built and was not pushed"):
        solve.build([planned()], tool)
    assert len(runner.commands) == 1


def test_a_push_is_not_tried_again_for_ever(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    for _ in range(3):
        runner.answer(*BUILD, lines=race(), code=1)
    limits = Limits(cache=600.0, push=600.0, retry=13.0)
    with pytest.raises(RegistryError, match="blob unknown"):
        solve.build([planned()], replace(tool, limits=limits))
    # The next pause of 8 s would end too late.
    assert pauses == [2.0, 4.0]


def test_a_step_that_fails_is_the_end(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
) -> None:
    runner.answer(*BUILD, lines=recorded("failed"), code=1)
    with pytest.raises(BuildError, match=r"at Dockerfile\.failing:3"):
        solve.build([planned()], tool)


def test_no_export_runs_if_all_came_from_the_cache_that_would_be_written(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decided = planned()
    write = decided.cache.write
    assert write is not None
    there = replace(write, found=Found("sha256:c", ()))
    decided = replace(decided, cache=replace(decided.cache, read=(there,), write=there))
    lines = [line for line in recorded("warm") if "cache-none" not in line]
    runner.answer(*BUILD, lines=lines, writes=SAID)
    outcome = solve.build([decided], tool)
    assert len(runner.commands) == 1
    assert [step.cached for step in outcome.steps] == [True] * 5
    assert outcome.cache_read == ("127.0.0.1:5000/rec:cache-main",)
    assert (outcome.cache_written, outcome.cache_error) == ("", "")
    assert shown(capsys) == ["the cache is not written: it is up to date"]


def warm(decided: BuildPlan) -> BuildPlan:
    """Return a plan that reads one cache, which is not the one that it writes."""
    main = Found("sha256:c", (), text=b"{}")
    read = replace(decided.cache.read[-1], found=main)
    return replace(decided, cache=replace(decided.cache, read=(read,)))


def test_a_cache_that_every_step_came_from_is_written_as_it_is(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    kept: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [line for line in recorded("warm") if "cache-none" not in line]
    runner.answer(*BUILD, lines=lines, writes=SAID)
    outcome = solve.build([warm(planned())], tool)
    assert len(runner.commands) == 1
    assert kept == ["ghcr.io/me/app:cache-x"]
    assert (outcome.cache_written, outcome.cache_error) == ("ghcr.io/me/app:cache-x", "")
    assert shown(capsys) == ["the cache that was read is written as it is: it has every step"]


def test_a_cache_that_cannot_be_written_as_it_is_is_exported(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [line for line in recorded("warm") if "cache-none" not in line]
    runner.answer(*BUILD, lines=lines, writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([warm(planned())], replace(tool, keep=lambda _: False))
    assert outcome.cache_written == "ghcr.io/me/app:cache-x"
    assert shown(capsys) == ["the image is done; now exporting its cache"]


def test_an_export_that_fails_is_a_warning(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("failed"), code=1)
    outcome = solve.build([planned()], tool)
    assert outcome.digest == "sha256:1"
    assert outcome.cache_written == ""
    assert outcome.cache_error.startswith('process "/bin/sh -c for i in 1 2 3')
    (warning,) = log.warnings
    assert warning.startswith("no cache is written to ghcr.io/me/app:cache-x: process")


KILLED = (
    "buildx did not end its build: it was killed by signal 9 (SIGKILL). "
    "Perhaps the machine ran out of memory"
)


@pytest.mark.parametrize(
    ("lines", "code", "why"),
    [
        pytest.param([], -9, KILLED, id="before it says anything"),
        pytest.param(recorded("cold"), -9, KILLED, id="in its export"),
        pytest.param([], 1, "buildx ended with exit code 1", id="without a word"),
    ],
)
def test_an_export_that_does_not_end_is_never_silent(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    log: Log,
    lines: Sequence[str],
    code: int,
    why: str,
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=unfinished(lines), code=code)
    outcome = solve.build([planned()], tool)
    assert (outcome.digest, outcome.cache_written, outcome.cache_error) == ("sha256:1", "", why)
    assert log.warnings == [f"no cache is written to ghcr.io/me/app:cache-x: {why}"]


def unfinished(lines: Sequence[str]) -> list[str]:
    """Return a build that ends as it begins to export its cache."""
    found = itertools.takewhile(lambda line: "exporting cache to" not in line, lines)
    begins = (line for line in lines if "exporting cache to" in line)
    return [*found, *itertools.islice(begins, 1)]


def full(lines: Sequence[str]) -> list[str]:
    """Return a build that failed, as it does if the state of its builder has no more room."""
    return [re.sub("exit code: [0-9]+", "no space left on device", line) for line in lines]


def test_a_build_that_runs_out_of_memory_is_built_again_on_disk(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log, where: Where
) -> None:
    where.size = 1000
    runner.answer(*BUILD, lines=full(recorded("failed")), code=1)
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned()], tool)
    first, second, _ = runner.commands
    assert first == second
    assert where.moved == ["the builder's state does not fit into its share of memory"]
    assert log.warnings[0] == f"{where.moved[0]}; building again with the state on disk"
    # The steps are those of the build that made the image.
    assert [step.cached for step in outcome.steps] == [False] * 5
    assert outcome.digest == "sha256:1"


LOST = (
    "ERROR: failed to build: failed to receive status: rpc error: code = Unavailable desc = "
    'closing transport due to: connection error: desc = "error reading from server: EOF"'
)


def test_a_build_whose_daemon_is_lost_is_built_again_once(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    log: Log,
    restarts: list[str],
) -> None:
    tool = replace(tool, lost=lambda: "the pod b-1 is gone")
    runner.answer(*BUILD, lines=[*recorded("cold")[:36], LOST], code=1)
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned()], tool)
    first, second, _ = runner.commands
    assert first == second
    assert (restarts, log.warnings) == (["again"], ["the pod b-1 is gone; building again"])
    assert [step.cached for step in outcome.steps] == [False] * 5


def test_a_step_that_ran_before_the_daemon_was_lost_is_no_hit(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
) -> None:
    tool = replace(tool, lost=lambda: "the connection is lost")
    runner.answer(*BUILD, lines=[*recorded("cold"), LOST], code=1)
    runner.answer(*BUILD, lines=recorded("warm"), writes=SAID)
    outcome = solve.build([planned(cache="off")], tool)
    assert [step.cached for step in outcome.steps] == [False] * 5


def test_a_build_whose_next_daemon_is_lost_too_has_failed(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, restarts: list[str]
) -> None:
    tool = replace(tool, lost=lambda: "the pod b-1 is gone")
    for _ in range(2):
        runner.answer(*BUILD, lines=[*recorded("cold")[:30], LOST], code=1)
    with pytest.raises(EngineError, match="lost for the second time: the pod b-1 is gone"):
        solve.build([planned()], tool)
    assert restarts == ["again"]


def test_a_build_on_disk_that_has_no_more_room_has_failed(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, where: Where
) -> None:
    runner.answer(*BUILD, lines=full(recorded("failed")), code=1)
    with pytest.raises(EngineError, match=r"the builder.s disk is full: .*no space left"):
        solve.build([planned()], tool)
    assert where.moved == []


def test_an_export_that_runs_out_of_memory_is_made_again_on_disk(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log, where: Where
) -> None:
    where.size = 1000
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=full(recorded("failed")), code=1)
    runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([planned()], tool)
    assert where.moved == ["the builder's state does not fit into its share of memory"]
    _, export, again = runner.commands
    assert export == again
    assert (outcome.cache_written, log.warnings) == ("ghcr.io/me/app:cache-x", [])


def test_a_cache_that_is_waited_for_too_long_is_done_without(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    log: Log,
    restarts: list[str],
) -> None:
    importing = recorded("warm")[:16]
    runner.answer(*BUILD, lines=importing, code=1, hangs=True)
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    solve.build([planned()], replace(tool, limits=Limits(cache=0.0, push=0.0, retry=0.0)))
    first, second, _ = runner.commands
    assert has(first, "--cache-from")
    assert not has(second, "--cache-from")
    assert restarts == ["again"]
    assert log.warnings[0] == (
        "ghcr.io/me/app:cache-x, ghcr.io/me/app:cache-main are not read: the registry stopped "
        "answering; retrying without them"
    )


def test_the_stages_of_an_inline_cache_are_pushed_one_by_one(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    runner.answer(*BUILD, lines=recorded("failed"), code=1)
    decided = planned(cache_backend="inline", cache_stages="build,test")
    outcome = solve.build([decided], tool)
    image, build, test = runner.commands
    assert not has(image, "--target")
    assert [stage[stage.index("--target") + 1] for stage in (build, test)] == ["build", "test"]
    assert all(has(stage, "--push", "type=inline") for stage in (image, build, test))
    assert (
        outcome.cache_written
        == "ghcr.io/me/app:cache-x,ghcr.io/me/app:cache-build-e7ec532ede193fdd9548--x"
    )
    (warning,) = log.warnings
    assert warning.startswith("no cache is written to ghcr.io/me/app:cache-test-")


def test_a_cache_in_a_directory_is_written_beside_it(
    planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log, tmp_path: Path
) -> None:
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    runner.answer(*BUILD, lines=recorded("cold"))
    decided = planned(cache_backend="local", cache_dir=str(tmp_path / "caches"))
    write = decided.cache.write
    assert write is not None
    beside = Path(str(write.ref)).with_name(f".{Path(str(write.ref)).name}.")
    outcome = solve.build([decided], tool)
    _, export = runner.commands
    assert f"type=local,dest={beside}" in export[export.index("--cache-to") + 1]
    # The export wrote nothing, so nothing takes the place of the cache before.
    assert outcome.cache_error == ""
    assert log.warnings == []


def test_the_cache_of_each_platform_is_exported_alone(
    planned: Callable[..., BuildPlan],
    runner: FakeRunner,
    tool: Tool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decided = planned(
        driver="remote",
        endpoint="tcp://a:1",
        append="- {endpoint: 'tcp://b:1', platforms: linux/arm64}",
        platforms="linux/amd64,linux/arm64",
    )
    runner.answer(*BUILD, lines=recorded("cold"), writes=SAID)
    for _ in decided.cache.platforms:
        runner.answer(*BUILD, lines=recorded("cold"))
    outcome = solve.build([decided], tool)
    image, *exports = runner.commands
    assert not has(image, "--cache-to")
    assert [export[export.index("--platform") + 1] for export in exports] == [
        "linux/amd64",
        "linux/arm64",
    ]
    assert all(has(export, "--cache-to", "type=cacheonly") for export in exports)
    assert outcome.cache_written == ",".join(str(one.ref) for one in decided.cache.platforms)
    assert shown(capsys) == [
        "the image is done; now exporting the cache of each platform from its own node"
    ]


class TestSeveralTargets:
    def test_only_the_caches_that_are_not_up_to_date_are_exported(
        self,
        parsed: Callable[..., Inputs],
        runner: FakeRunner,
        tool: Tool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        lines = [line for line in recorded("bake-warm") if "cache-none" not in line]
        runner.answer(*BAKE, lines=lines, writes={"--metadata-file": "{}"})
        runner.answer(*BAKE, lines=recorded("cold"))
        decided = []
        inputs = parsed(image="", bake_files="b.hcl", push="true")
        for one in of_targets(inputs, "web", "worker"):
            write = one.cache.write
            assert write is not None
            there = replace(write, found=Found("sha256:c", ()))
            # The cache of web was read beside that of another branch.
            read = (there,) if one.name == "worker" else (there, there)
            decided.append(replace(one, cache=replace(one.cache, read=read, write=there)))
        outcome = solve.build(decided, tool)
        build, export = runner.commands
        assert build[-3:] == ("--", "web", "worker")
        assert export[-2:] == ("--", "web")
        assert [one.cache_written for one in outcome.targets] == ["ghcr.io/me/web:cache-web--x", ""]
        assert shown(capsys) == [
            "worker: the cache is not written: it is up to date",
            "the image is done; now exporting its cache",
        ]

    def test_they_are_built_and_exported_in_one_call_each(
        self,
        parsed: Callable[..., Inputs],
        runner: FakeRunner,
        tool: Tool,
    ) -> None:
        said = {
            "web": {
                "containerimage.digest": "sha256:w",
                "containerimage.config.digest": "sha256:i",
            },
            "worker": {"containerimage.digest": "sha256:v"},
        }
        writes = {"--metadata-file": json.dumps(said)}
        runner.answer(*BAKE, lines=recorded("bake-cold"), writes=writes)
        runner.answer(*BAKE, lines=recorded("bake-cold"))
        decided = of_targets(parsed(image="", bake_files="b.hcl", push="true"), "web", "worker")
        decided = [replace(one, cache=replace(one.cache, read=())) for one in decided]
        outcome = solve.build(decided, tool)
        assert [command[-2:] for command in runner.commands] == [("web", "worker")] * 2
        assert [one.name for one in outcome.targets] == ["web", "worker"]
        assert [one.digest for one in outcome.targets] == ["sha256:w", "sha256:v"]
        assert outcome.targets[0].image_id == "sha256:i"
        assert [len(one.steps) for one in outcome.targets] == [4, 4]
        assert outcome.tags == ("ghcr.io/me/web:1", "ghcr.io/me/worker:1")
        assert (
            outcome.cache_written == "ghcr.io/me/web:cache-web--x,ghcr.io/me/worker:cache-worker--x"
        )
        assert json.loads(outcome.metadata) == said

    def test_a_cache_that_lost_a_step_beside_another_is_exported_again_alone(
        self,
        parsed: Callable[..., Inputs],
        runner: FakeRunner,
        tool: Tool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        asked: list[str] = []

        def have_lost(caches: Sequence[CachePlan]) -> Sequence[bool]:
            asked.extend(str(cache.write.ref) for cache in caches if cache.write)
            return [one.startswith("ghcr.io/me/web:") for one in asked]

        for lines in ("bake-cold", "bake-cold", "cold"):
            runner.answer(*BAKE, lines=recorded(lines))
        decided = of_targets(parsed(image="", bake_files="b.hcl", push="true"), "web", "worker")
        decided = [replace(one, cache=replace(one.cache, read=())) for one in decided]
        outcome = solve.build(decided, replace(tool, have_lost=have_lost))
        assert [command[-2:] for command in runner.commands[:2]] == [("web", "worker")] * 2
        assert runner.commands[2][-2:] == ("--", "web")
        assert asked == ["ghcr.io/me/web:cache-web--x", "ghcr.io/me/worker:cache-worker--x"]
        assert outcome.cache_written == ",".join(asked)
        assert shown(capsys) == [
            "the image is done; now exporting its cache",
            "web: BuildKit left a step out of the cache, so the cache is exported again",
        ]

    def test_those_whose_caches_share_steps_are_built_one_after_the_other(
        self,
        parsed: Callable[..., Inputs],
        runner: FakeRunner,
        tool: Tool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        inputs = parsed(image="", bake_files="b.hcl", push="true", cache="read-only")
        # Caches that were not asked what they have may share anything.
        decided = of_targets(inputs, "web", "worker")
        for _ in decided:
            runner.answer(*BAKE, lines=recorded("bake-warm"))
        outcome = solve.build(decided, tool)
        assert [command[-1] for command in runner.commands] == ["web", "worker"]
        assert [one.name for one in outcome.targets] == ["web", "worker"]
        assert shown(capsys) == [
            "targets that share steps are built one after the other: now web",
            "targets that share steps are built one after the other: now worker",
        ]


class TestAsk:
    def test_the_answer_is_printed(
        self,
        planned: Callable[..., BuildPlan],
        runner: FakeRunner,
        tool: Tool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        answer = ["Check complete, no warnings found."]
        runner.answer(*BUILD, lines=answer, writes={"--metadata-file": METADATA})
        outcome = solve.ask([planned(call="check")], tool)
        (command,) = runner.commands
        assert has(command, "--call", "check")
        assert not has(command, "--push")
        assert (outcome.digest, outcome.tags) == ("", ())
        assert json.loads(outcome.metadata)["token"] == "***"
        assert shown(capsys) == answer

    def test_a_buildx_that_is_killed_is_named(
        self, planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool
    ) -> None:
        runner.answer(*BUILD, code=-9)
        with pytest.raises(EngineError, match=re.escape(KILLED)):
            solve.ask([planned(call="check")], tool)

    def test_a_refusal_is_an_error_with_its_headline(
        self, planned: Callable[..., BuildPlan], runner: FakeRunner, tool: Tool, log: Log
    ) -> None:
        found = {"ruleName": "StageNameCasing", "description": "lowercase it", "url": "https://d"}
        metadata = {"result.json": {"warnings": [found]}}
        lines = ["Check complete, 1 warning has been found!", "", "WARNING: StageNameCasing"]
        writes = {"--metadata-file": json.dumps(metadata)}
        runner.answer(*BUILD, lines=lines, code=1, writes=writes)
        with pytest.raises(BuildError, match=r"^Check complete, 1 warning has been found!$"):
            solve.ask([planned(call="check")], tool)
        assert log.warnings == ["StageNameCasing: lowercase it https://d"]


def test_a_command_that_nobody_answers_for_fails_the_test(runner: FakeRunner) -> None:
    runner.answer(*BAKE)
    with pytest.raises(pytest.fail.Exception, match="no answer is known to buildx build"):
        runner(BUILD, {}).__enter__()


@pytest.mark.parametrize(
    ("log", "error", "why"),
    [
        (
            "tar: Removing leading `../' from member names\ntar: x: Cannot open: denied\n",
            "exit code: 2",
            "tar: x: Cannot open: denied",
        ),
        ("tar: /kinds: Wrote only 4096 of 10240 bytes\n", "exit code: 2", _FULL),
        ("sh: write error: No space left on device\n", "exit code: 2", _FULL),
        (
            "",
            'process "/bin/sh -c long" did not complete successfully: exit code: 1',
            "exit code: 1",
        ),
    ],
)
def test_why_a_build_of_our_own_failed(
    runner: FakeRunner, tool: Tool, log: str, error: str, why: str
) -> None:
    runner.answer("buildx", "build", lines=[vertex("[a 1/1] RUN x", log=log, error=error)], code=1)
    done = solve.beside(["build"], tool, seconds=60.0, size=1)
    assert (done.why, list(done.said)) == (why, log.splitlines())


def test_what_a_build_of_our_own_has_said(runner: FakeRunner, tool: Tool) -> None:
    runner.answer("buildx", "build", lines=[vertex("[a 1/1] RUN x", log="one\ntwo\n")])
    assert solve.beside(["build"], tool, seconds=60.0, size=1) == Beside(said=("one", "two"))
