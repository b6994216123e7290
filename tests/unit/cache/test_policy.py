from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.caches import DEFAULT, FALLBACK, FEATURE, GUESS, OWN, TARGET, answered, at, read, written
from tests.plans import cache_of, planned
from tests.runs import FORK, LOCAL, PULL, PUSH, QUEUE, TAG, TRAIN
from warmbuild.cache import problems
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.probe import Found
from warmbuild.record.cause import Cause, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext


@pytest.mark.parametrize(
    ("context", "expected", "write", "why_not"),
    [
        pytest.param(
            PUSH, [("cache-feature", OWN), ("cache-main", DEFAULT)], "cache-feature", "", id="push"
        ),
        pytest.param(
            replace(PUSH, branch="main"), [("cache-main", OWN)], "cache-main", "", id="default"
        ),
        pytest.param(
            PULL,
            [("cache-feature", OWN), ("cache-develop", TARGET), ("cache-main", DEFAULT)],
            "cache-feature",
            "",
            id="a pull request from the same repository",
        ),
        pytest.param(
            FORK,
            [("cache-develop", TARGET), ("cache-main", DEFAULT)],
            None,
            "the code comes from a fork",
            id="a pull request from a fork",
        ),
        pytest.param(
            QUEUE,
            [("cache-develop", TARGET), ("cache-main", DEFAULT)],
            None,
            "it belongs to no branch yet",
            id="a merge queue",
        ),
        pytest.param(
            TRAIN,
            [("cache-feature", OWN), ("cache-develop", TARGET), ("cache-main", DEFAULT)],
            None,
            "a merge train's commit belongs to no branch yet",
            id="a merge train",
        ),
        pytest.param(
            TAG,
            [("cache-main", DEFAULT)],
            None,
            "a git tag has no cache of its own; its branch has",
            id="a tag",
        ),
        pytest.param(
            LOCAL,
            [("cache-feature", OWN), ("cache-main", DEFAULT)],
            None,
            "local runs do not write the shared cache unless cache is read-write",
            id="a local run",
        ),
        pytest.param(
            replace(PUSH, branch="", default_branch=""),
            [("cache-main", GUESS), ("cache-master", GUESS)],
            None,
            "this run belongs to no branch",
            id="nothing known",
        ),
        pytest.param(
            replace(PUSH, default_branch="", branch="main"),
            [("cache-main", OWN)],
            "cache-main",
            "",
            id="a branch with a usual default name",
        ),
    ],
)
def test_refs_by_event(
    parsed: Callable[..., Inputs],
    context: RunContext,
    expected: list[tuple[str, str]],
    write: str | None,
    why_not: str,
) -> None:
    found = cache_of(parsed(), context)
    assert read(found) == expected
    assert written(found) == write
    if found.write:
        assert found.write.reason == OWN
    assert [note for note in found.notes if note.startswith("no cache is written")] == (
        [f"no cache is written: {why_not}"] if why_not else []
    )


@pytest.mark.parametrize(
    ("cache", "context", "reads", "write"),
    [
        ("read-write", LOCAL, 2, "cache-feature"),
        ("read-write", FORK, 2, None),
        ("read-write", TAG, 1, None),
        ("read-write", TRAIN, 3, "cache-feature"),
        ("read-write", QUEUE, 2, None),
        ("read-only", PUSH, 2, None),
        ("write-only", PUSH, 0, "cache-feature"),
        ("write-only", FORK, 0, None),
        ("write-only", TRAIN, 0, "cache-feature"),
        ("write-only", LOCAL, 0, "cache-feature"),
        ("read-only", FORK, 2, None),
        ("off", PUSH, 0, None),
    ],
)
def test_the_input_cache_changes_reads_and_writes_but_never_for_a_fork(
    parsed: Callable[..., Inputs], cache: str, context: RunContext, reads: int, write: str | None
) -> None:
    found = cache_of(parsed(cache=cache), context)
    assert len(found.read) == reads
    assert written(found) == write


def test_fallbacks_stand_between_target_and_default(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(cache_fallback="release,develop"), PULL)
    assert read(found) == [
        ("cache-feature", OWN),
        ("cache-develop", TARGET),
        ("cache-release", FALLBACK),
        ("cache-main", DEFAULT),
    ]


def test_cache_repository_replaces_the_repository_of_the_image(
    parsed: Callable[..., Inputs],
) -> None:
    found = cache_of(parsed(cache_repository="r.io/cache"), PUSH)
    assert found.write is not None
    assert str(found.write.ref) == "r.io/cache:cache-feature"


def test_the_cache_goes_where_the_first_image_goes(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(image="", tags="r.io/a:1,r.io/b:1"), PUSH)
    assert found.write is not None
    assert str(found.write.ref) == "r.io/a:cache-feature"


def test_without_a_repository_there_is_no_cache(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(image="", push="false"), PUSH)
    assert found == CachePlan(
        notes=("no cache is read or written: neither an image nor cache-repository is given",)
    )


def test_no_cache_reads_nothing_and_writes_a_fresh_one(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(no_cache="true"), PUSH)
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert found.notes == ("no cache is read: no-cache is on",)


def test_explicit_caches_replace_the_refs(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(cache_from="type=gha\nme/app:x", cache_to="type=gha,mode=max"), PUSH)
    assert (found.read, found.write) == ((), None)
    assert found.sources == ("type=gha", "me/app:x")
    assert found.destinations == ("type=gha,mode=max",)
    assert problems.texts(found.problems) == ()


@pytest.mark.parametrize("given", [{"cache_from": "type=gha"}, {"cache_to": "type=gha"}])
def test_one_explicit_cache_turns_all_refs_off(
    parsed: Callable[..., Inputs], given: dict[str, str]
) -> None:
    found = cache_of(parsed(**given), PUSH)
    assert (found.read, found.write) == ((), None)


def test_untrusted_code_does_not_write_explicit_shared_caches(
    parsed: Callable[..., Inputs],
) -> None:
    # What GitHub caches for pull_request_target, the default branch's runs read.
    shared = (
        "type=registry,ref=me/app:c",
        "me/app:d",
        "type=s3,bucket=b",
        "type=azblob,name=n",
        "type=gha",
        "type=of-tomorrow",
        "type=registry,ref=me/app:e, type=local",
        "type=local,type=gha",
    )
    inputs = parsed(cache_to="\n".join([*shared, "type=local,dest=/c", "type=inline"]))
    found = cache_of(inputs, FORK)
    assert found.destinations == ("type=local,dest=/c", "type=inline")
    assert problems.texts(found.problems) == tuple(
        f"cache-to {entry} is ignored: the code comes from a fork" for entry in shared
    )
    assert cache_of(inputs, PUSH).destinations == inputs.cache_to


@pytest.mark.parametrize("context", [PUSH, FORK])
def test_explicit_sources_are_read_by_untrusted_code_too(
    parsed: Callable[..., Inputs], context: RunContext
) -> None:
    found = cache_of(parsed(cache_from="type=gha\nme/app:x"), context)
    assert found.sources == ("type=gha", "me/app:x")


def test_a_refresh_reads_no_explicit_cache_and_writes_it(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(cache_from="me/app:x", cache_to="me/app:x", refresh="true"), PUSH)
    assert (found.sources, found.destinations, found.stale) == ((), ("me/app:x",), True)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"AZURE_STORAGE_KEY", "PATH"}, (("secret_access_key", "AZURE_STORAGE_KEY"),)),
        ({"PATH"}, ()),
    ],
)
def test_a_secret_that_buildx_does_not_find_is_named_by_its_variable(
    parsed: Callable[..., Inputs], known: set[str], expected: tuple[tuple[str, str], ...]
) -> None:
    inputs = parsed(cache_backend="azblob", cache_options="account_url=https://a")
    found = cache_of(inputs, PUSH, known)
    assert found.secrets == expected
    assert found.write is not None


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        pytest.param(
            replace(PULL, target_branch="main"),
            [("cache-feature", OWN), ("cache-main", TARGET)],
            id="a branch is read once, for the nearest reason",
        ),
        pytest.param(
            replace(PULL, branch="main", target_branch="main"),
            [("cache-main", OWN)],
            id="a pull request from main into main",
        ),
    ],
)
def test_near_branches_are_read_before_far_ones(
    parsed: Callable[..., Inputs], context: RunContext, expected: list[tuple[str, str]]
) -> None:
    assert read(cache_of(parsed(), context)) == expected


MERGED, TAGGED = replace(PUSH, branch="main", merged="feature"), replace(TAG, tagged="release")


@pytest.mark.parametrize(
    ("context", "told", "expected"),
    [
        pytest.param(MERGED, "false", [("cache-main", OWN)], id="a message names no branch"),
        pytest.param(
            MERGED,
            "true",
            [("cache-main", OWN), ("cache-feature", "the branch that was merged")],
            id="the merged branch comes right after the run's own",
        ),
        pytest.param(TAGGED, "false", [("cache-main", DEFAULT)], id="a tag names no branch"),
        pytest.param(
            TAGGED,
            "true",
            [("cache-release", "the branch that the tag is on"), ("cache-main", DEFAULT)],
            id="a tag reads its branch",
        ),
        pytest.param(
            replace(FORK, merged="feature", tagged="feature"),
            "true",
            [("cache-develop", TARGET), ("cache-main", DEFAULT)],
            id="a fork names no branch that is read",
        ),
        pytest.param(
            replace(TAG, default_branch=""), "true", [], id="a tag reads no branch by its name"
        ),
    ],
)
def test_branches_that_are_only_told_of_are_read_if_the_inputs_trust_them(
    parsed: Callable[..., Inputs], context: RunContext, told: str, expected: list[tuple[str, str]]
) -> None:
    assert read(cache_of(parsed(cache_trust_merged=told), context)) == expected


def test_a_tag_that_finds_no_cache_says_what_to_set(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(parsed(), replace(TAG, default_branch=""))
    assert found.notes[0].endswith("which is not known; set default-branch")
    assert found.unread == (Cause(kind=Kind.NOT_READ, text=found.notes[0]),)
    assert read(cache_of(parsed(cache_fallback="main"), replace(TAG, default_branch=""))) == [
        ("cache-main", "named by cache-fallback")
    ]


@pytest.mark.parametrize(
    ("values", "note", "kind"),
    [
        pytest.param({"refresh": "true"}, "refresh is on", Kind.REFRESH, id="a refresh"),
        pytest.param({"no_cache": "true"}, "no-cache is on", Kind.NO_CACHE, id="no cache"),
        pytest.param(
            {"cache": "write-only"}, "cache is write-only", Kind.NOT_READ, id="write-only"
        ),
        pytest.param(
            {"refresh": "true", "no_cache": "true"},
            "refresh is on",
            Kind.REFRESH,
            id="both: refresh is the reason",
        ),
    ],
)
def test_a_run_that_reads_no_cache_still_writes_one(
    parsed: Callable[..., Inputs], values: dict[str, str], note: str, kind: Kind
) -> None:
    found = cache_of(parsed(cache_history="2", **values), PUSH)
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert found.notes == (f"no cache is read: {note}",)
    assert found.unread == (Cause(kind=kind, text=found.notes[0]),)
    assert found.stale is ("refresh" in values)
    # The registry is asked all the same, or the generation before would be lost.
    assert found.asked == (FEATURE, at("feature---1"))
    settled = answered(found, feature=Found("sha256:new"))
    assert settled.write is not None
    assert settled.write.found == Found("sha256:new")
    assert settled.stale is found.stale


def test_inputs_are_copied_into_the_plan(parsed: Callable[..., Inputs]) -> None:
    found = cache_of(
        parsed(
            cache_mode="min",
            cache_import="first",
            cache_export="with",
            cache_max_age="7d",
            cache_tag_prefix="c.",
            cache_options="compression=zstd",
        ),
        PUSH,
    )
    assert (found.mode, found.imports, found.after) == ("min", "first", False)
    assert (found.max_age, found.prefix) == (timedelta(days=7), "c.")
    assert found.options == ("compression=zstd",)
    assert cache_of(parsed(), PUSH).after


BESIDE = "the cache is exported with the image because no-cache-filters is given"


@pytest.mark.parametrize(
    ("values", "after", "notes"),
    [
        pytest.param({}, True, (), id="after the image"),
        pytest.param({"cache_export": "with"}, False, (), id="with the image"),
        pytest.param(
            {"no_cache_filters": "build"},
            False,
            (BESIDE,),
            id="with the image if there are filters, or layers are lost",
        ),
        pytest.param(
            {"no_cache_filters": "build", "cache_export": "with"},
            False,
            (),
            id="with the image in any case",
        ),
        pytest.param(
            {"no_cache_filters": "build", "cache": "write-only"},
            True,
            ("no cache is read: cache is write-only",),
            id="filters without a cache to read",
        ),
        pytest.param(
            {"no_cache_filters": "build", "cache": "read-only"},
            True,
            ("no cache is written: cache is read-only",),
            id="filters without a cache to write",
        ),
        pytest.param(
            {"driver": "kubernetes", "driver_opts": "replicas=2,loadbalance=random"},
            False,
            (
                BESIDE.replace(
                    "no-cache-filters is given",
                    "the next call may reach another pod (loadbalance=random)",
                ),
            ),
            id="with the image if another pod may have the next call",
        ),
        pytest.param(
            {"driver": "kubernetes", "driver_opts": "loadbalance=sticky"}, True, (), id="one pod"
        ),
        pytest.param({"driver_opts": "loadbalance=random"}, True, (), id="no pods"),
    ],
)
def test_when_a_cache_is_written(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    after: bool,  # noqa: FBT001
    notes: tuple[str, ...],
) -> None:
    found = cache_of(parsed(**values), PUSH)
    assert found.after is after
    assert found.notes == notes


NO_STORE = "the engine's own BuildKit without the containerd image store"
UNWRITTEN = (
    f"no cache is written: {NO_STORE} exports inline caches only; "
    "set cache-backend: inline or driver: docker-container"
)


@pytest.mark.parametrize(
    ("values", "reads", "write", "lost"),
    [
        pytest.param({}, 1, "", [UNWRITTEN], id="a cache in the registry is read"),
        pytest.param({"cache_backend": "inline"}, 1, "ghcr.io/me/app:cache-main", [], id="inline"),
        pytest.param(
            {"cache_backend": "gha"},
            0,
            "",
            [f"no cache is read: {NO_STORE} does not support the backend gha", UNWRITTEN],
            id="a backend that cannot even be read",
        ),
        pytest.param({"cache": "read-only"}, 1, "", [], id="nothing to write"),
        pytest.param({"cache": "off"}, 0, "", [], id="off"),
        pytest.param({"cache_to": "type=gha"}, 0, "", [UNWRITTEN], id="an explicit one"),
        pytest.param({"cache_to": "type=inline"}, 0, "", [], id="an explicit one that is inline"),
        pytest.param({"cache_to": "r.io/x"}, 0, "", [UNWRITTEN], id="an explicit one of no type"),
    ],
)
def test_without_the_image_store_only_inline_caches_are_written(
    parsed: Callable[..., Inputs], values: dict[str, str], reads: int, write: str, lost: list[str]
) -> None:
    on_main = replace(PUSH, branch="main")
    decided = planned(parsed(driver="docker", **values), on_main, has_image_store=False)
    cache = decided.cache
    assert len(cache.read) == reads
    assert str(cache.write.ref if cache.write else "") == write
    assert list(problems.losses(cache.problems)) == list(decided.warnings) == lost
    assert problems.write_error(cache.problems) == (UNWRITTEN if UNWRITTEN in lost else "")
    assert cache.destinations in ((), ("type=inline",))
