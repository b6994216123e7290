from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.plans import cache_of
from warmbuild import csv_attributes, refs
from warmbuild.backends import BACKENDS
from warmbuild.cache import problems, settling, sharing
from warmbuild.cache.age import age_text
from warmbuild.cache.cache_plan import CachePlan, CacheRef, Place
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused, Silent
from warmbuild.cache.records import Record, Records
from warmbuild.run_context import RunContext
from warmbuild.vendors import harbor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference


REPOSITORY = "ghcr.io/me/app"
# Digits of the SHA-256 of `+build` and `+test`.
STAGE_BUILD = "build-e7ec532e--feature"
STAGE_TEST = "test-0800a352--feature"
OWN = "this branch's own cache"
TARGET = "the branch that this one goes into"
FALLBACK = "named by cache-fallback"
DEFAULT = "the default branch"
GUESS = "often the default branch, which nobody names here"

PUSH = RunContext(ci="github", event="push", branch="feature", default_branch="main")
PULL = replace(PUSH, event="pull_request", target_branch="develop", pull_request=7)
FORK = replace(PULL, fork=True, untrusted="the code comes from a fork")
QUEUE = replace(PUSH, branch="", target_branch="develop", passing="it belongs to no branch yet")
TRAIN = replace(PULL, ci="gitlab", passing="a merge train's commit belongs to no branch yet")
TAG = replace(PUSH, branch="", tag="v1")
LOCAL = replace(PUSH, ci="local", event="local")


def decide(inputs: Inputs, context: RunContext) -> CachePlan:
    return cache_of(inputs, context)


def read(found: CachePlan) -> list[tuple[str, str]]:
    return [(str(item.ref).removeprefix(f"{REPOSITORY}:"), item.reason) for item in found.read]


def written(found: CachePlan) -> str | None:
    return str(found.write.ref).removeprefix(f"{REPOSITORY}:") if found.write else None


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
            "a tag has no cache of its own; its branch has",
            id="a tag",
        ),
        pytest.param(
            LOCAL,
            [("cache-feature", OWN), ("cache-main", DEFAULT)],
            None,
            "a local run leaves the shared cache alone; cache: read-write writes it",
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
            [("cache-main", OWN), ("cache-master", GUESS)],
            "cache-main",
            "",
            id="a branch that is a usual default one",
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
    found = decide(parsed(), context)
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
def test_the_input_cache_bends_the_table_and_never_for_a_fork(
    parsed: Callable[..., Inputs], cache: str, context: RunContext, reads: int, write: str | None
) -> None:
    found = decide(parsed(cache=cache), context)
    assert len(found.read) == reads
    assert written(found) == write


def test_fallbacks_stand_between_target_and_default(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(cache_fallback="release,develop"), PULL)
    assert read(found) == [
        ("cache-feature", OWN),
        ("cache-develop", TARGET),
        ("cache-release", FALLBACK),
        ("cache-main", DEFAULT),
    ]


def test_a_context_can_be_told_its_branches() -> None:
    told = RunContext(ci="local").told(branch="x", default_branch="trunk")
    assert told == RunContext(ci="local", branch="x", default_branch="trunk")
    assert PUSH.told(branch="", default_branch="") == PUSH


@pytest.mark.parametrize(
    ("values", "tag"),
    [
        ({"cache_scope": "api"}, "cache-api--feature"),
        ({"platforms": "linux/arm64"}, "cache-linux-arm64-69b36453--feature"),
        ({"platforms": "linux/arm64,linux/arm64"}, "cache-linux-arm64-69b36453--feature"),
        ({"platforms": "linux/arm64,linux/amd64"}, "cache-feature"),
        ({"cache_version": "2"}, "cache-2-f09e4ded--feature"),
        ({"cache_tag_prefix": "bc."}, "bc.feature"),
    ],
)
def test_a_scope_a_lone_platform_and_a_prefix_keep_caches_apart(
    parsed: Callable[..., Inputs], values: dict[str, str], tag: str
) -> None:
    found = decide(parsed(**values), PUSH)
    assert written(found) == tag
    assert read(found)[0][0] == tag


def test_the_cache_may_live_elsewhere(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(cache_repository="r.io/cache"), PUSH)
    assert found.write is not None
    assert str(found.write.ref) == "r.io/cache:cache-feature"


def test_the_cache_goes_where_the_first_image_goes(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(image="", tags="r.io/a:1,r.io/b:1"), PUSH)
    assert found.write is not None
    assert str(found.write.ref) == "r.io/a:cache-feature"


def test_without_a_repository_there_is_no_cache(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(image="", push="false"), PUSH)
    assert found == CachePlan(notes=("no cache: there is neither an image nor a cache-repository",))


def test_no_cache_reads_nothing_and_writes_a_fresh_one(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(no_cache="true"), PUSH)
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert found.notes == ("no cache is read: no-cache is on",)


def test_explicit_caches_replace_the_refs(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(cache_from="type=gha\nme/app:x", cache_to="type=gha,mode=max"), PUSH)
    assert (found.read, found.write) == ((), None)
    assert found.sources == ("type=gha", "me/app:x")
    assert found.destinations == ("type=gha,mode=max",)
    assert problems.texts(found.problems) == ()


@pytest.mark.parametrize("given", [{"cache_from": "type=gha"}, {"cache_to": "type=gha"}])
def test_one_explicit_cache_turns_all_refs_off(
    parsed: Callable[..., Inputs], given: dict[str, str]
) -> None:
    found = decide(parsed(**given), PUSH)
    assert (found.read, found.write) == ((), None)


def test_untrusted_code_writes_no_shared_cache_that_is_explicit(
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
    found = decide(inputs, FORK)
    assert found.destinations == ("type=local,dest=/c", "type=inline")
    assert problems.texts(found.problems) == tuple(
        f"cache-to {entry} is left out: the code comes from a fork" for entry in shared
    )
    assert decide(inputs, PUSH).destinations == inputs.cache_to


@pytest.mark.parametrize("context", [PUSH, FORK])
def test_explicit_sources_are_read_by_anybody(
    parsed: Callable[..., Inputs], context: RunContext
) -> None:
    found = decide(parsed(cache_from="type=gha\nme/app:x"), context)
    assert found.sources == ("type=gha", "me/app:x")


def test_a_refresh_reads_no_explicit_cache_and_writes_it(parsed: Callable[..., Inputs]) -> None:
    found = decide(parsed(cache_from="me/app:x", cache_to="me/app:x", refresh="true"), PUSH)
    assert (found.sources, found.destinations, found.stale) == ((), ("me/app:x",), True)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("type=registry,ref=a/b:c", [("type", "registry"), ("ref", "a/b:c")]),
        ("a/b:c", [("ref", "a/b:c")]),
        ('TYPE=local,"dest=/a,b"', [("type", "local"), ("dest", "/a,b")]),
        ("me/app:c,me/app:d", [("ref", "me/app:c"), ("ref", "me/app:d")]),
        ("", []),
        ("type=registry\nref=a", [("type", "registry\nref=a")]),
        ("x" * 140_000, [("ref", "x" * 140_000)]),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_an_entry_is_read_as_buildx_reads_it(entry: str, expected: list[tuple[str, str]]) -> None:
    assert csv_attributes.pairs(entry) == expected


MAIN = refs.parse(f"{REPOSITORY}:cache-main")
FEATURE = refs.parse(f"{REPOSITORY}:cache-feature")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGESTS = ("sha256:" + "1" * 64, "sha256:" + "2" * 64)


def settled(parsed: Callable[..., Inputs], own: Answer, main: Answer, **values: str) -> CachePlan:
    return settling.settle(decide(parsed(**values), PUSH), {FEATURE: own, MAIN: main}, NOW)


def test_the_nearest_ref_that_exists_is_read_pinned_by_digest(
    parsed: Callable[..., Inputs],
) -> None:
    found = settled(parsed, Found(DIGESTS[0]), Found(DIGESTS[1]), cache_import="first")
    assert [str(item.ref) for item in found.read] == [f"{FEATURE}@{DIGESTS[0]}"]
    assert found.notes == (f"{MAIN} is not read: a nearer ref is there",)
    assert problems.texts(found.problems) == ()
    assert written(found) == "cache-feature"


def test_a_new_branch_reads_the_default_branch(parsed: Callable[..., Inputs]) -> None:
    found = settled(parsed, Missing(), Found(DIGESTS[1]))
    assert [str(item.ref) for item in found.read] == [f"{MAIN}@{DIGESTS[1]}"]
    assert found.notes == (f"{FEATURE} is not there yet",)
    assert problems.texts(found.problems) == ()


def test_a_union_reads_all(parsed: Callable[..., Inputs]) -> None:
    found = settled(parsed, Found(DIGESTS[0]), Found(DIGESTS[1]), cache_import="union")
    assert [str(item.ref) for item in found.read] == [
        f"{FEATURE}@{DIGESTS[0]}",
        f"{MAIN}@{DIGESTS[1]}",
    ]


@pytest.mark.parametrize(
    ("answer", "write"),
    [
        pytest.param(Refused("it says 403"), "cache-feature", id="refused: an export may still do"),
        pytest.param(Silent("it does not answer"), None, id="silent: an export would hang"),
        pytest.param(
            NotACache("an image is there"), None, id="an image: it is nobody's to replace"
        ),
    ],
)
def test_what_is_no_cache_is_not_read_and_said(
    parsed: Callable[..., Inputs], answer: Refused | Silent | NotACache, write: str | None
) -> None:
    found = settled(parsed, answer, Missing())
    assert found.read == ()
    assert written(found) == write
    assert problems.texts(found.problems)[0] == f"{FEATURE} is not read: {answer.reason}"
    assert (f"{FEATURE} is not written: {answer.reason}" in problems.texts(found.problems)) == (
        write is None
    )


@pytest.mark.parametrize(
    "answer",
    [
        Found(DIGESTS[0], vendor=harbor.VENDOR),
        Missing(vendor=harbor.VENDOR),
        Refused("it says 403", vendor=harbor.VENDOR),
    ],
    ids=["found", "missing", "refused"],
)
def test_what_is_written_knows_whose_registry_it_goes_to(
    parsed: Callable[..., Inputs], answer: Answer
) -> None:
    found = settled(parsed, answer, Missing())
    assert found.write
    assert found.write.vendor is harbor.VENDOR


def at(tag: str) -> Reference:
    return refs.parse(f"{REPOSITORY}:{tag}")


def answered(plan: CachePlan, **answers: Answer) -> CachePlan:
    """Settle a plan where these are there, by what follows the prefix, and else nothing."""
    there: dict[Place, Answer] = {at(f"cache-{tag}"): answer for tag, answer in answers.items()}
    assert set(there) <= set(plan.asked)
    return settling.settle(plan, {place: there.get(place, Missing()) for place in plan.asked}, NOW)


def tags(items: Sequence[CacheRef]) -> list[str]:
    return [str(item.ref).removeprefix(f"{REPOSITORY}:cache-") for item in items]


IMAGE = "an image is there and no cache"


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        pytest.param(
            {"cache_history": "3"},
            ["feature---1", "feature---2"],
            ["feature---2"],
            id="an older generation",
        ),
        pytest.param(
            {"cache_backend": "inline", "cache_stages": "build,test"},
            [STAGE_BUILD, STAGE_TEST],
            [STAGE_TEST],
            id="a stage",
        ),
    ],
)
@pytest.mark.parametrize("cache", ["auto", "write-only"])
@pytest.mark.parametrize("answer", [Silent("no answer"), NotACache(IMAGE)])
def test_what_stands_beside_a_ref_is_written_by_its_rules(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    before: list[str],
    after: list[str],
    cache: str,
    answer: Silent | NotACache,
) -> None:
    decided = decide(parsed(cache=cache, **values), PUSH)
    assert tags((*decided.stages, *decided.history)) == before
    assert set(map(at, [f"cache-{tag}" for tag in before])) <= set(decided.asked)
    found = answered(decided, **{before[0]: answer})
    assert tags((*found.stages, *found.history)) == after
    why = f"{at('cache-' + before[0])} is not written: {answer.reason}"
    assert why in problems.texts(found.problems)
    assert why in problems.losses(found.problems)
    assert problems.write_error(found.problems) == why
    assert written(found) == "cache-feature"


def test_nothing_is_written_beside_a_ref_that_is_not(parsed: Callable[..., Inputs]) -> None:
    decided = decide(parsed(cache_history="3"), PUSH)
    found = answered(decided, feature=NotACache(IMAGE))
    assert (found.write, found.stages, found.history) == (None, (), ())
    assert problems.write_error(found.problems) == f"{FEATURE} is not written: {IMAGE}"


def test_an_image_without_a_cache_is_what_inline_writes_where_no_step_makes_a_layer(
    parsed: Callable[..., Inputs],
) -> None:
    image = NotACache(IMAGE, is_image=True)
    decided = decide(parsed(cache_backend="inline", cache_stages="build"), PUSH)
    found = answered(decided, **{"feature": image, STAGE_BUILD: image})
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert tags(found.stages) == [STAGE_BUILD]
    assert (
        problems.texts(found.problems),
        problems.losses(found.problems),
        problems.write_error(found.problems),
    ) == ((), (), "")
    assert f"{FEATURE} is not read: its image has no cache in it" in found.notes
    # A chart is none of ours.
    assert answered(decided, feature=NotACache("no manifest")).write is None


TOKEN, RESULTS, CACHE = "ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"


@pytest.mark.parametrize(
    ("known", "options", "missing"),
    [
        pytest.param({TOKEN, RESULTS}, "", "", id="all that there is today"),
        pytest.param({TOKEN, CACHE}, "", "", id="an older service"),
        pytest.param({TOKEN}, "url=http://c", "", id="a URL of the user's own"),
        pytest.param({TOKEN}, "version=1", RESULTS, id="a token alone"),
        pytest.param({RESULTS}, "", TOKEN, id="a URL alone"),
        pytest.param(set[str](), "", f"{TOKEN} and {RESULTS}", id="nothing"),
    ],
)
def test_gha_says_which_variables_are_missing(
    parsed: Callable[..., Inputs], known: set[str], options: str, missing: str
) -> None:
    decided = cache_of(parsed(cache_backend="gha", cache_options=options), PUSH, known)
    found = settling.settle(decided, {}, NOW)
    warning = (
        f"no cache is read or written: the backend gha needs {missing}, "
        "which GitHub Actions sets for actions, and not for `run` steps"
    )
    if missing:
        assert (found.read, found.write) == ((), None)
        assert problems.texts(found.problems) == problems.losses(found.problems) == (warning,)
        assert problems.write_error(found.problems) == warning
        assert found.notes == ()
    else:
        assert [item.ref for item in found.read] == ["cache-feature", "cache-main"]
        assert found.write is not None
        assert problems.texts(found.problems) == ()
        assert found.notes == ("the backend gha is not asked what it has, so all is read",)


def test_what_is_not_wanted_needs_no_variables(parsed: Callable[..., Inputs]) -> None:
    off = parsed(cache_backend="gha", cache="off")
    assert cache_of(off, PUSH, set()) == cache_of(off, PUSH)
    reads = cache_of(parsed(cache_backend="gha", cache="read-only"), PUSH, set())
    assert problems.write_error(reads.problems) == ""
    assert problems.losses(reads.problems)
    writes = decide(parsed(cache_backend="gha", cache="write-only"), PUSH)
    assert settling.settle(writes, {}, NOW).notes == ("no cache is read: cache is write-only",)


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


AMD64, ARM64 = "linux-amd64-2cc5a1d1", "linux-arm64-69b36453"
BACKENDS_GIVEN = {
    "registry": {},
    "inline": {},
    "local": {"cache_dir": "/c"},
    "gha": {},
    "s3": {"cache_options": "bucket=b,region=r"},
    "azblob": {"cache_options": "account_url=https://a"},
}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            {"platforms": "linux/amd64"},
            [
                (f"cache-{AMD64}--feature", OWN),
                ("cache-feature", f"{OWN}, all platforms"),
                (f"cache-{AMD64}--main", DEFAULT),
                ("cache-main", f"{DEFAULT}, all platforms"),
            ],
            id="a job of one platform reads its own caches, then those of all",
        ),
        pytest.param(
            {"platforms": "linux/amd64,linux/arm64,linux/amd64"},
            [
                ("cache-feature", OWN),
                (f"cache-{AMD64}--feature", f"{OWN}, linux/amd64 alone"),
                (f"cache-{ARM64}--feature", f"{OWN}, linux/arm64 alone"),
                ("cache-main", DEFAULT),
                (f"cache-{AMD64}--main", f"{DEFAULT}, linux/amd64 alone"),
                (f"cache-{ARM64}--main", f"{DEFAULT}, linux/arm64 alone"),
            ],
            id="a job of several platforms reads those of each too",
        ),
        pytest.param(
            {"cache_history": "3"},
            [
                ("cache-feature", OWN),
                ("cache-feature---1", f"{OWN}, 1 before it"),
                ("cache-feature---2", f"{OWN}, 2 before it"),
                ("cache-main", DEFAULT),
                ("cache-main---1", f"{DEFAULT}, 1 before it"),
                ("cache-main---2", f"{DEFAULT}, 2 before it"),
            ],
            id="a history is read, the youngest first",
        ),
        pytest.param(
            {
                "cache_backend": "inline",
                "cache_stages": "build",
                "cache_history": "2",
                "platforms": "linux/arm64",
            },
            [
                (f"cache-{ARM64}--feature", OWN),
                ("cache-linux-arm64-build-00db474e--feature", f"{OWN}, stage build"),
                (f"cache-{ARM64}--feature---1", f"{OWN}, 1 before it"),
                ("cache-feature", f"{OWN}, all platforms"),
                (f"cache-{ARM64}--main", DEFAULT),
                ("cache-linux-arm64-build-00db474e--main", f"{DEFAULT}, stage build"),
                (f"cache-{ARM64}--main---1", f"{DEFAULT}, 1 before it"),
                ("cache-main", f"{DEFAULT}, all platforms"),
            ],
            id="stages, history and platforms stand beside each branch's own",
        ),
    ],
)
def test_what_is_read_of_a_branch(
    parsed: Callable[..., Inputs], values: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    found = decide(parsed(**values), PUSH)
    assert read(found) == expected
    # The branch's own ref is what may be missing with a note; those beside it are not awaited.
    assert [(item.branch, item.beside) for item in found.read] == [
        ("feature" if "feature" in tag else "main", reason not in {OWN, DEFAULT})
        for tag, reason in expected
    ]
    assert written(found) == expected[0][0]
    assert found.write is not None
    assert found.write.reason == OWN


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        pytest.param(
            replace(PUSH, branch="main", merged="feature"),
            [("cache-main", OWN), ("cache-feature", "the branch that was merged")],
            id="what was merged comes right after the own",
        ),
        pytest.param(
            replace(TAG, tagged="release"),
            [("cache-release", "the branch that the tag is on"), ("cache-main", DEFAULT)],
            id="a tag reads its branch",
        ),
        pytest.param(
            replace(FORK, merged="feature", tagged="feature"),
            [("cache-develop", TARGET), ("cache-main", DEFAULT)],
            id="a fork names no branch that is read",
        ),
        pytest.param(
            replace(PULL, target_branch="main"),
            [("cache-feature", OWN), ("cache-main", TARGET)],
            id="a branch is read once, for the nearest reason",
        ),
        pytest.param(
            replace(PULL, branch="main", target_branch="main"),
            [("cache-main", OWN)],
            id="a branch that goes into itself",
        ),
    ],
)
def test_near_is_read_before_far(
    parsed: Callable[..., Inputs], context: RunContext, expected: list[tuple[str, str]]
) -> None:
    assert read(decide(parsed(), context)) == expected


@pytest.mark.parametrize("backend", BACKENDS_GIVEN)
@pytest.mark.parametrize("cache", ["auto", "read-write", "write-only"])
def test_untrusted_code_writes_with_no_backend(
    parsed: Callable[..., Inputs], backend: str, cache: str
) -> None:
    inputs = parsed(cache=cache, cache_backend=backend, **BACKENDS_GIVEN[backend])
    found = decide(inputs, FORK)
    assert (found.write, found.stages, found.history) == (None, (), ())
    assert "no cache is written: the code comes from a fork" in found.notes


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("registry", [f"{REPOSITORY}:cache-feature", f"{REPOSITORY}:cache-main"]),
        ("inline", [f"{REPOSITORY}:cache-feature", f"{REPOSITORY}:cache-main"]),
        ("local", ["/c/cache-feature", "/c/cache-main"]),
        ("gha", ["cache-feature", "cache-main"]),
        ("s3", ["cache-feature", "cache-main"]),
        ("azblob", ["cache-feature", "cache-main"]),
    ],
)
def test_every_backend_has_the_same_keys(
    parsed: Callable[..., Inputs], backend: str, expected: list[str]
) -> None:
    inputs = parsed(cache_backend=backend, **BACKENDS_GIVEN[backend])
    found = decide(inputs, PUSH)
    assert [str(item.ref) for item in found.read] == expected
    assert found.write is not None
    assert str(found.write.ref) == expected[0]
    assert (found.backend, found.options) == (inputs.cache_backend, inputs.cache_options)
    assert set(map(str, found.asked)) == (set(expected) if found.backend.asked else set())


@pytest.mark.parametrize(
    ("given", "expected"), [("/c/", "/c/cache-feature"), ("/", "/cache-feature"), (".", "./")]
)
def test_a_directory_is_named_as_it_is_given(
    parsed: Callable[..., Inputs], given: str, expected: str
) -> None:
    found = decide(parsed(cache_backend="local", cache_dir=given, image="", push="false"), PUSH)
    assert found.write is not None
    assert str(found.write.ref).startswith(expected)


@pytest.mark.parametrize(
    ("cache", "write", "notes"),
    [
        ("auto", True, ()),
        ("read-write", True, ()),
        ("read-only", False, ("no cache is written: cache is read-only",)),
        ("write-only", True, ("no cache is read: cache is write-only",)),
    ],
)
def test_a_laptop_writes_its_own_directory(
    parsed: Callable[..., Inputs],
    cache: str,
    write: bool,  # noqa: FBT001
    notes: tuple[str, ...],
) -> None:
    found = decide(parsed(cache=cache, cache_backend="local", cache_dir="/c"), LOCAL)
    assert (found.write is not None) is write
    assert found.notes == notes


@pytest.mark.parametrize(
    ("values", "note"),
    [
        pytest.param({"refresh": "true"}, "refresh is on", id="a refresh"),
        pytest.param({"no_cache": "true"}, "no-cache is on", id="no cache"),
        pytest.param({"cache": "write-only"}, "cache is write-only", id="a cache to write"),
        pytest.param(
            {"refresh": "true", "no_cache": "true"}, "refresh is on", id="both, the stronger"
        ),
    ],
)
def test_what_reads_nothing_writes_all_the_same(
    parsed: Callable[..., Inputs], values: dict[str, str], note: str
) -> None:
    found = decide(parsed(cache_history="2", **values), PUSH)
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert found.notes == (f"no cache is read: {note}",)
    assert found.stale is ("refresh" in values)
    # What is there has to be known, or the generation before would be lost.
    assert found.asked == (FEATURE, at("cache-feature---1"))
    settled = answered(found, feature=Found("sha256:new"))
    assert settled.write is not None
    assert settled.write.found == Found("sha256:new")
    assert settled.stale is found.stale


def test_an_explicit_or_missing_cache_is_not_settled(parsed: Callable[..., Inputs]) -> None:
    for values in ({"cache_to": "type=inline"}, {"cache": "off"}):
        decided = decide(parsed(**values), PUSH)
        assert decided.asked == ()
        assert settling.settle(decided, {}, NOW) == decided


def cached(made: str, *, of: str = "step", days: float = 0, size: int = 0) -> Found:
    """Return a cache of one step, in which that was made this many days ago."""
    base = Record(digest="base")
    step = Record(digest=of, inputs=((("", 0),),), results=frozenset({(made,)}))
    inside = Records(records=(base, step), oldest=NOW - timedelta(days=days))
    return Found(DIGESTS[0], records=(inside,), size=size, config=f"config {made}")


@pytest.mark.parametrize(
    ("imports", "answers", "expected", "why_not"),
    [
        pytest.param(
            "auto",
            {"feature": cached("x"), "develop": cached("x"), "main": cached("x")},
            ["feature", "develop", "main"],
            {},
            id="all that agree",
        ),
        pytest.param(
            "auto",
            {"feature": cached("x"), "develop": cached("y"), "main": cached("x")},
            ["feature", "main"],
            {"develop": "feature"},
            id="one that contradicts is left out, a farther one that agrees is not",
        ),
        pytest.param(
            "auto",
            {
                "feature": cached("x", of="another"),
                "develop": cached("y"),
                "main": cached("z"),
            },
            ["feature", "develop"],
            {"main": "develop"},
            id="one that agrees with the nearest may contradict the next",
        ),
        pytest.param(
            "auto",
            {"develop": cached("y"), "main": cached("x")},
            ["develop"],
            {"main": "develop"},
            id="the nearest that is there counts",
        ),
        pytest.param(
            "auto",
            {"feature": cached("x"), "main": cached("y"), "main---1": cached("x")},
            ["feature", "main---1"],
            {"main": "feature"},
            id="main's generation before is what the branch was made from",
        ),
        pytest.param(
            "auto",
            {"feature": cached("x"), "feature---1": cached("y"), "main": cached("y")},
            ["feature"],
            {"feature---1": "feature", "main": "feature"},
            id="a history that was built anew contradicts too",
        ),
        pytest.param(
            "auto",
            {"feature": Found(DIGESTS[0]), "main": cached("x")},
            ["feature", "main"],
            {},
            id="a cache that nobody can read contradicts nothing",
        ),
        pytest.param(
            "auto",
            {
                "feature": cached("x"),
                "main": replace(cached("x"), records=(*cached("z").records, *cached("x").records)),
            },
            ["feature"],
            {"main": "feature"},
            id="an image for several platforms contradicts where one of them does",
        ),
        pytest.param(
            "union",
            {"feature": cached("x"), "develop": cached("y"), "main": cached("z")},
            ["feature", "develop", "main"],
            {},
            id="a union asks no questions",
        ),
        pytest.param(
            "first",
            {"feature": cached("x"), "feature---1": cached("x"), "main": cached("x")},
            ["feature", "feature---1"],
            {"main": ""},
            id="the first branch is read with its history",
        ),
        pytest.param(
            "first",
            {"feature---1": cached("x"), "main": cached("x")},
            ["feature---1"],
            {"main": ""},
            id="a branch of which only the history is left is the first",
        ),
        pytest.param(
            "first",
            {"develop": cached("x"), "main": cached("x")},
            ["develop"],
            {"main": ""},
            id="the first that is there",
        ),
        pytest.param(
            "first",
            {"feature": cached("x"), "feature---1": cached("y")},
            ["feature"],
            {"feature---1": "feature"},
            id="the first branch's history may contradict it",
        ),
    ],
)
def test_which_of_several_caches_are_read(
    parsed: Callable[..., Inputs],
    imports: str,
    answers: dict[str, Answer],
    expected: list[str],
    why_not: dict[str, str],
) -> None:
    decided = decide(parsed(cache_import=imports, cache_history="2"), PULL)
    found = answered(decided, **answers)
    assert tags(found.read) == [f"{tag}@{DIGESTS[0]}" for tag in expected]
    assert [note for note in found.notes if "is not read" in note] == [
        (
            f"{at('cache-' + tag)} is not read: it has other results than "
            f"{at('cache-' + nearer)}@{DIGESTS[0]} for the same steps"
            if nearer
            else f"{at('cache-' + tag)} is not read: a nearer ref is there"
        )
        for tag, nearer in why_not.items()
    ]
    assert problems.texts(found.problems) == ()


ALL_OLD = "all is built anew on new base images, for every cache is too old"


@pytest.mark.parametrize(
    ("answers", "expected", "stale", "notes"),
    [
        pytest.param(
            {"feature": cached("x", days=6.9), "main": cached("x", days=1)},
            ["feature", "main"],
            False,
            [],
            id="all young enough",
        ),
        pytest.param(
            {"feature": cached("x", days=7), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} is not there yet"],
            id="as old as may be",
        ),
        pytest.param(
            {"feature": cached("x", days=8), "main": cached("x", days=1)},
            ["main"],
            False,
            [f"{FEATURE} is not read: its oldest result is 8 days old, and cache-max-age is less"],
            id="an old one does not keep a young one from being read",
        ),
        pytest.param(
            {"feature": cached("y", days=8), "main": cached("x", days=1)},
            ["main"],
            False,
            [f"{FEATURE} is not read: its oldest result is 8 days old, and cache-max-age is less"],
            id="nor does it contradict one",
        ),
        pytest.param(
            {"feature": cached("x", days=1), "main": cached("y", days=8)},
            ["feature"],
            False,
            [f"{MAIN} is not read: its oldest result is 8 days old, and cache-max-age is less"],
            id="one that is old and contradicts is too old, which is what can be changed",
        ),
        pytest.param(
            {"feature": cached("x", days=7.1), "main": cached("x", days=30)},
            [],
            True,
            [
                *(
                    f"{ref} is not read: its oldest result is {days} days old, and cache-max-age "
                    "is less"
                    for ref, days in ((FEATURE, 7), (MAIN, 30))
                ),
                ALL_OLD,
            ],
            id="all too old",
        ),
        pytest.param(
            {"feature": Missing(), "main": cached("x", days=8)},
            [],
            True,
            [
                f"{FEATURE} is not there yet",
                f"{MAIN} is not read: its oldest result is 8 days old, and cache-max-age is less",
                ALL_OLD,
            ],
            id="a new branch of an old one",
        ),
        pytest.param(
            {"feature": Missing(), "main": Missing()},
            [],
            False,
            [f"{FEATURE} is not there yet", f"{MAIN} is not there yet"],
            id="nothing is not too old",
        ),
        pytest.param(
            {"feature": Found(DIGESTS[0]), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} is not there yet"],
            id="nobody knows how old",
        ),
        pytest.param(
            {"feature": cached("x", days=-1), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} is not there yet"],
            id="a builder's clock that is ahead",
        ),
    ],
)
def test_a_cache_has_an_age(
    parsed: Callable[..., Inputs],
    answers: dict[str, Answer],
    expected: list[str],
    stale: bool,  # noqa: FBT001
    notes: list[str],
) -> None:
    found = answered(decide(parsed(cache_max_age="7d"), PUSH), **answers)
    assert tags(found.read) == [f"{tag}@{DIGESTS[0]}" for tag in expected]
    assert found.stale is stale
    assert list(found.notes) == notes
    assert problems.texts(found.problems) == ()
    assert written(found) == "cache-feature"


def test_without_a_limit_no_cache_is_too_old(parsed: Callable[..., Inputs]) -> None:
    found = answered(decide(parsed(), PUSH), feature=cached("x", days=4000))
    assert tags(found.read) == [f"feature@{DIGESTS[0]}"]
    assert found.stale is False


def test_a_cache_is_as_old_as_the_oldest_of_its_platforms(parsed: Callable[..., Inputs]) -> None:
    both = (*cached("x").records, *cached("x", days=9).records)
    found = answered(
        decide(parsed(cache_backend="inline", cache_max_age="7d"), PUSH),
        feature=Found(DIGESTS[0], records=both),
    )
    assert found.read == ()
    assert found.stale


def test_a_description_that_grows_too_large_is_warned_of(parsed: Callable[..., Inputs]) -> None:
    decided = decide(parsed(), PUSH)
    assert answered(decided, feature=cached("x", size=settling.LARGE)).problems == ()
    found = answered(decided, feature=cached("x", size=900_499))
    (warning,) = problems.texts(found.problems)
    assert warning == (
        f"{FEATURE} takes 900 kB to describe, and BuildKit reads no more than 1048 kB; keep parts "
        "of it apart by cache-scope, or build fewer stages in one image"
    )
    # It is still read, so nothing is lost.
    assert problems.losses(found.problems) == ()
    assert tags(found.read) == [f"feature@{DIGESTS[0]}"]


def test_a_directory_is_read_as_it_is(parsed: Callable[..., Inputs]) -> None:
    decided = decide(parsed(cache_backend="local", cache_dir="/c"), PUSH)
    found = settling.settle(
        decided, {"/c/cache-feature": cached("x"), "/c/cache-main": Missing()}, NOW
    )
    assert [(item.ref, item.found) for item in found.read] == [("/c/cache-feature", cached("x"))]


def test_what_stands_beside_a_ref_may_be_missing_without_a_word(
    parsed: Callable[..., Inputs],
) -> None:
    found = answered(decide(parsed(cache_history="3"), PUSH))
    assert found.notes == (f"{FEATURE} is not there yet", f"{MAIN} is not there yet")


def test_one_registry_that_is_silent_is_said_of_each_ref_once(
    parsed: Callable[..., Inputs],
) -> None:
    silent = Silent("the registry ghcr.io does not answer")
    found = answered(decide(parsed(), PUSH), feature=silent, main=silent)
    assert problems.texts(found.problems) == (
        f"{FEATURE} is not read: {silent.reason}",
        f"{MAIN} is not read: {silent.reason}",
        f"{FEATURE} is not written: {silent.reason}",
    )
    assert problems.losses(found.problems) == problems.texts(found.problems)
    assert problems.write_error(found.problems) == problems.texts(found.problems)[-1]


A, B, C = (Found(f"sha256:{name}", config=f"config {name}") for name in "abc")
# As C, read and written again: another manifest of the same configuration.
C_AGAIN = Found("sha256:c again", config="config c")
UNREADABLE = Found("sha256:d")


@pytest.mark.parametrize(
    ("before", "written_now", "expected"),
    [
        pytest.param([None, None, None], A, {}, id="the first build"),
        pytest.param([A, None, None], B, {1: A}, id="the second"),
        pytest.param([B, A, None], C, {1: B, 2: A}, id="the third"),
        pytest.param([C, B, A], UNREADABLE, {1: C, 2: B}, id="the oldest goes"),
        pytest.param([C, B, A], C, {}, id="nothing changed"),
        pytest.param([C, B, A], C_AGAIN, {}, id="nothing but the manifest changed"),
        pytest.param([C, B, A], B, {1: C}, id="a revert to the one before"),
        pytest.param([C, B, A], A, {1: C, 2: B}, id="a revert to the one before that"),
        pytest.param([C, C_AGAIN, B], A, {1: C}, id="one that was kept twice is kept once"),
        pytest.param([None, B, A], C, {}, id="one that could not be read is lost"),
        pytest.param([C, None, A], B, {1: C}, id="a gap is filled"),
        pytest.param([C, A, None], B, {1: C, 2: A}, id="a gap at the end"),
        pytest.param(
            [UNREADABLE, None, None], A, {1: UNREADABLE}, id="one without a configuration"
        ),
    ],
)
def test_the_generations_move_on(
    parsed: Callable[..., Inputs],
    before: list[Found | None],
    written_now: Found,
    expected: dict[int, Found],
) -> None:
    answers = {
        f"feature{end}": found
        for end, found in zip(("", "---1", "---2"), before, strict=True)
        if found
    }
    settled = answered(decide(parsed(cache_history="3"), PUSH), **answers)
    assert settling.shifted(settled, written_now) == tuple(
        (at(f"cache-feature---{number}"), found) for number, found in expected.items()
    )


def test_without_a_history_nothing_moves(parsed: Callable[..., Inputs]) -> None:
    assert settling.shifted(answered(decide(parsed(), PUSH), feature=A), B) == ()


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=59.9), "59 seconds"),
        (timedelta(seconds=60), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(minutes=60), "1 hour"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=400, hours=23), "400 days"),
    ],
)
def test_an_age_is_said_as_people_say_it(age: timedelta, expected: str) -> None:
    assert age_text(age) == expected


def test_a_plan_is_handed_what_the_inputs_say(parsed: Callable[..., Inputs]) -> None:
    found = decide(
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
    assert decide(parsed(), PUSH).after


BESIDE = "the cache is written beside the image, for no-cache-filters is given"


@pytest.mark.parametrize(
    ("values", "after", "notes"),
    [
        pytest.param({}, True, (), id="once the image is out"),
        pytest.param({"cache_export": "with"}, False, (), id="beside it"),
        pytest.param(
            {"no_cache_filters": "build"}, False, (BESIDE,), id="beside it, or layers are lost"
        ),
        pytest.param(
            {"no_cache_filters": "build", "cache_export": "with"}, False, (), id="beside it anyway"
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
    ],
)
def test_when_a_cache_is_written(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    after: bool,  # noqa: FBT001
    notes: tuple[str, ...],
) -> None:
    found = decide(parsed(**values), PUSH)
    assert found.after is after
    assert found.notes == notes


def _to_read(tag: str, branch: str, *, beside: bool = False) -> CacheRef:
    ref = refs.parse(f"{REPOSITORY}:{tag}")
    return CacheRef(ref=ref, reason=OWN, branch=branch, beside=beside)


OWN_CACHE, MAIN_CACHE = _to_read("cache-feature", "feature"), _to_read("cache-main", "main")


@pytest.mark.parametrize(
    ("imports", "read_ones", "backend", "expected"),
    [
        pytest.param("auto", (OWN_CACHE, MAIN_CACHE), "registry", True, id="several"),
        pytest.param("auto", (OWN_CACHE, MAIN_CACHE), "local", True, id="several directories"),
        pytest.param("auto", (OWN_CACHE,), "registry", False, id="one is one"),
        pytest.param("union", (OWN_CACHE, MAIN_CACHE), "registry", False, id="as asked for"),
        pytest.param("auto", (OWN_CACHE, MAIN_CACHE), "s3", False, id="it cannot be put together"),
    ],
)
def test_several_caches_are_read_as_one(
    imports: str, read_ones: tuple[CacheRef, ...], backend: str, *, expected: bool
) -> None:
    cache = CachePlan(imports=imports, read=read_ones, backend=BACKENDS[backend])
    assert settling.must_be_one(cache) is expected


def test_where_they_cannot_be_one_the_nearest_is_read_and_the_others_are_named() -> None:
    cache = CachePlan(read=(OWN_CACHE, MAIN_CACHE), notes=("first",))
    assert settling.nearest(cache, "no").read == (OWN_CACHE,)
    assert settling.nearest(cache, "no").notes == (
        "first",
        f"{REPOSITORY}:cache-main is not read: no",
    )


def test_the_nearest_of_a_branch_with_a_cache_a_platform_is_all_of_these() -> None:
    amd64 = _to_read("cache-main--linux-amd64", "main", beside=True)
    arm64 = _to_read("cache-main--linux-arm64", "main", beside=True)
    cache = CachePlan(read=(amd64, arm64, replace(amd64, branch="develop")))
    assert settling.nearest(cache, "no").read == (amd64, arm64)


def _with_steps(*digests: str) -> CachePlan:
    """Return a plan that reads one cache, of steps upon `base`."""
    base = Record(digest="base")
    steps = tuple(Record(digest=digest, inputs=((("", 0),),)) for digest in digests)
    found = Found(digest="sha256:1", records=(Records(records=(base, *steps)),))
    return CachePlan(read=(replace(OWN_CACHE, found=found),))


COLD = CachePlan()


@pytest.mark.parametrize(
    ("plans", "calls"),
    [
        pytest.param([COLD], ((0,),), id="one image"),
        pytest.param([COLD, COLD], ((0, 1),), id="nothing to lose"),
        pytest.param([_with_steps("a"), _with_steps("b")], ((0, 1),), id="nothing in common"),
        pytest.param([_with_steps("a"), _with_steps("a", "b")], ((0,), (1,)), id="a step"),
        pytest.param(
            [_with_steps("a"), _with_steps("a", "b"), _with_steps("c")],
            ((0, 2), (1,)),
            id="as few calls as may be",
        ),
        pytest.param(
            [COLD, _with_steps("a"), _with_steps("a")], ((1,), (0, 2)), id="cold ones last"
        ),
        pytest.param(
            [replace(COLD, sources=("type=gha",)), _with_steps("a")],
            ((0,), (1,)),
            id="nobody knows what is in there",
        ),
    ],
)
def test_images_that_share_steps_are_built_one_after_the_other(
    plans: list[CachePlan], calls: tuple[tuple[int, ...], ...]
) -> None:
    assert sharing.rounds(plans) == calls
