"""Names of caches: every key that inputs accept has a tag of its own, which reads back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.caches import BACKEND_INPUTS, DEFAULT, OWN, REPOSITORY, read, written
from tests.plans import cache_of
from tests.runs import PUSH
from warmbuild import refs
from warmbuild.inputs import parsing
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.cache.cache_plan import Place
    from warmbuild.inputs.values import Inputs

AMD64, ARM64 = "linux-amd64-2cc5a1d177b1915e6022", "linux-arm64-69b36453fd86d1ebe073"
SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What tells one cache of a repository from another."""

    branch: str = "main"
    scope: str = ""
    version: str = ""
    platform: str = ""
    stage: str = ""
    generation: int = 0


def place(key: Key, prefix: str, **backend: str) -> Place:
    """Return where a run keeps its cache that has this key."""
    given = {
        "image": REPOSITORY,
        "cache-tag-prefix": prefix,
        "cache-scope": key.scope,
        "cache-version": key.version,
        "platforms": key.platform,
        "cache-stages": key.stage,
        "cache-history": str(key.generation + 1),
    } | {name.replace("_", "-"): value for name, value in backend.items()}
    values = {name: value for name, value in given.items() if value}
    plan = cache_of(parsing.parse(values, {}), replace(PUSH, branch=key.branch))
    assert plan.write is not None
    if key.stage:
        return plan.stages[0].ref
    return plan.history[-1].ref if key.generation else plan.write.ref


def tag(key: Key, prefix: str) -> str:
    """Return the tag of a cache; only an inline one has stages, which have no generations."""
    backend = "inline" if key.stage else "registry"
    ref = place(key, prefix, cache_backend=backend)
    assert isinstance(ref, Reference)
    assert ref.repository == REPOSITORY
    return ref.tag


def slugs(name: str) -> st.SearchStrategy[str]:
    """Return names like another's slug."""
    return st.just(refs.slug(name, 40))


# Keys that look alike are more likely here than among texts of any kind.
BRANCHES = st.one_of(
    st.text(min_size=1, max_size=300),
    st.text(alphabet="ab/-_.#@+=0", min_size=1, max_size=12),
    st.from_regex(r"[a-z]{1,3}-[0-9a-f]{8}", fullmatch=True),
    st.text(alphabet="ab/-", min_size=1, max_size=6).flatmap(slugs),
)
PARTS = st.one_of(
    st.just(""),
    st.text(alphabet=f"{SIGNS}._/-", min_size=1, max_size=200),
    st.text(alphabet="ab-/.", min_size=1, max_size=6),
)
PLATFORMS = st.one_of(
    st.just(""), st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6"])
)
ANY_PLATFORM = st.from_regex(r"[a-z0-9_]{1,9}/[a-z0-9_]{1,9}(/[a-z0-9_.]{1,9})?", fullmatch=True)
STAGES = st.one_of(
    st.just(""), st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}", fullmatch=True), st.just("a")
)
PREFIXES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}", fullmatch=True)
KEYS = st.builds(
    Key,
    branch=BRANCHES,
    scope=PARTS,
    version=PARTS,
    platform=st.one_of(PLATFORMS, ANY_PLATFORM),
    stage=STAGES,
    generation=st.integers(0, refs.MOST_GENERATIONS - 1),
).map(lambda key: replace(key, generation=0) if key.stage else key)


@given(key=KEYS, prefix=PREFIXES)
@example(key=Key(branch="x" * 300, scope="y" * 300, generation=8), prefix="p" * 40)
@example(key=Key(branch="日本", scope="---", version="--", platform="linux/arm64"), prefix="0-")
@example(key=Key(branch="f\udcfcr"), prefix="c")
def test_every_key_has_a_legal_tag_that_reads_back(key: Key, prefix: str) -> None:
    found = tag(key, prefix)
    assert refs.is_tag(found)
    assert len(found) <= 128
    parts = refs.read_cache_tag(found, prefix=prefix)
    assert parts is not None
    assert parts.generation == key.generation
    has_scope = bool(key.scope or key.version or key.platform or key.stage)
    assert bool(parts.scope) is has_scope
    # The tag has no other parts than those that were read.
    whole = f"{parts.scope}--{parts.branch}" if has_scope else parts.branch
    end = f"---{parts.generation}" if parts.generation else ""
    assert found == f"{prefix}{whole}{end}"
    # Generation, scope and branch each change their own part alone.
    alone = refs.read_cache_tag(tag(Key(branch=key.branch), prefix), prefix=prefix)
    assert alone is not None
    if not has_scope:
        assert parts.branch == alone.branch
    elsewhere = replace(key, branch="main", generation=0)
    same_scope = refs.read_cache_tag(tag(elsewhere, prefix), prefix=prefix)
    assert same_scope is not None
    assert same_scope.scope == parts.scope
    assert same_scope.branch == "main"


@given(keys=st.lists(KEYS, min_size=2, max_size=8, unique=True), prefix=PREFIXES)
def test_no_two_keys_share_a_tag(keys: list[Key], prefix: str) -> None:
    tags = {tag(key, prefix) for key in keys}
    assert len(tags) == len(keys)


TWINS = [
    Key(scope="a", version="b"),
    Key(scope="a-b"),
    Key(scope="a", stage="b"),
    Key(version="b", stage="a"),
    Key(scope="a", platform="linux/amd64"),
    Key(scope="a-linux-amd64"),
    Key(scope="a/linux/amd64"),
    Key(platform="linux/amd64"),
    Key(scope="linux/amd64"),
    Key(version="linux/amd64"),
    Key(branch="a--b"),
    Key(branch="b", scope="a"),
    Key(branch="b", version="a"),
    Key(branch="b", stage="a"),
    Key(branch="main---1"),
    Key(generation=1),
    Key(branch="main", scope="main"),
    Key(branch="main--main"),
    Key(branch="feature/a"),
    Key(branch="feature-a"),
    Key(branch="Feature-a"),
    Key(branch=refs.slug("feature/a", 80)),
]


def test_keys_that_look_alike_have_tags_of_their_own() -> None:
    for one, other in combinations(TWINS, 2):
        assert tag(one, "cache-") != tag(other, "cache-"), (one, other)
        # A registry may ignore case; only branches that differ by case alone then share a tag.
        if {one.branch, other.branch} != {"feature-a", "Feature-a"}:
            assert tag(one, "cache-").lower() != tag(other, "cache-").lower(), (one, other)


@given(key=KEYS)
def test_every_backend_keeps_a_key_under_the_same_name(key: Key) -> None:
    assume(not key.stage and not key.generation)
    name = tag(key, "cache-")
    assert place(key, "", cache_backend="gha") == name
    s3 = place(key, "", cache_backend="s3", cache_options="bucket=b,region=r")
    azblob = place(key, "", cache_backend="azblob", cache_options="account_url=https://a")
    local = place(key, "", cache_backend="local", cache_dir="/c/")
    assert (s3, azblob, local) == (name, name, f"/c/{name}")


@given(part=PARTS.filter(bool), platforms=st.lists(ANY_PLATFORM, min_size=1, max_size=3))
def test_inputs_accept_every_legal_part_of_a_key(part: str, platforms: list[str]) -> None:
    parsed = parsing.parse(
        {
            "image": "app",
            "cache-scope": part,
            "cache-version": part,
            "platforms": ",".join(platforms),
        },
        {},
    )
    assert (parsed.cache_scope, parsed.cache_version) == (part, part)
    assert parsed.platforms == tuple(platforms)


ARM64 = "linux-arm64-69b36453fd86d1ebe073"


@pytest.mark.parametrize(
    ("values", "tag"),
    [
        ({"cache_scope": "api"}, "cache-api--feature"),
        ({"platforms": "linux/arm64"}, "cache-linux-arm64-69b36453fd86d1ebe073--feature"),
        (
            {"platforms": "linux/arm64,linux/arm64"},
            "cache-linux-arm64-69b36453fd86d1ebe073--feature",
        ),
        ({"platforms": "linux/arm64,linux/amd64"}, "cache-feature"),
        ({"cache_version": "2"}, "cache-2-f09e4ded9af0cfdbe585--feature"),
        ({"cache_tag_prefix": "bc."}, "bc.feature"),
    ],
)
def test_scope_version_single_platform_and_prefix_are_parts_of_the_tag(
    parsed: Callable[..., Inputs], values: dict[str, str], tag: str
) -> None:
    found = cache_of(parsed(**values), PUSH)
    assert written(found) == tag
    assert read(found)[0][0] == tag


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
                ("cache-feature---1", f"{OWN}, older generation 1"),
                ("cache-feature---2", f"{OWN}, older generation 2"),
                ("cache-main", DEFAULT),
                ("cache-main---1", f"{DEFAULT}, older generation 1"),
                ("cache-main---2", f"{DEFAULT}, older generation 2"),
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
                ("cache-linux-arm64-build-00db474ed0f6e0e9ab8e--feature", f"{OWN}, stage build"),
                (f"cache-{ARM64}--feature---1", f"{OWN}, older generation 1"),
                ("cache-feature", f"{OWN}, all platforms"),
                (f"cache-{ARM64}--main", DEFAULT),
                ("cache-linux-arm64-build-00db474ed0f6e0e9ab8e--main", f"{DEFAULT}, stage build"),
                (f"cache-{ARM64}--main---1", f"{DEFAULT}, older generation 1"),
                ("cache-main", f"{DEFAULT}, all platforms"),
            ],
            id="stages, history and platforms stand beside each branch's own",
        ),
    ],
)
def test_refs_that_are_read_of_a_branch(
    parsed: Callable[..., Inputs], values: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    found = cache_of(parsed(**values), PUSH)
    assert read(found) == expected
    # A note says if the branch's own ref is missing; refs beside it may be missing without one.
    assert [(item.branch, item.beside) for item in found.read] == [
        ("feature" if "feature" in tag else "main", reason not in {OWN, DEFAULT})
        for tag, reason in expected
    ]
    assert written(found) == expected[0][0]
    assert found.write is not None
    assert found.write.reason == OWN


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
    inputs = parsed(cache_backend=backend, **BACKEND_INPUTS[backend])
    found = cache_of(inputs, PUSH)
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
    found = cache_of(parsed(cache_backend="local", cache_dir=given, image="", push="false"), PUSH)
    assert found.write is not None
    assert str(found.write.ref).startswith(expected)
