from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.caches import FEATURE, MAIN, NOW, OWN, REPOSITORY, answered, at, keys, written
from tests.plans import cache_of
from tests.runs import PULL, PUSH
from warmbuild import refs
from warmbuild.backends import BACKENDS
from warmbuild.cache import problems, records, settling
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused, Silent, Unasked
from warmbuild.cache.records import Record, Records
from warmbuild.record.cause import Cause, Kind
from warmbuild.vendors import harbor

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.refs import Reference

DIGESTS = ("sha256:" + "1" * 64, "sha256:" + "2" * 64)
# Digits of the SHA-256 of `+build` and `+test`.
STAGE_BUILD = "build-e7ec532ede193fdd9548--feature"
STAGE_TEST = "test-0800a352c8f9e7f930ce--feature"


def settled(parsed: Callable[..., Inputs], own: Answer, main: Answer, **values: str) -> CachePlan:
    return settling.settle(cache_of(parsed(**values), PUSH), {FEATURE: own, MAIN: main}, NOW)


def unread(kind: Kind, ref: Reference, text: str) -> tuple[Cause, ...]:
    return (Cause(kind=kind, text=text, names=(str(ref),)),)


def test_the_nearest_ref_that_exists_is_read_pinned_by_digest(
    parsed: Callable[..., Inputs],
) -> None:
    found = settled(parsed, Found(DIGESTS[0]), Found(DIGESTS[1]), cache_import="first")
    assert [str(item.ref) for item in found.read] == [f"{FEATURE}@{DIGESTS[0]}"]
    assert found.notes == (f"{MAIN} is not read: cache-import is first, and a nearer ref exists",)
    assert found.unread == unread(Kind.NOT_READ, MAIN, found.notes[0])
    assert problems.texts(found.problems) == ()
    assert written(found) == "cache-feature"


def test_a_new_branch_reads_the_default_branch(parsed: Callable[..., Inputs]) -> None:
    found = settled(parsed, Missing(), Found(DIGESTS[1]))
    assert [str(item.ref) for item in found.read] == [f"{MAIN}@{DIGESTS[1]}"]
    assert found.notes == (f"{FEATURE} does not exist yet",)
    assert found.unread == unread(Kind.MISSING, FEATURE, found.notes[0])
    assert problems.texts(found.problems) == ()


def test_what_only_buildkit_may_reach_is_left_to_it(parsed: Callable[..., Inputs]) -> None:
    decided = cache_of(parsed(cache_history="2"), PUSH)
    found = settling.settle(decided, dict.fromkeys(decided.asked, Unasked()), NOW)
    assert [item.ref for item in found.read] == [item.ref for item in decided.read]
    assert written(found) == "cache-feature"
    assert found.history == ()
    assert found.notes[-1] == "cache-history has no effect: only BuildKit may reach the registry"
    assert f"{MAIN} is left to BuildKit: only it may reach the registry" in found.notes
    assert problems.texts(found.problems) == ()
    assert not settling.must_be_one(found)


def test_a_union_reads_all(parsed: Callable[..., Inputs]) -> None:
    found = settled(parsed, Found(DIGESTS[0]), Found(DIGESTS[1]), cache_import="union")
    assert [str(item.ref) for item in found.read] == [
        f"{FEATURE}@{DIGESTS[0]}",
        f"{MAIN}@{DIGESTS[1]}",
    ]


@pytest.mark.parametrize(
    ("answer", "write"),
    [
        pytest.param(
            Refused("it says 403"), "cache-feature", id="refused: an export may still succeed"
        ),
        pytest.param(Silent("it does not answer"), None, id="silent: an export would hang"),
        pytest.param(NotACache("an image is there"), None, id="an image: it must not be replaced"),
    ],
)
def test_anything_but_a_cache_is_not_read_and_is_reported(
    parsed: Callable[..., Inputs], answer: Refused | Silent | NotACache, write: str | None
) -> None:
    found = settled(parsed, answer, Missing())
    assert found.read == ()
    assert written(found) == write
    why = f"{FEATURE} is not read: {answer.reason}"
    assert problems.texts(found.problems)[0] == why
    assert found.unread[:1] == unread(Kind.UNREADABLE, FEATURE, why)
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
def test_the_ref_that_is_written_knows_its_vendor(
    parsed: Callable[..., Inputs], answer: Answer
) -> None:
    found = settled(parsed, answer, Missing())
    assert found.write
    assert found.write.vendor is harbor.VENDOR


IMAGE = "it holds an image and no cache"


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
def test_a_stage_or_generation_is_left_out_for_the_same_reasons(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    before: list[str],
    after: list[str],
    cache: str,
    answer: Silent | NotACache,
) -> None:
    decided = cache_of(parsed(cache=cache, **values), PUSH)
    assert keys((*decided.stages, *decided.history)) == before
    assert set(map(at, before)) <= set(decided.asked)
    found = answered(decided, **{before[0]: answer})
    assert keys((*found.stages, *found.history)) == after
    why = f"{at(before[0])} is not written: {answer.reason}"
    assert why in problems.texts(found.problems)
    assert why in problems.losses(found.problems)
    assert problems.write_error(found.problems) == why
    assert written(found) == "cache-feature"


def test_without_the_branchs_ref_nothing_else_is_written(parsed: Callable[..., Inputs]) -> None:
    decided = cache_of(parsed(cache_history="3"), PUSH)
    found = answered(decided, feature=NotACache(IMAGE))
    assert (found.write, found.stages, found.history) == (None, (), ())
    assert problems.write_error(found.problems) == f"{FEATURE} is not written: {IMAGE}"


def test_an_image_without_a_cache_may_be_an_inline_cache_of_no_layers(
    parsed: Callable[..., Inputs],
) -> None:
    image = NotACache(IMAGE, is_image=True)
    decided = cache_of(parsed(cache_backend="inline", cache_stages="build"), PUSH)
    found = answered(decided, **{"feature": image, STAGE_BUILD: image})
    assert found.read == ()
    assert written(found) == "cache-feature"
    assert keys(found.stages) == [STAGE_BUILD]
    assert (
        problems.texts(found.problems),
        problems.losses(found.problems),
        problems.write_error(found.problems),
    ) == ((), (), "")
    assert f"{FEATURE} is not read: its image contains no cache" in found.notes
    # Something else, such as a chart, is not written over.
    assert answered(decided, feature=NotACache("no manifest")).write is None


def test_an_explicit_or_missing_cache_is_not_settled(parsed: Callable[..., Inputs]) -> None:
    for values in ({"cache_to": "type=inline"}, {"cache": "off"}):
        decided = cache_of(parsed(**values), PUSH)
        assert decided.asked == ()
        assert settling.settle(decided, {}, NOW) == decided


def cached(made: str, *, of: str = "step", also: str = "", days: float = 0, size: int = 0) -> Found:
    """Return a cache of one step, and `also` of another, which was made this many days ago."""
    base = Record(digest="base")
    steps = tuple(
        Record(digest=name, inputs=((("", 0),),), results=frozenset({records.chain([made])}))
        for name in filter(None, (of, also))
    )
    inside = Records(records=(base, *steps), oldest=NOW - timedelta(days=days))
    return Found(DIGESTS[0], records=(inside,), size=size, config=f"config {made}")


@pytest.mark.parametrize(
    ("imports", "answers", "expected", "why_not"),
    [
        pytest.param(
            "auto",
            {
                "feature": cached("x"),
                "develop": cached("x", also="develop"),
                "main": cached("x", also="main"),
            },
            ["feature", "develop", "main"],
            {},
            id="all that agree",
        ),
        pytest.param(
            "auto",
            {"feature": cached("x"), "develop": cached("y"), "main": cached("x", also="main")},
            ["feature", "main"],
            {"develop": "feature"},
            id="a contradicting cache is left out, a farther one that agrees is read",
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
            id="a cache that agrees with the nearest may contradict the next",
        ),
        pytest.param(
            "auto",
            {"develop": cached("y"), "main": cached("x")},
            ["develop"],
            {"main": "develop"},
            id="the nearest cache found counts",
        ),
        pytest.param(
            "auto",
            {
                "feature": cached("x"),
                "main": cached("y"),
                "main---1": cached("x", also="main"),
            },
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
            id="a cache without known records contradicts nothing",
        ),
        pytest.param(
            "auto",
            {
                "feature": cached("x"),
                "main": replace(cached("x"), records=(*cached("z").records, *cached("x").records)),
            },
            ["feature"],
            {"main": "feature"},
            id="an image for several platforms contradicts if one of them does",
        ),
        pytest.param(
            "union",
            {"feature": cached("x"), "develop": cached("y"), "main": cached("z")},
            ["feature", "develop", "main"],
            {},
            id="a union reads contradicting caches too",
        ),
        pytest.param(
            "first",
            {
                "feature": cached("x"),
                "feature---1": cached("x", also="before"),
                "main": cached("x"),
            },
            ["feature", "feature---1"],
            {"main": ""},
            id="the first branch is read with its history",
        ),
        pytest.param(
            "first",
            {"feature---1": cached("x"), "main": cached("x")},
            ["feature---1"],
            {"main": ""},
            id="a branch with nothing but history counts as the first",
        ),
        pytest.param(
            "first",
            {"develop": cached("x"), "main": cached("x")},
            ["develop"],
            {"main": ""},
            id="the first cache found",
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
    decided = cache_of(parsed(cache_import=imports, cache_history="2"), PULL)
    found = answered(decided, **answers)
    assert keys(found.read) == [f"{tag}@{DIGESTS[0]}" for tag in expected]
    assert [note for note in found.notes if "is not read" in note] == [
        (
            f"{at(tag)} is not read: it has other results than "
            f"{at(nearer)}@{DIGESTS[0]} for the same steps"
            if nearer
            else f"{at(tag)} is not read: cache-import is first, and a nearer ref exists"
        )
        for tag, nearer in why_not.items()
    ]
    assert [one.kind for one in found.unread if one.kind is not Kind.MISSING] == [
        Kind.CONTRADICTS if nearer else Kind.NOT_READ for nearer in why_not.values()
    ]
    assert problems.texts(found.problems) == ()


@pytest.mark.parametrize("imports", ["auto", "first"])
@pytest.mark.parametrize(
    "farther",
    [
        pytest.param(cached("x", days=3), id="the same steps, made before"),
        pytest.param(cached("x", of="main"), id="some of its steps"),
    ],
)
def test_a_cache_that_a_nearer_one_has_whole_is_not_read(
    parsed: Callable[..., Inputs], imports: str, farther: Found
) -> None:
    decided = cache_of(parsed(cache_import=imports, cache_history="2"), PUSH)
    own = cached("x", also="main")
    found = answered(decided, **{"feature": own, "feature---1": farther})
    assert keys(found.read) == [f"feature@{DIGESTS[0]}"]
    why = f"{at('feature---1')} is not read: {FEATURE}@{DIGESTS[0]} has all of its steps"
    assert why in found.notes
    assert found.unread[:1] == unread(Kind.NOT_NEEDED, at("feature---1"), why)
    assert problems.texts(found.problems) == ()


def test_a_cache_without_known_records_is_read_all_the_same(
    parsed: Callable[..., Inputs],
) -> None:
    empty = Found(DIGESTS[0], records=(Records(records=()),))
    for unknown in (Found(DIGESTS[0]), empty):
        found = answered(cache_of(parsed(), PUSH), feature=cached("x"), main=unknown)
        assert len(found.read) == 2


OLD = "its oldest result is 8 days old, more than cache-max-age allows"
ALL_OLD = "every step runs on freshly pulled base images because every cache is too old"


@pytest.mark.parametrize(
    ("answers", "expected", "stale", "notes"),
    [
        pytest.param(
            {"feature": cached("x", days=6.9), "main": cached("x", also="main", days=1)},
            ["feature", "main"],
            False,
            [],
            id="all young enough",
        ),
        pytest.param(
            {"feature": cached("x", days=7), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} does not exist yet"],
            id="exactly as old as allowed",
        ),
        pytest.param(
            {"feature": cached("x", days=8), "main": cached("x", days=1)},
            ["main"],
            False,
            [f"{FEATURE} is not read: {OLD}"],
            id="an old cache does not keep a young one from being read",
        ),
        pytest.param(
            {"feature": cached("y", days=8), "main": cached("x", days=1)},
            ["main"],
            False,
            [f"{FEATURE} is not read: {OLD}"],
            id="an old cache contradicts nothing",
        ),
        pytest.param(
            {"feature": cached("x", days=1), "main": cached("y", days=8)},
            ["feature"],
            False,
            [f"{MAIN} is not read: {OLD}"],
            id="an old cache that contradicts is reported as too old",
        ),
        pytest.param(
            {"feature": cached("x", days=7.1), "main": cached("x", days=30)},
            [],
            True,
            [
                *(
                    f"{ref} is not read: its oldest result is {days} days old, more than "
                    "cache-max-age allows"
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
                f"{FEATURE} does not exist yet",
                f"{MAIN} is not read: {OLD}",
                ALL_OLD,
            ],
            id="a new branch of an old one",
        ),
        pytest.param(
            {"feature": Missing(), "main": Missing()},
            [],
            False,
            [f"{FEATURE} does not exist yet", f"{MAIN} does not exist yet"],
            id="no cache is not an old cache",
        ),
        pytest.param(
            {"feature": Found(DIGESTS[0]), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} does not exist yet"],
            id="unknown age",
        ),
        pytest.param(
            {"feature": cached("x", days=-1), "main": Missing()},
            ["feature"],
            False,
            [f"{MAIN} does not exist yet"],
            id="a builder's clock that is ahead",
        ),
    ],
)
def test_caches_that_are_too_old_are_not_read(
    parsed: Callable[..., Inputs],
    answers: dict[str, Answer],
    expected: list[str],
    stale: bool,  # noqa: FBT001
    notes: list[str],
) -> None:
    found = answered(cache_of(parsed(cache_max_age="7d"), PUSH), **answers)
    assert keys(found.read) == [f"{tag}@{DIGESTS[0]}" for tag in expected]
    assert found.stale is stale
    assert list(found.notes) == notes
    too_old = [one.text for one in found.unread if one.kind is Kind.TOO_OLD]
    assert too_old == [note for note in notes if "its oldest result" in note]
    assert problems.texts(found.problems) == ()
    assert written(found) == "cache-feature"


def test_without_a_limit_no_cache_is_too_old(parsed: Callable[..., Inputs]) -> None:
    found = answered(cache_of(parsed(), PUSH), feature=cached("x", days=4000))
    assert keys(found.read) == [f"feature@{DIGESTS[0]}"]
    assert found.stale is False


def test_a_cache_is_as_old_as_the_oldest_of_its_platforms(parsed: Callable[..., Inputs]) -> None:
    both = (*cached("x").records, *cached("x", days=9).records)
    found = answered(
        cache_of(parsed(cache_backend="inline", cache_max_age="7d"), PUSH),
        feature=Found(DIGESTS[0], records=both),
    )
    assert found.read == ()
    assert found.stale


def test_a_configuration_close_to_the_limit_is_warned_of(parsed: Callable[..., Inputs]) -> None:
    decided = cache_of(parsed(), PUSH)
    assert answered(decided, feature=cached("x", size=settling.LARGE)).problems == ()
    found = answered(decided, feature=cached("x", size=900_499))
    (warning,) = problems.texts(found.problems)
    assert warning == (
        f"the manifest or configuration of {FEATURE} has 900 kB, and BuildKit reads no more than "
        "1048 kB; split the cache by cache-scope, or build fewer stages in one image"
    )
    # It is still read, so nothing is lost.
    assert problems.losses(found.problems) == ()
    assert keys(found.read) == [f"feature@{DIGESTS[0]}"]


def test_a_directory_is_not_pinned_by_digest(parsed: Callable[..., Inputs]) -> None:
    decided = cache_of(parsed(cache_backend="local", cache_dir="/c"), PUSH)
    found = settling.settle(
        decided, {"/c/cache-feature": cached("x"), "/c/cache-main": Missing()}, NOW
    )
    assert [(item.ref, item.found) for item in found.read] == [("/c/cache-feature", cached("x"))]


def test_missing_generations_are_not_noted(
    parsed: Callable[..., Inputs],
) -> None:
    found = answered(cache_of(parsed(cache_history="3"), PUSH))
    assert found.notes == (f"{FEATURE} does not exist yet", f"{MAIN} does not exist yet")


def test_a_silent_registry_is_reported_once_for_each_ref(
    parsed: Callable[..., Inputs],
) -> None:
    silent = Silent("the registry ghcr.io does not answer")
    found = answered(cache_of(parsed(), PUSH), feature=silent, main=silent)
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
        pytest.param([C, B, A], UNREADABLE, {1: C, 2: B}, id="the oldest is dropped"),
        pytest.param([C, B, A], C, {}, id="nothing changed"),
        pytest.param([C, B, A], C_AGAIN, {}, id="nothing but the manifest changed"),
        pytest.param([C, B, A], B, {1: C}, id="a revert to the one before"),
        pytest.param([C, B, A], A, {1: C, 2: B}, id="a revert to the one before that"),
        pytest.param([C, C_AGAIN, B], A, {1: C}, id="a duplicate is kept once"),
        pytest.param([None, B, A], C, {}, id="a generation that could not be read is lost"),
        pytest.param([C, None, A], B, {1: C}, id="a gap is filled"),
        pytest.param([C, A, None], B, {1: C, 2: A}, id="a gap at the end"),
        pytest.param(
            [UNREADABLE, None, None], A, {1: UNREADABLE}, id="a cache without a configuration"
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
    settled = answered(cache_of(parsed(cache_history="3"), PUSH), **answers)
    assert settling.shifted(settled, written_now) == tuple(
        (at(f"feature---{number}"), found) for number, found in expected.items()
    )


def test_without_a_history_nothing_moves(parsed: Callable[..., Inputs]) -> None:
    assert settling.shifted(answered(cache_of(parsed(), PUSH), feature=A), B) == ()


def _to_read(tag: str, branch: str, *, beside: bool = False) -> CacheRef:
    ref = refs.parse(f"{REPOSITORY}:{tag}")
    return CacheRef(ref=ref, reason=OWN, branch=branch, beside=beside)


OWN_CACHE, MAIN_CACHE = _to_read("cache-feature", "feature"), _to_read("cache-main", "main")
SEEN = replace(OWN_CACHE, found=A)


@pytest.mark.parametrize(
    ("imports", "read_ones", "backend", "expected"),
    [
        pytest.param("auto", (SEEN, SEEN), "registry", True, id="several"),
        pytest.param("auto", (SEEN, SEEN), "local", True, id="several directories"),
        pytest.param("auto", (SEEN,), "registry", False, id="one cache"),
        pytest.param("union", (SEEN, SEEN), "registry", False, id="a union was asked for"),
        pytest.param("auto", (SEEN, OWN_CACHE), "registry", False, id="one that nobody asked for"),
        pytest.param(
            "auto",
            (SEEN, SEEN),
            "s3",
            False,
            id="a backend whose caches cannot be merged",
        ),
    ],
)
def test_several_caches_are_read_as_one(
    imports: str, read_ones: tuple[CacheRef, ...], backend: str, *, expected: bool
) -> None:
    cache = CachePlan(imports=imports, read=read_ones, backend=BACKENDS[backend])
    assert settling.must_be_one(cache) is expected


def test_if_caches_cannot_be_merged_only_the_nearest_is_read() -> None:
    cache = CachePlan(read=(OWN_CACHE, MAIN_CACHE), notes=("first",))
    assert settling.unmerged(cache, "no").read == (OWN_CACHE,)
    why = f"{REPOSITORY}:cache-main is not read: no"
    assert settling.unmerged(cache, "no").notes == ("first", why)
    assert settling.unmerged(cache, "no").unread == unread(Kind.NOT_READ, MAIN, why)


def test_if_inline_caches_cannot_be_merged_all_are_read() -> None:
    cache = CachePlan(read=(OWN_CACHE, MAIN_CACHE), backend=BACKENDS["inline"])
    assert settling.unmerged(cache, "no").read == (OWN_CACHE, MAIN_CACHE)
    assert settling.unmerged(cache, "no").notes == ("BuildKit may miss some cached steps: no",)


def test_a_branch_with_one_cache_per_platform_is_read_whole() -> None:
    amd64 = _to_read("cache-main--linux-amd64", "main", beside=True)
    arm64 = _to_read("cache-main--linux-arm64", "main", beside=True)
    cache = CachePlan(read=(amd64, arm64, replace(amd64, branch="develop")))
    assert settling.unmerged(cache, "no").read == (amd64, arm64)


def test_a_platform_that_cannot_be_written_does_not_stop_the_others(
    parsed: Callable[..., Inputs],
) -> None:
    decided = cache_of(
        parsed(platforms="linux/amd64,linux/arm64", append="- endpoint: tcp://b"), PUSH
    )
    first, second = decided.platforms
    answers = dict.fromkeys(decided.asked, Missing()) | {first.ref: NotACache(reason="an image")}
    found = settling.settle(decided, answers, NOW)
    assert [item.ref for item in found.platforms] == [second.ref]
    assert found.write == found.platforms[0]
    assert problems.write_error(found.problems) == f"{first.ref} is not written: an image"


LAZY = Found(DIGESTS[0], lazy=True)


@pytest.mark.parametrize(
    ("own", "main", "values", "expected"),
    [
        pytest.param(LAZY, Found(DIGESTS[1]), {"lazy": "true"}, False, id="a part is packed so"),
        pytest.param(Missing(), Found(DIGESTS[1]), {"lazy": "true"}, True, id="nothing is"),
        pytest.param(Missing(), Missing(), {"lazy": "true"}, True, id="nothing is read"),
        pytest.param(LAZY, Missing(), {}, False, id="unasked"),
    ],
)
def test_layers_are_packed_again_once(
    parsed: Callable[..., Inputs],
    own: Answer,
    main: Answer,
    values: dict[str, str],
    expected: bool,  # noqa: FBT001
) -> None:
    assert settled(parsed, own, main, **values).repacks is expected
