from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests import plans
from warmbuild import trust
from warmbuild.build import attempts
from warmbuild.build.attempts import AnotherExport, AnotherTry, Tried
from warmbuild.buildkit import command_line
from warmbuild.buildkit.progress import Failure, Progress
from warmbuild.cache import problems
from warmbuild.cache.probe import Found
from warmbuild.plan import calls
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


# Seconds left for other tries.
LEFT = 60.0


def tried(number: int = 1, *, left: float = LEFT, waited_for: str = "", lacking: str = "") -> Tried:
    return Tried(number=number, left=left, waited_for=waited_for, lacking=lacking)


PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)


def planned(inputs: Inputs) -> BuildPlan:
    return plans.planned(inputs, PUSH)


RACE = Failure(
    title="exporting to image",
    error="failed to push r.io/a:1: unknown: blob unknown to registry",
    tail=(),
    source="",
)
# Half a sentence of reason, the pause before it, and whether the export comes after it.
BESIDE = ("(blob unknown to registry); retrying in 2 s, then exporting the cache", 2.0, True)
ALONE = ("(blob unknown to registry); retrying in 2 s", 2.0, False)
NEVER = (
    "this builder does not support cache exports; use driver docker-container; retrying without it",
    0.0,
    False,
)
UNCLEAR = replace(RACE, error="failed to push r.io/a:1: unknown: ask the operator")
RETRIED = (
    "error: failed commit: unexpected status from PUT request to http://r.io/v2/: 502 Bad Gateway",
    "retrying in 4s",
)


@pytest.mark.parametrize(
    ("failure", "values", "expected"),
    [
        pytest.param(RACE, {}, BESIDE, id="a push beside an export"),
        pytest.param(RACE, {"cache": "read-only"}, ALONE, id="a push alone"),
        pytest.param(RACE, {"cache_to": "type=inline"}, BESIDE, id="beside an explicit export"),
        pytest.param(
            replace(RACE, error="failed to push: insufficient_scope: authorization failed"),
            {},
            None,
            id="a push that is forbidden",
        ),
        pytest.param(UNCLEAR, {}, None, id="a push that fails for nobody knows what"),
        pytest.param(
            replace(UNCLEAR, tail=RETRIED),
            {"cache": "off"},
            ("(ask the operator); retrying in 2 s", 2.0, False),
            id="the same, and BuildKit had tried it again",
        ),
        pytest.param(
            replace(RACE, error="failed to push r.io/a:1: denied: no", tail=RETRIED),
            {},
            None,
            id="a push that is forbidden after a bad moment",
        ),
        pytest.param(
            replace(RACE, title="[2/3] RUN make", error="push: connection reset"),
            {},
            None,
            id="a step",
        ),
        pytest.param(
            Failure(
                title="",
                error="Cache export is not supported for the docker driver.",
                tail=(),
                source="",
            ),
            {},
            NEVER,
            id="a builder without exports",
        ),
    ],
)
def test_what_is_worth_another_try(
    parsed: Callable[..., Inputs],
    failure: Failure,
    values: dict[str, str],
    expected: tuple[str, float, bool] | None,
) -> None:
    decided = planned(parsed(**values))
    again = attempts.another_try([decided], failure, tried(1))
    if expected is None:
        assert again is None
        return
    reason, pause, export_after = expected
    assert again is not None
    assert again.reason.endswith(reason)
    assert (again.pause, again.export_after, again.restart) == (pause, export_after, False)
    assert again.plans[0].cache.write is None
    assert again.plans[0].cache.read == decided.cache.read


@pytest.mark.parametrize(("attempt", "expected"), [(1, 2.0), (2, 4.0), (3, 8.0), (9, 8.0)])
def test_a_push_is_tried_again_after_growing_pauses_while_there_is_time(
    parsed: Callable[..., Inputs], attempt: int, expected: float
) -> None:
    again = attempts.another_try([planned(parsed())], RACE, tried(attempt))
    assert again
    assert again.pause == expected
    assert (
        attempts.another_try([planned(parsed())], RACE, tried(attempt, left=expected - 0.1)) is None
    )


def test_another_try_is_the_image_alone_and_then_the_cache(
    parsed: Callable[..., Inputs],
) -> None:
    decided = planned(parsed())
    image = command_line.build(calls.image_alone(decided), command_line.PLACEHOLDERS)
    assert "--cache-to" not in image
    assert "--push" in image
    cache = command_line.build(calls.cache_alone(decided), command_line.PLACEHOLDERS)
    assert "--cache-to" in cache
    assert cache[cache.index("--output") + 1] == "type=cacheonly"
    assert not {"--push", "--load", "--tag"} & set(cache)


@pytest.mark.parametrize(
    ("error", "values", "expected"),
    [
        pytest.param(
            "unexpected status: 500 Internal Server Error",
            {},
            AnotherExport(
                reason="the cache export failed with a transient error (500 Internal Server "
                "Error); retrying in 2 s",
                pause=2.0,
            ),
            id="a passing reason",
        ),
        pytest.param("401 Unauthorized", {}, None, id="one that stays"),
        pytest.param("", {}, None, id="none"),
        pytest.param(
            "500 Internal Server Error", {"cache_to": "type=gha"}, None, id="an explicit export"
        ),
    ],
)
def test_an_export_that_is_worth_another_try(
    parsed: Callable[..., Inputs],
    error: str,
    values: dict[str, str],
    expected: AnotherExport | None,
) -> None:
    at = "2026-11-21T05:00:00Z"
    vertex = {"digest": "d", "name": "exporting cache to registry", "started": at, "completed": at}
    progress = Progress()
    progress.take(json.dumps({"vertexes": [vertex | {"error": error}]}))
    assert attempts.another_export(planned(parsed(**values)), progress, tried(1)) == expected


def test_a_lost_connection_is_worth_another_try_at_all(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed())
    known = replace(tried(1), lost="the pod b is gone")
    again = attempts.another_try([decided], RACE, known)
    assert again == AnotherTry(
        plans=(decided,), reason="the pod b is gone; building again", restart=True
    )
    export = attempts.another_export(decided, Progress(), known)
    assert export == AnotherExport(
        reason="the pod b is gone; exporting the cache again", restart=True
    )
    kept = planned(parsed(cache="read-only"))
    assert attempts.another_export(kept, Progress(), known) is None


GONE = Failure(
    title="[3/3] COPY source.txt /",
    error="failed to compute cache key: failed to copy: httpReadSeeker: failed open: could not "
    "fetch content descriptor sha256:aa from remote: not found",
    tail=(),
    source="",
)


def with_two_caches(parsed: Callable[..., Inputs]) -> BuildPlan:
    """Return a plan with two refs that were found, of the layers sha256:aa and sha256:bb."""
    decided = planned(parsed())
    found = [
        replace(ref, found=Found(f"sha256:{layer}", blobs={f"sha256:{layer}": 1}))
        for ref, layer in zip(decided.cache.read, ("aa", "bb"), strict=True)
    ]
    return replace(decided, cache=replace(decided.cache, read=tuple(found)))


@pytest.mark.parametrize(
    ("error", "left"),
    [
        pytest.param(GONE.error, ["cache-main"], id="the one that names the layer goes"),
        pytest.param(GONE.error.replace("aa", "cc"), [], id="all go where none names it"),
    ],
)
def test_a_layer_that_is_gone_costs_its_cache_alone(
    parsed: Callable[..., Inputs], error: str, left: list[str]
) -> None:
    decided = with_two_caches(parsed)
    again = attempts.another_try([decided], replace(GONE, error=error), tried(1))
    assert again is not None
    assert [str(ref.ref).rpartition(":")[2] for ref in again.plans[0].cache.read] == left
    assert again.plans[0].cache.write == decided.cache.write
    assert " not read: a layer could not be fetched" in again.reason


def test_a_step_that_fails_like_that_without_a_cache_has_failed(
    parsed: Callable[..., Inputs],
) -> None:
    assert attempts.another_try([planned(parsed(cache="write-only"))], GONE, tried(1)) is None


STALLED = Failure(title="", error="", tail=(), source="")


def test_an_import_that_hangs_costs_every_cache_and_a_restart(
    parsed: Callable[..., Inputs],
) -> None:
    again = attempts.another_try([with_two_caches(parsed)], STALLED, tried(1, waited_for="import"))
    assert again is not None
    assert again.plans[0].cache.read == ()
    assert again.restart
    assert "the registry stopped answering" in again.reason


def test_an_export_that_hangs_is_given_up(parsed: Callable[..., Inputs]) -> None:
    again = attempts.another_try([with_two_caches(parsed)], STALLED, tried(1, waited_for="export"))
    assert again is not None
    assert again.plans[0].cache.write is None
    assert (
        problems.write_error(again.plans[0].cache.problems)
        == "the export made no progress within cache-timeout"
    )
    assert not again.export_after


@pytest.mark.parametrize(
    ("values", "error"),
    [
        pytest.param(
            {"cache_backend": "gha"},
            "failed to configure gha cache exporter: token is malformed",
            id="a token that is none",
        ),
        pytest.param(
            {"cache_backend": "s3", "cache_options": "bucket=b\nregion=r"},
            "failed to check file presence in cache: operation error S3: HeadObject",
            id="a bucket that is not there",
        ),
        pytest.param(
            {"cache_backend": "local", "cache_dir": "/proc/c"},
            "mkdir /proc/c: no such file or directory",
            id="a directory that cannot be made",
        ),
    ],
)
def test_a_backend_that_fails_before_the_build_is_done_without(
    parsed: Callable[..., Inputs], values: dict[str, str], error: str
) -> None:
    decided = planned(parsed(**values))
    again = attempts.another_try([decided], replace(STALLED, error=f"{error}\n"), tried(1))
    assert again is not None
    assert (again.plans[0].cache.read, again.plans[0].cache.write) == ((), None)
    backend = values["cache_backend"]
    assert again.reason == (
        f"no cache is written: the backend {backend} failed: {error}; retrying without it"
    )
    assert (
        problems.write_error(again.plans[0].cache.problems)
        == f"the backend {backend} failed: {error}"
    )


NO_TOKEN = "failed to configure gha cache exporter: token is malformed"


@pytest.mark.parametrize(
    ("values", "failure"),
    [
        pytest.param(
            {"cache_backend": "gha"},
            replace(STALLED, error="dockerfile parse error on line 2: unknown instruction: RUNN"),
            id="a Dockerfile with a mistake",
        ),
        pytest.param(
            {"cache_backend": "gha"},
            replace(STALLED, title="[2/3] RUN make", error="no cache to be found"),
            id="a step that fails",
        ),
        pytest.param(
            {"cache_backend": "gha", "cache": "off"},
            replace(STALLED, error=NO_TOKEN),
            id="where there is no cache",
        ),
        pytest.param({}, replace(STALLED, error=NO_TOKEN), id="a registry"),
        pytest.param(
            {"cache_backend": "gha"}, replace(STALLED, error="mkdir /x: no"), id="a directory"
        ),
    ],
)
def test_what_is_not_the_backends_fault_is_not_tried_again(
    parsed: Callable[..., Inputs], values: dict[str, str], failure: Failure
) -> None:
    assert attempts.another_try([planned(parsed(**values))], failure, tried(1)) is None


def step(digest: str, *, cached: bool) -> dict[str, object]:
    at = "2026-11-21T05:00:00Z"
    place = {"1": "1/2", "2": "2/2"}[digest]
    return {
        "digest": digest,
        "name": f"[{place}] RUN make",
        "started": at,
        "completed": at,
        "cached": cached,
    }


IMPORT = {
    "digest": "i",
    "name": "importing cache manifest from ghcr.io/me/app:cache-x",
    "started": "2026-11-21T05:00:00Z",
    "completed": "2026-11-21T05:00:00Z",
}
ALL_CACHED = (step("1", cached=True), step("2", cached=True))
OWN = Found("sha256:own", config="sha256:c")
MAIN = Found("sha256:main", config="sha256:d")


@pytest.mark.parametrize(
    ("values", "found", "write", "vertices", "expected"),
    [
        pytest.param({}, [OWN], OWN, ALL_CACHED, True, id="all from the ref that is written"),
        pytest.param({}, [MAIN], None, ALL_CACHED, False, id="a branch's first build"),
        pytest.param({}, [MAIN], OWN, ALL_CACHED, False, id="all from another ref"),
        pytest.param({}, [OWN, MAIN], OWN, ALL_CACHED, False, id="from two refs"),
        pytest.param({}, [], OWN, ALL_CACHED, False, id="from none"),
        pytest.param(
            {},
            [OWN],
            OWN,
            (ALL_CACHED[0], step("2", cached=False)),
            False,
            id="a step that ran",
        ),
        pytest.param({}, [OWN], OWN, (), False, id="no step at all"),
        pytest.param(
            {},
            [OWN],
            OWN,
            (*ALL_CACHED, IMPORT | {"error": "not found"}),
            False,
            id="a ref that was gone by then",
        ),
        pytest.param(
            {"builder": "mine"}, [OWN], OWN, ALL_CACHED, False, id="a builder that was there before"
        ),
        pytest.param({"cache": "read-only"}, [OWN], None, ALL_CACHED, False, id="nothing to write"),
        pytest.param(
            {"cache_to": "type=inline"}, [], None, ALL_CACHED, False, id="an explicit one"
        ),
    ],
)
def test_a_cache_that_is_there_already_is_not_written_again(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    found: list[Found],
    write: Found | None,
    vertices: tuple[dict[str, object], ...],
    expected: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values))
    cache = decided.cache
    cache = replace(
        cache,
        read=tuple(replace(ref, found=what) for ref, what in zip(cache.read, found, strict=False)),
        write=replace(cache.write, found=write) if cache.write else None,
    )
    progress = Progress()
    progress.take(json.dumps({"vertexes": [IMPORT, *vertices]}))
    assert attempts.needs_no_export(replace(decided, cache=cache), progress) is expected


@pytest.mark.parametrize(
    ("lazy", "is_packed_so", "vertices", "expected"),
    [
        pytest.param("true", True, ALL_CACHED, False, id="what is read stays as it is"),
        pytest.param("true", False, ALL_CACHED, True, id="what is read is packed otherwise"),
        pytest.param("true", True, (step("2", cached=False),), True, id="a new base image"),
        pytest.param("false", False, (step("2", cached=False),), False, id="unasked"),
    ],
)
def test_an_export_packs_again_what_is_not_lazy(
    parsed: Callable[..., Inputs],
    lazy: str,
    is_packed_so: bool,  # noqa: FBT001
    vertices: tuple[dict[str, object], ...],
    expected: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(lazy=lazy))
    cache = replace(decided.cache, repacks=decided.cache.repacks and not is_packed_so)
    progress = Progress()
    progress.take(json.dumps({"vertexes": [IMPORT, *vertices]}))
    assert attempts.repacks(replace(decided, cache=cache), progress) is expected


@pytest.mark.parametrize(
    ("values", "error", "tail", "expected"),
    [
        ({"lazy": "true"}, "exit code: 1", ("cat: /a: Input/output error",), True),
        ({"lazy": "true"}, "exit code: 135", (), True),
        ({"lazy": "true"}, "exit code: 1", ("a test failed",), False),
        ({}, "exit code: 1", ("cat: /a: Input/output error",), False),
    ],
)
def test_a_step_that_cannot_read_a_layer_runs_again_on_unpacked_ones(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    error: str,
    tail: tuple[str, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values))
    failure = Failure(title="[2/2] RUN cat /a", error=error, tail=tail, source="")
    again = attempts.another_try([decided], failure, tried(1))
    assert (again is not None) is expected
    if again:
        (plan,) = again.plans
        assert (plan.no_cache, plan.cache.read, again.restart) == (True, (), True)
        assert again.reason.endswith(
            "a step could not read a layer of it that was not unpacked; retrying without them"
        )
        assert attempts.another_try(again.plans, failure, tried(2)) is None


WHOLE = Found("sha256:main", text=b"{}", manifest=b"{}")
MERGED = replace(WHOLE, manifest=b'{"annotations": {"warmbuild.merged": "true"}}')


@pytest.mark.parametrize(
    ("values", "found", "change", "vertices", "expected"),
    [
        pytest.param({}, [WHOLE], {}, ALL_CACHED, True, id="a branch's first build"),
        pytest.param({}, [OWN, WHOLE], {}, ALL_CACHED, False, id="two caches side by side"),
        pytest.param({}, [OWN], {}, ALL_CACHED, False, id="a cache that was not fetched whole"),
        pytest.param(
            {}, [WHOLE, WHOLE], {"merged": "m"}, ALL_CACHED, True, id="two caches read as one"
        ),
        pytest.param({}, [], {}, ALL_CACHED, False, id="from none"),
        pytest.param(
            {}, [WHOLE], {}, (ALL_CACHED[0], step("2", cached=False)), False, id="a step that ran"
        ),
        pytest.param({}, [WHOLE], {}, (), False, id="no step at all"),
        pytest.param(
            {}, [WHOLE], {}, (*ALL_CACHED, IMPORT | {"error": "gone"}), False, id="a lost cache"
        ),
        pytest.param({"builder": "mine"}, [WHOLE], {}, ALL_CACHED, False, id="a known builder"),
        pytest.param({"cache": "read-only"}, [WHOLE], {}, ALL_CACHED, False, id="a reader"),
        pytest.param({"cache_history": "2"}, [WHOLE], {}, ALL_CACHED, False, id="a history"),
        pytest.param({"cache_max_age": "7d"}, [WHOLE], {}, ALL_CACHED, False, id="an age limit"),
        pytest.param(
            {"cache_options": "compression=zstd"}, [WHOLE], {}, ALL_CACHED, False, id="an option"
        ),
        pytest.param(
            {"cache_backend": "local", "cache_dir": "c"}, [WHOLE], {}, ALL_CACHED, False, id="local"
        ),
    ],
)
def test_a_cache_that_was_read_may_become_the_written_one(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    found: list[Found],
    change: dict[str, Any],
    vertices: tuple[dict[str, object], ...],
    expected: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values))
    read = tuple(
        replace(ref, found=what) for ref, what in zip(decided.cache.read, found, strict=False)
    )
    decided = replace(decided, cache=replace(decided.cache, read=read, **change))
    progress = Progress()
    progress.take(json.dumps({"vertexes": [IMPORT, *vertices]}))
    assert attempts.may_become_written(decided, progress) is expected
    # One that was merged before would grow with each build.
    if write := decided.cache.write:
        decided = replace(decided, cache=replace(decided.cache, write=replace(write, found=MERGED)))
    assert not attempts.may_become_written(decided, progress)


NO_ATTESTATION = Failure(
    title="", error="Attestation is not supported for the docker driver.", tail=(), source=""
)


def test_provenance_that_nobody_asked_for_is_done_without(parsed: Callable[..., Inputs]) -> None:
    run = replace(PUSH, provenance="mode=max", builder_id="https://run")
    decided = plans.planned(parsed(sbom="true"), run)
    again = attempts.another_try([decided], NO_ATTESTATION, tried(1))
    assert again == AnotherTry(
        plans=(replace(decided, attests=("type=sbom,disabled=false",), default_attests=()),),
        reason="the image has no provenance: this builder does not support it; retrying without it",
        is_note=True,
    )
    # What was asked for is not.
    assert attempts.another_try(again.plans, NO_ATTESTATION, tried(2)) is None


def test_a_builder_that_does_not_link(parsed: Callable[..., Inputs]) -> None:
    plan = planned(parsed())
    failure = replace(RACE, title="", error="dockerfile parse error on line 3: unknown flag: link")
    linked = replace(plan, linked_file="/p/Dockerfile")
    assert attempts.another_try([linked], failure, tried(1)) == AnotherTry(
        plans=(plan,),
        reason="link has no effect: this builder does not support COPY --link; retrying without it",
        is_note=True,
    )
    assert attempts.another_try([plan], failure, tried(1)) is None
