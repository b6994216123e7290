"""Every key of a cache that inputs accept has a tag of its own, which reads back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.plans import cache_of
from warmbuild import refs
from warmbuild.inputs import parsing
from warmbuild.refs import Reference
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from warmbuild.cache.cache_plan import Place

REPOSITORY = refs.parse("ghcr.io/me/app")
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
        "image": "ghcr.io/me/app",
        "cache-tag-prefix": prefix,
        "cache-scope": key.scope,
        "cache-version": key.version,
        "platforms": key.platform,
        "cache-stages": key.stage,
        "cache-history": str(key.generation + 1),
    } | {name.replace("_", "-"): value for name, value in backend.items()}
    values = {name: value for name, value in given.items() if value}
    context = RunContext(ci="github", event="push", branch=key.branch, default_branch="main")
    plan = cache_of(parsing.parse(values, {}), context)
    assert plan.write is not None
    if key.stage:
        return plan.stages[0].ref
    return plan.history[-1].ref if key.generation else plan.write.ref


def tag(key: Key, prefix: str) -> str:
    """Return the tag of a cache; only an inline one has stages, which have no generations."""
    backend = "inline" if key.stage else "registry"
    ref = place(key, prefix, cache_backend=backend)
    assert isinstance(ref, Reference)
    assert ref.repository == "ghcr.io/me/app"
    return ref.tag


def slugs(name: str) -> st.SearchStrategy[str]:
    """Return names like another's slug."""
    return st.just(refs.slug(name, 40))


# Those that could be taken for each other are more likely than among any texts.
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
).map(lambda key: key if not key.stage else _without_generation(key))


def _without_generation(key: Key) -> Key:
    return Key(
        branch=key.branch,
        scope=key.scope,
        version=key.version,
        platform=key.platform,
        stage=key.stage,
    )


@given(key=KEYS, prefix=PREFIXES)
@example(key=Key(branch="x" * 300, scope="y" * 300, generation=8), prefix="p" * 40)
@example(key=Key(branch="日本", scope="---", version="--", platform="linux/arm64"), prefix="0-")
@example(key=Key(branch="f\udcfcr"), prefix="c")
def test_every_key_has_a_legal_tag_that_reads_back(key: Key, prefix: str) -> None:
    found = tag(key, prefix)
    assert refs.is_tag(found)
    assert len(found) <= 128
    read = refs.read_cache_tag(found, prefix=prefix)
    assert read is not None
    assert read.generation == key.generation
    has_scope = bool(key.scope or key.version or key.platform or key.stage)
    assert bool(read.scope) is has_scope
    # It is made of nothing else than what was read.
    whole = f"{read.scope}--{read.branch}" if has_scope else read.branch
    end = f"---{read.generation}" if read.generation else ""
    assert found == f"{prefix}{whole}{end}"
    # A generation, a scope and a branch change their own part alone.
    alone = refs.read_cache_tag(tag(Key(branch=key.branch), prefix), prefix=prefix)
    assert alone is not None
    if not has_scope:
        assert read.branch == alone.branch
    elsewhere = Key(
        branch="main",
        scope=key.scope,
        version=key.version,
        platform=key.platform,
        stage=key.stage,
    )
    same_scope = refs.read_cache_tag(tag(elsewhere, prefix), prefix=prefix)
    assert same_scope is not None
    assert same_scope.scope == read.scope
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
        # Not in a registry that takes no account of case either, but for a branch's own.
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
