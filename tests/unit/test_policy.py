from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from warmbuild import plan, policy, refs
from warmbuild.context import RunContext
from warmbuild.probe import Answer, Found, Missing, NotACache, Refused, Silent
from warmbuild.vendors import harbor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.inputs import Inputs

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


def decide(inputs: Inputs, context: RunContext) -> policy.CachePlan:
    return policy.decide(inputs, context, plan.repository(inputs))


def read(found: policy.CachePlan) -> list[tuple[str, str]]:
    return [(str(item.ref).removeprefix(f"{REPOSITORY}:"), item.reason) for item in found.read]


def written(found: policy.CachePlan) -> str | None:
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
    assert found == policy.CachePlan(
        notes=("no cache: there is neither an image nor a cache-repository",)
    )


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
    assert found.warnings == ()


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
    assert found.warnings == tuple(
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
    assert policy.attributes(entry) == expected


MAIN = refs.parse(f"{REPOSITORY}:cache-main")
FEATURE = refs.parse(f"{REPOSITORY}:cache-feature")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGESTS = ("sha256:" + "1" * 64, "sha256:" + "2" * 64)


def settled(
    parsed: Callable[..., Inputs], own: Answer, main: Answer, **values: str
) -> policy.CachePlan:
    return policy.settle(decide(parsed(**values), PUSH), {FEATURE: own, MAIN: main}, NOW)


def test_the_nearest_ref_that_exists_is_read_pinned_by_digest(
    parsed: Callable[..., Inputs],
) -> None:
    found = settled(parsed, Found(DIGESTS[0]), Found(DIGESTS[1]), cache_import="first")
    assert [str(item.ref) for item in found.read] == [f"{FEATURE}@{DIGESTS[0]}"]
    assert found.notes == (f"{MAIN} is not read: a nearer ref is there",)
    assert found.warnings == ()
    assert written(found) == "cache-feature"


def test_a_new_branch_reads_the_default_branch(parsed: Callable[..., Inputs]) -> None:
    found = settled(parsed, Missing(), Found(DIGESTS[1]))
    assert [str(item.ref) for item in found.read] == [f"{MAIN}@{DIGESTS[1]}"]
    assert found.notes == (f"{FEATURE} is not there yet",)
    assert found.warnings == ()


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
    assert found.warnings[0] == f"{FEATURE} is not read: {answer.reason}"
    assert (f"{FEATURE} is not written: {answer.reason}" in found.warnings) == (write is None)


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


def at(tag: str) -> refs.Reference:
    return refs.parse(f"{REPOSITORY}:{tag}")


def answered(plan: policy.CachePlan, **answers: Answer) -> policy.CachePlan:
    """Settle a plan where these are there, by what follows the prefix, and else nothing."""
    there: dict[policy.Place, Answer] = {
        at(f"cache-{tag}"): answer for tag, answer in answers.items()
    }
    assert set(there) <= set(plan.asked)
    return policy.settle(plan, {place: there.get(place, Missing()) for place in plan.asked}, NOW)


def tags(items: Sequence[policy.CacheRef]) -> list[str]:
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
    assert why in found.warnings
    assert why in found.lost
    assert found.write_error == why
    assert written(found) == "cache-feature"


def test_nothing_is_written_beside_a_ref_that_is_not(parsed: Callable[..., Inputs]) -> None:
    decided = decide(parsed(cache_history="3"), PUSH)
    found = answered(decided, feature=NotACache(IMAGE))
    assert (found.write, found.stages, found.history) == (None, (), ())
    assert found.write_error == f"{FEATURE} is not written: {IMAGE}"


def test_an_image_without_a_cache_is_what_inline_writes_where_no_step_makes_a_layer(
    parsed: Callable[..., Inputs],
) -> None:
    image = NotACache(IMAGE, is_image=True)
    decided = decide(parsed(cache_backend="inline", cache_stages="build"), PUSH)
    found = answered(decided, **{"feature": image, STAGE_BUILD: image})
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert tags(found.stages) == [STAGE_BUILD]
    assert (found.warnings, found.lost, found.write_error) == ((), (), "")
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
    decided = decide(parsed(cache_backend="gha", cache_options=options), PUSH)
    found = policy.settle(policy.with_variables(decided, known), {}, NOW)
    warning = (
        f"no cache is read or written: the backend gha needs {missing}, "
        "which GitHub Actions sets for actions, and not for `run` steps"
    )
    if missing:
        assert (found.read, found.write) == ((), None)
        assert found.warnings == found.lost == (warning,)
        assert found.write_error == warning
        assert found.notes == ()
    else:
        assert [item.ref for item in found.read] == ["cache-feature", "cache-main"]
        assert found.write is not None
        assert found.warnings == ()
        assert found.notes == ("the backend gha is not asked what it has, so all is read",)


def test_what_is_not_wanted_needs_no_variables(parsed: Callable[..., Inputs]) -> None:
    off = decide(parsed(cache_backend="gha", cache="off"), PUSH)
    assert policy.with_variables(off, set()) == off
    reads = decide(parsed(cache_backend="gha", cache="read-only"), PUSH)
    assert policy.with_variables(reads, set()).write_error == ""
    assert policy.with_variables(reads, set()).lost
    writes = decide(parsed(cache_backend="gha", cache="write-only"), PUSH)
    assert policy.settle(writes, {}, NOW).notes == ("no cache is read: cache is write-only",)


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
    found = policy.with_variables(decide(inputs, PUSH), known)
    assert found.secrets == expected
    assert found.write is not None
