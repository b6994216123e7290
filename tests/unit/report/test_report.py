from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import plans
from warmbuild import trust
from warmbuild.build import outcomes
from warmbuild.build.outcomes import CacheOutcome, Outcome
from warmbuild.buildkit import command_line
from warmbuild.buildkit.progress import Failure, Progress, Step
from warmbuild.cache import problems
from warmbuild.cache.probe import Found
from warmbuild.cache.records import Records
from warmbuild.errors import BuildError, EngineError, RegistryError
from warmbuild.finding import Finding
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.miss import Miss, Saving
from warmbuild.report import outputs, plain_text, plan_json
from warmbuild.run_context import RunContext
from warmbuild.vendors import harbor

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.cache.cache_plan import CacheRef
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


DATA = Path(__file__).parents[2] / "data"
PUSH = RunContext(
    trust=trust.TRUSTED,
    ci="github",
    event="pull_request",
    branch="x",
    default_branch="main",
    target_branch="develop",
    pull_request=7,
    commit="abc",
)
CACHED = Step(
    prefix="build",
    position="2/3",
    instruction="RUN `make` | tee  log",
    cached=True,
    seconds=0.5,
    error="",
)
RAN = replace(CACHED, position="3/3", instruction="RUN " + "x" * 200, cached=False, seconds=1.26)
OUTCOME = Outcome(
    digest="sha256:1",
    image_id="sha256:2",
    metadata='{"a":1}',
    tags=("r.io/a:1", "r.io/a:2"),
    steps=(CACHED, RAN),
    cache_read=("r.io/a:cache-main@sha256:3",),
    cache_age=timedelta(hours=5, minutes=3),
    problems=(),
    cache_written="r.io/a:cache-x",
    seconds=12.34,
    notes=("tagged by the branch",),
    warnings=("careful\nnow",),
)
# The second one is because of the first.
MISSES = (
    Miss(
        stage="build",
        line=3,
        step="COPY . .",
        causes=(Cause(kind=Kind.FILE_CHANGED, text="a|b changed", names=("a|b",)),),
        seconds=1.26,
        saving=Saving(text="add a|b to .dockerignore", seconds=1.2),
    ),
    Miss(
        stage="",
        line=5,
        step="COPY --from=build / /",
        causes=(Cause(kind=Kind.STAGE, text="stage build is not cached", names=("build",)),),
        seconds=2.0,
    ),
)
EMPTY = replace(
    OUTCOME,
    digest="",
    tags=(),
    steps=(),
    cache_read=(),
    cache_age=None,
    cache_written="",
    notes=(),
    warnings=(),
)


def planned(inputs: Inputs, context: RunContext = PUSH) -> BuildPlan:
    return plans.planned(inputs, context)


def replayed(name: str) -> Progress:
    progress = Progress()
    for line in (DATA / f"buildx-0.36.1-{name}.jsonl").read_text().splitlines():
        progress.take(line)
    return progress


def test_outputs_are_those_of_the_table(parsed: Callable[..., Inputs]) -> None:
    given = parsed(image="r.io/a\nr.io/b", tags="1\n2", labels="x=y", annotations="a=b")
    image = planned(given)
    named = {
        "version": "1",
        "tag-names": "1\n2",
        "labels": "x=y",
        "annotations": "a=b",
        "json": '{"tags":["r.io/a:1","r.io/a:2","r.io/b:1","r.io/b:2"],"tag-names":["1","2"],'
        '"labels":{"x":"y"},"annotations":["a=b"]}',
    }
    assert {name for name in named if outputs.outputs(OUTCOME, given)[name]} == set()
    found = outputs.outputs(replace(OUTCOME, image=image), given)
    assert dict(found) == {
        "digest": "sha256:1",
        "imageid": "sha256:2",
        "metadata": '{"a":1}',
        "tags": "r.io/a:1,r.io/a:2",
        **named,
        "changed": "true",
        "cache-read": "r.io/a:cache-main@sha256:3",
        "cache-written": "r.io/a:cache-x",
        "cache-write-error": "",
        "cache-age": "18180",
        "cache-hits": "1",
        "cache-steps": "2",
        "cache-hit-ratio": "0.50",
        "misses": "[]",
        "targets": "{}",
        "cache-from": "",
        "cache-to": "",
        "bake-file": "",
        "bake-file-tags": "",
        "bake-file-labels": "",
        "bake-file-annotations": "",
        "name": "",
        "driver": "",
        "platforms": "",
        "nodes": "",
    }
    assert list(found) == list(outputs.OUTPUTS)
    assert outputs.outputs(EMPTY, given)["cache-hit-ratio"] == "0.00"


def test_the_outcome_in_the_log() -> None:
    assert plain_text.outcome_text(OUTCOME).splitlines() == [
        "warmbuild: 1 of 2 steps run, 1 cached, 12.3 s",
        "  digest         sha256:1",
        "  tag            r.io/a:1",
        "  tag            r.io/a:2",
        "  cache read     r.io/a:cache-main@sha256:3",
        "  cache age      5 hours",
        "  cache written  r.io/a:cache-x",
    ]
    assert plain_text.outcome_text(EMPTY).splitlines()[1:] == [
        "  cache read     nothing",
        "  cache written  nothing",
    ]


def test_the_costliest_miss_in_the_log() -> None:
    found = replace(EMPTY, misses=MISSES)
    assert plain_text.outcome_text(found).splitlines()[3:] == [
        "  missed         line 3, COPY . .: a|b changed (3.3 s)",
        "  to save it     add a|b to .dockerignore",
    ]


def test_all_misses_for_programs(parsed: Callable[..., Inputs]) -> None:
    found = outputs.outputs(replace(EMPTY, misses=MISSES), parsed())
    first, second = json.loads(found["misses"])
    assert first == {
        "stage": "build",
        "line": 3,
        "instruction": "COPY . .",
        "seconds": 1.3,
        "causes": [{"kind": "file-changed", "text": "a|b changed", "names": ["a|b"]}],
        "saving": {"text": "add a|b to .dockerignore", "seconds": 1.2},
    }
    assert second["saving"] is None


def test_the_plan_for_people(parsed: Callable[..., Inputs]) -> None:
    assert plain_text.plan_text(planned(parsed())).splitlines() == [
        (
            "run         github: pull_request, branch x, pull request 7, into develop, "
            "default branch main"
        ),
        "trust       trusted",
        "image       ghcr.io/me/app:pr-7",
        "push        yes",
        "cache read  ghcr.io/me/app:cache-x (this branch's own cache)",
        "cache read  ghcr.io/me/app:cache-develop (the target branch)",
        "cache read  ghcr.io/me/app:cache-main (the default branch)",
        "cache write ghcr.io/me/app:cache-x (this branch's own cache)",
        "builder     a docker-container builder of this run",
        "note        tagged by the pull request's number",
    ]


def test_the_plan_of_a_strangers_tag_for_people(parsed: Callable[..., Inputs]) -> None:
    context = RunContext(ci="github", tag="v1", fork=True, trust=trust.FORK)
    inputs = parsed(cache_from="type=gha", cache_to="a/b:c\ntype=inline", builder="mine")
    assert plain_text.plan_text(planned(inputs, context)).splitlines() == [
        "run         github: github, tag v1",
        "trust       untrusted: the code comes from a fork",
        "image       ghcr.io/me/app:v1",
        "push        no",
        "cache read  type=gha",
        "cache write type=inline",
        "builder     mine",
        "note        tagged by the git tag",
        "note        the image is not pushed: the code comes from a fork; push: true pushes it",
        "note        cache-from or cache-to is given, so warmbuild chooses no cache refs",
        "warning     cache-to a/b:c is ignored: the code comes from a fork",
    ]


def test_the_plan_shows_what_the_lints_found(parsed: Callable[..., Inputs]) -> None:
    found = Finding(
        rule="copy-order",
        severity="minor",
        file="Dockerfile",
        line=3,
        text="COPY . . comes early",
        about="",
    )
    decided = replace(planned(parsed()), findings=(found,))
    assert plain_text.plan_text(decided).splitlines()[-1] == (
        "warning     Dockerfile:3: COPY . . comes early [copy-order]"
    )
    assert json.loads(plan_json.plan_json(decided, redact=str))["findings"] == [
        {"rule": "copy-order", "file": "Dockerfile", "line": 3, "text": "COPY . . comes early"}
    ]


def test_the_plan_for_programs(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(labels="a=b=c"))
    found = json.loads(plan_json.plan_json(decided, redact=str))
    assert found["argv"] == list(command_line.build(decided, command_line.PLACEHOLDERS))
    assert found["builder"] == {
        "driver": "docker-container",
        "driver-opts": ["image=moby/buildkit:v0.34.2"],
        "buildkitd-flags": "--allow-insecure-entitlement device",
        "cleanup": True,
    }
    assert found["cache"]["write"] == {
        "ref": "ghcr.io/me/app:cache-x",
        "reason": "this branch's own cache",
    }
    assert found["cache"]["read"][2] == {
        "ref": "ghcr.io/me/app:cache-main",
        "reason": "the default branch",
    }
    assert found["cache"]["from"][0] == "type=registry,ref=ghcr.io/me/app:cache-x"
    assert found["cache"]["to"][0].startswith("type=registry,ref=ghcr.io/me/app:cache-x,mode=max,")
    assert found["tags"] == ["ghcr.io/me/app:pr-7"]
    assert found["labels"] == {"a": "b=c"}
    assert found["context"] == {
        "ci": "github",
        "branch": "x",
        "default_branch": "main",
        "target_branch": "develop",
        "pull_request": 7,
        "tag": "",
        "commit": "abc",
        "fork": False,
        "event": "pull_request",
    }
    assert found["notes"] == ["tagged by the pull request's number"]


def test_the_plan_for_programs_has_nulls(parsed: Callable[..., Inputs]) -> None:
    found = json.loads(
        plan_json.plan_json(planned(parsed(cache="off", builder="mine")), redact=str)
    )
    assert found["builder"] is None
    assert found["cache"] == {"read": [], "write": None, "from": [], "to": []}


def test_what_was_read_and_written(parsed: Callable[..., Inputs]) -> None:
    cold = replayed("cold")
    found = outcomes.cache_outcome(planned(parsed()), imported=cold, exported=cold)
    written = "ghcr.io/me/app:cache-x"
    assert found == CacheOutcome(read=(), written=written, problems=())


def test_what_could_not_be_read_and_written(parsed: Callable[..., Inputs]) -> None:
    warm = replayed("warm")
    found = outcomes.cache_outcome(planned(parsed()), imported=warm, exported=warm)
    warnings = problems.texts(found.problems)
    assert found.read == ("127.0.0.1:5000/rec:cache-main",)
    assert found.written == ""
    assert problems.write_error(found.problems).startswith("error writing")
    assert warnings[0].startswith("127.0.0.1:5000/rec:cache-none is not read: failed to configure")
    assert warnings[1].startswith("no cache is written to ghcr.io/me/app:cache-x: error writing")


def failed_export(error: str, backend: str = "registry") -> Progress:
    at, progress = "2026-11-21T05:00:00Z", Progress()
    vertex = {"digest": "d", "name": f"exporting cache to {backend}", "started": at}
    failed = vertex | {"completed": at, "error": error}
    progress.take(json.dumps({"vertexes": [failed]}))
    return progress


IMMUTABLE = "unknown: the tag is\n immutable."
AT_GHCR = (
    "unknown: the tag is immutable; GHCR does not let this tag be overwritten: set "
    "cache-repository to a separate repository with mutable tags"
)
AT_GITLAB = AT_GHCR.replace("GHCR", "GitLab") + (
    ", or exclude tags that begin with cache-tag-prefix from the project's immutable tags"
)


@pytest.mark.parametrize(
    ("values", "backend", "registry", "expected"),
    [
        pytest.param({}, "registry", "", f"ghcr.io/me/app:cache-x: {AT_GHCR}", id="our own ref"),
        pytest.param(
            {"cache_to": "type=registry,ref=ghcr.io/me/c:x,mode=max"},
            "registry",
            "",
            f"ghcr.io/me/c:x: {AT_GHCR}",
            id="an explicit ref",
        ),
        pytest.param(
            {"cache_to": "git.acme.dev/group/app:x"},
            "registry",
            "git.acme.dev",
            f"git.acme.dev/group/app:x: {AT_GITLAB}",
            id="an explicit ref in the CI system's own registry",
        ),
        pytest.param(
            {"cache_to": "ghcr.io/me/c:x\nghcr.io/me/d:x"},
            "registry",
            "",
            "ghcr.io/me/c:x,ghcr.io/me/d:x: unknown: the tag is immutable.",
            id="one of several, and nobody knows which",
        ),
        pytest.param(
            {"cache_to": "type=registry,ref=No Such Thing"},
            "registry",
            "",
            "No Such Thing: unknown: the tag is immutable.",
            id="a ref that only BuildKit understands",
        ),
        pytest.param(
            {"cache_to": "type=gha"},
            "GitHub Actions Cache",
            "",
            "gha: unknown: the tag is immutable.",
            id="a backend without a registry",
        ),
    ],
)
def test_an_export_that_failed_comes_with_advice(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    backend: str,
    registry: str,
    expected: str,
) -> None:
    context = replace(PUSH, ci="gitlab", registry=registry)
    found = outcomes.cache_outcome(
        planned(parsed(**values), context),
        imported=Progress(),
        exported=failed_export(IMMUTABLE, backend),
    )
    assert problems.texts(found.problems) == (f"no cache is written to {expected}",)
    assert found.written == ""
    assert problems.write_error(found.problems) == IMMUTABLE


def test_a_registry_that_the_probe_recognised_is_named(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(cache_repository="r.io/team/cache"))
    assert decided.cache.write
    write = replace(decided.cache.write, vendor=harbor.VENDOR)
    found = outcomes.cache_outcome(
        replace(decided, cache=replace(decided.cache, write=write)),
        imported=Progress(),
        exported=failed_export("denied"),
    )
    assert problems.texts(found.problems) == (
        (
            "no cache is written to r.io/team/cache:cache-x: denied; Harbor requires Pull "
            "Repository and Push Repository in the project for a cache, and says the same if the "
            "repository does not exist (PROJECT/REPOSITORY): grant the login that, or create its "
            "project, or set cache-repository to one that the login may write"
        ),
    )


@pytest.mark.parametrize(
    ("digest", "backend", "cache_to", "expected"),
    [
        pytest.param("", "registry", "", "", id="a build without a layer has no cache"),
        pytest.param(
            "sha256:1",
            "registry",
            "type=registry,ref=a/b:c\ntype=inline",
            "a/b:c,inline",
            id="explicit destinations",
        ),
        pytest.param("", "gha", "type=gha", "gha", id="a backend without a manifest"),
    ],
)
def test_what_an_export_wrote(
    parsed: Callable[..., Inputs], digest: str, backend: str, cache_to: str, expected: str
) -> None:
    at = "2026-11-21T05:00:00Z"
    vertex = {"digest": "d", "name": f"exporting cache to {backend}", "started": at}
    lines = [{"vertexes": [vertex]}]
    if digest:
        status = {"id": f"writing cache image manifest {digest}", "vertex": "d", "completed": at}
        lines.append({"statuses": [status]})
    lines.append({"vertexes": [vertex | {"completed": at}]})
    progress = Progress()
    for line in lines:
        progress.take(json.dumps(line))
    decided = planned(parsed(cache_to=cache_to))
    found = outcomes.cache_outcome(decided, imported=progress, exported=progress)
    assert found == CacheOutcome(read=(), written=expected, problems=())


NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
LAST_WEEK = NOW - timedelta(days=7)
NOT_READ = "ghcr.io/me/app:cache-main@sha256:1"


def aged(*oldest: datetime | None) -> tuple[Records, ...]:
    return tuple(Records(records=(), oldest=time) for time in oldest)


def imported(*errors: str, cached: bool) -> Progress:
    """Return a build of one step, of whose caches these, in their order, could not be read."""
    at, progress = "2026-11-21T05:00:00Z", Progress()
    ended = {"started": at, "completed": at}
    step = ended | {"digest": "s", "name": "[1/1] RUN make", "cached": cached}
    imports = [
        ended | {"digest": name, "name": f"importing cache manifest from {name}", "error": "gone"}
        for name in errors
    ]
    progress.take(json.dumps({"vertexes": [*imports, step]}))
    return progress


@pytest.mark.parametrize(
    ("found", "built", "expected"),
    [
        pytest.param(
            [aged(YESTERDAY), aged(LAST_WEEK)],
            imported(cached=True),
            timedelta(days=7),
            id="the oldest of all that were read",
        ),
        pytest.param(
            [aged(YESTERDAY, LAST_WEEK)],
            imported(cached=True),
            timedelta(days=7),
            id="an image has a cache for each platform",
        ),
        pytest.param([aged(LAST_WEEK)], imported(cached=False), None, id="read, and not used"),
        pytest.param([], imported(cached=True), None, id="from a builder that was there before"),
        pytest.param([aged(None), ()], imported(cached=True), None, id="nobody knows"),
        pytest.param(
            [aged(YESTERDAY), aged(LAST_WEEK)],
            imported(NOT_READ, cached=True),
            timedelta(days=1),
            id="one that was gone by then is not counted",
        ),
        pytest.param(
            [aged(NOW + timedelta(seconds=5))],
            imported(cached=True),
            timedelta(),
            id="a builder's clock that is ahead",
        ),
    ],
)
def test_the_age_of_what_was_reused(
    parsed: Callable[..., Inputs],
    found: list[tuple[Records, ...]],
    built: Progress,
    expected: timedelta | None,
) -> None:
    decided = planned(parsed(), replace(PUSH, target_branch=""))
    read = tuple(
        replace(
            ref,
            ref=f"{ref.ref}@sha256:1",
            found=Found("sha256:1", records=inside) if inside else None,
        )
        for ref, inside in zip(decided.cache.read, found, strict=False)
    )
    assert outcomes.cache_age(with_read(decided, read), built, NOW) == expected


def test_an_age_of_nothing_is_an_age(parsed: Callable[..., Inputs]) -> None:
    just_now = replace(OUTCOME, cache_age=timedelta())
    assert outputs.outputs(just_now, parsed())["cache-age"] == "0"
    assert "cache age      0 seconds" in plain_text.outcome_text(just_now)
    assert outputs.outputs(EMPTY, parsed())["cache-age"] == ""


def with_read(decided: BuildPlan, read: tuple[CacheRef, ...]) -> BuildPlan:
    return replace(decided, cache=replace(decided.cache, read=read))


def test_what_a_backend_that_is_no_registry_has_read(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(cache_backend="gha"))
    at, progress = "2026-11-21T05:00:00Z", Progress()
    vertex = {"digest": "i", "name": "importing cache manifest from gha:123", "started": at}
    progress.take(json.dumps({"vertexes": [vertex | {"completed": at}]}))
    read = outcomes.cache_outcome(decided, imported=progress, exported=None).read
    assert read == ("cache-x", "cache-develop", "cache-main")
    nothing = outcomes.cache_outcome(decided, imported=Progress(), exported=None)
    assert nothing.read == ()
    failed = vertex | {"completed": at, "error": "403"}
    refused = Progress()
    refused.take(json.dumps({"vertexes": [failed]}))
    found = outcomes.cache_outcome(decided, imported=refused, exported=None)
    assert found.read == ()
    assert problems.texts(found.problems) == ("gha:123 is not read: 403",)


def test_an_export_that_came_to_nothing_says_why(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed())
    found = outcomes.cache_outcome(
        decided, imported=Progress(), exported=Progress(), failed="it did not end"
    )
    assert (found.written, problems.write_error(found.problems)) == ("", "it did not end")
    assert problems.texts(found.problems) == (
        "no cache is written to ghcr.io/me/app:cache-x: it did not end",
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param("PUT of a manifest: context canceled", "it hung", id="it was ended"),
        pytest.param("403 Forbidden", "403 Forbidden", id="it had failed before"),
    ],
)
def test_an_export_that_was_ended_says_why(
    parsed: Callable[..., Inputs], error: str, expected: str
) -> None:
    """BuildKit may still tell that it cancels an export, if warmbuild ends a build that hangs."""
    found = outcomes.cache_outcome(
        planned(parsed()), imported=Progress(), exported=failed_export(error), failed="it hung"
    )
    assert (found.written, problems.write_error(found.problems)) == ("", expected)


def test_what_became_of_an_inline_cache(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(cache_backend="inline", cache_stages="build"))
    failed = "no cache is written to r.io/a:build: exit code: 1"
    found = outcomes.inline_outcome(
        decided, imported=replayed("warm"), written=["r.io/a:x"], failed=[failed]
    )
    assert found.read == ("127.0.0.1:5000/rec:cache-main",)
    assert (found.written, problems.write_error(found.problems)) == ("r.io/a:x", failed)
    assert problems.texts(found.problems)[0].startswith(
        "127.0.0.1:5000/rec:cache-none is not read: "
    )
    assert problems.texts(found.problems)[1:] == (failed,)


FAILURE = Failure(title="[2/3] RUN make", error="exit code: 2", tail=("one", "two"), source="")


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [
        pytest.param(
            FAILURE,
            BuildError,
            "the build failed in [2/3] RUN make: exit code: 2\n  | one\n  | two",
            id="a step",
        ),
        pytest.param(
            replace(FAILURE, source="Dockerfile:2", title="", tail=()),
            BuildError,
            "the build failed at Dockerfile:2: exit code: 2",
            id="a Dockerfile",
        ),
        pytest.param(
            replace(FAILURE, error="write /x: no space left on device"),
            EngineError,
            "the builder's disk is full: write /x: no space left on device. Free space on the "
            "engine's machine (docker system prune), or give it a larger disk.",
            id="a full disk",
        ),
        pytest.param(
            Failure(title="exporting to image", error="failed to push", tail=(), source=""),
            RegistryError,
            "the image is built and was not pushed: failed to push. Check that the registry can "
            "be reached and that the login may write to this repository (inputs registry, "
            "username, password).",
            id="a refused push",
        ),
        pytest.param(
            Failure(title="exporting to image", error="broken", tail=(), source=""),
            BuildError,
            "the build failed in exporting to image: broken",
            id="an export that is no push",
        ),
    ],
)
def test_a_failure_says_what_to_do(failure: Failure, kind: type[Exception], text: str) -> None:
    error = outcomes.failure_error(failure)
    assert type(error) is kind
    assert str(error) == text
