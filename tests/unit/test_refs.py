from __future__ import annotations

import hashlib
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.foreign import check_linear
from warmbuild import refs
from warmbuild.refs import CacheTag

DIGEST = "sha256:" + "a" * 64

NAMES = st.one_of(
    st.text(min_size=1, max_size=300),
    st.text(alphabet="ab/-_.#0", min_size=1, max_size=12),
    st.from_regex(r"[a-z]{1,3}-[0-9a-f]{8}", fullmatch=True),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("app", "docker.io/library/app", id="a short name is Docker Hub's"),
        pytest.param("me/app:1", "docker.io/me/app:1", id="a user's repository on Docker Hub"),
        pytest.param("index.docker.io/me/app", "docker.io/me/app", id="another name of Docker Hub"),
        pytest.param("GHCR.io/Me/App", "ghcr.io/me/app", id="all but the tag is lower-cased"),
        pytest.param("localhost/app", "localhost/app", id="localhost is a host"),
        pytest.param("127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t", id="a port is no tag"),
        pytest.param(f"r.io/a:t@{DIGEST}", f"r.io/a:t@{DIGEST}", id="tag and digest"),
        pytest.param("[::1]:5000/a", "[::1]:5000/a", id="an IPv6 address"),
    ],
)
def test_a_reference_is_read_and_written_out(text: str, expected: str) -> None:
    assert str(refs.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "it has no name", id="empty"),
        pytest.param("r.io/", "it has no name", id="a host alone"),
        pytest.param("a b", "'a b' is not a repository's name", id="a space"),
        pytest.param("a//b", "'a//b' is not a repository's name", id="an empty component"),
        pytest.param("me/app:a/b", "'a/b' is not a tag", id="a slash in the tag"),
        pytest.param("app:", "'' is not a tag", id="an empty tag"),
        pytest.param("app@sha256:12", "its digest is not", id="a short digest"),
        pytest.param("-x.io/app", "'-x.io' is not a host", id="a host that begins with a hyphen"),
    ],
)
def test_a_wrong_reference_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("(", r"\(")):
        refs.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry:5000", "registry:5000"),
    ],
)
def test_a_registry_may_be_given_as_an_address(text: str, expected: str) -> None:
    assert refs.host(text) == expected


def test_a_host_may_not_be_empty() -> None:
    with pytest.raises(ValueError, match="it has no host"):
        refs.host("https://")


HASH = "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("main", "cache-main"),
        ("a-0123abcd", "cache-a-0123abcd"),
        ("v1.2_x", "cache-v1.2_x"),
        ("feature-a", "cache-feature-a"),
        ("feature/a", "cache-feature-a-" + hashlib.sha256(b"feature/a").hexdigest()[:20]),
        ("a--b", "cache-a-b-" + hashlib.sha256(b"a--b").hexdigest()[:20]),
        ("x-", "cache-x-" + hashlib.sha256(b"x-").hexdigest()[:20]),
        ("日本", "cache-" + hashlib.sha256("日本".encode()).hexdigest()[:20]),
        (f"a-{HASH}", f"cache-a-{HASH}-" + hashlib.sha256(f"a-{HASH}".encode()).hexdigest()[:20]),
    ],
)
def test_a_branch_makes_a_cache_tag(branch: str, expected: str) -> None:
    assert refs.cache_tag(prefix="cache-", scope="", branch=branch) == expected


def test_a_scope_stands_before_the_branch() -> None:
    assert refs.cache_tag(prefix="cache-", scope="api", branch="main") == "cache-api--main"


def test_a_branch_cannot_be_named_like_the_slug_of_another() -> None:
    taken = refs.cache_tag(prefix="cache-", scope="", branch="feature/a")
    attempt = taken.removeprefix("cache-")
    assert refs.cache_tag(prefix="cache-", scope="", branch=attempt) != taken


SCOPES = st.one_of(st.just(""), NAMES)
GENERATIONS = st.integers(0, refs.MOST_GENERATIONS - 1)


@given(branch=NAMES, scope=SCOPES, generation=GENERATIONS)
def test_every_key_makes_a_tag_that_reads_back(branch: str, scope: str, generation: int) -> None:
    tag = refs.cache_tag(prefix="cache-", scope=scope, branch=branch, generation=generation)
    assert refs.is_tag(tag)
    assert len(tag) <= 128
    read = refs.read_cache_tag(tag, prefix="cache-")
    assert read is not None
    assert bool(read.scope) == bool(scope)
    assert read.generation == generation
    rebuilt = f"{read.scope}--{read.branch}" if scope else read.branch
    assert tag == f"cache-{rebuilt}" + (f"---{generation}" if generation else "")


@given(st.lists(st.tuples(SCOPES, NAMES, GENERATIONS), unique=True, max_size=30))
def test_no_two_keys_share_a_tag(keys: list[tuple[str, str, int]]) -> None:
    tags = {
        refs.cache_tag(prefix="c-", scope=scope, branch=branch, generation=generation)
        for scope, branch, generation in keys
    }
    assert len(tags) == len(keys)


def test_a_generation_stands_behind_the_branch() -> None:
    tag = refs.cache_tag(prefix="cache-", scope="api", branch="main", generation=2)
    assert tag == "cache-api--main---2"
    read = refs.read_cache_tag(tag, prefix="cache-")
    assert read == CacheTag(scope="api", branch="main", generation=2)


def test_a_record_stands_behind_its_cache() -> None:
    assert refs.record_tag("cache-api--main---1") == "cache-api--main---1---record"
    assert refs.record_tag("c" * 119) == "c" * 119 + "---record"
    cut = refs.record_tag("c" * 99 + "-" * 20 + "d")
    assert re.fullmatch("c{98}-[0-9a-f]{20}---record", cut)


@given(st.lists(st.tuples(SCOPES, NAMES, GENERATIONS), unique=True, max_size=30))
def test_no_record_has_the_tag_of_a_cache_or_of_another_record(
    keys: list[tuple[str, str, int]],
) -> None:
    caches = {
        refs.cache_tag(prefix="c-", scope=scope, branch=branch, generation=generation)
        for scope, branch, generation in keys
    }
    tags = {refs.record_tag(tag) for tag in caches}
    assert len(tags) == len(caches)
    assert all(map(refs.is_tag, tags))
    assert all(refs.read_cache_tag(tag, prefix="c-") is None for tag in tags)
    # Nor does a branch that is called so.
    assert tags.isdisjoint(
        refs.cache_tag(prefix="c-", scope="", branch=tag.removeprefix("c-")) for tag in tags
    )


@pytest.mark.parametrize(
    "tag", ["latest", "cache-", "cache-a--b--c", "cache--x", "cache-a---0", "cache-a---x"]
)
def test_other_tags_are_not_taken_for_ours(tag: str) -> None:
    assert refs.read_cache_tag(tag, prefix="cache-") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main", "main"),
        ("feature/x", "feature-x"),
        ("v1.0+build", "v1.0-build"),
        (".hidden", "hidden-" + hashlib.sha256(b".hidden").hexdigest()[:20]),
        ("+main", "main-" + hashlib.sha256(b"+main").hexdigest()[:20]),
        ("x" * 128, "x" * 128),
        ("x" * 129, "x" * 107 + "-" + hashlib.sha256(b"x" * 129).hexdigest()[:20]),
    ],
)
def test_an_image_tag_is_that_of_docker_metadata_action(name: str, expected: str) -> None:
    assert refs.image_tag(name) == expected


@given(NAMES)
def test_an_image_tag_is_a_tag(name: str) -> None:
    assert refs.is_tag(refs.image_tag(name))


@given(NAMES, st.sampled_from(["cache-", "c", "image-", "i", "tag-", "_"]))
def test_an_image_tag_apart_is_no_name_of_a_cache(name: str, prefix: str) -> None:
    tag = refs.image_tag(name)
    apart = refs.image_tag_apart(tag, prefix)
    assert refs.is_tag(apart)
    assert not apart.startswith(prefix)
    assert (apart == tag) is not tag.startswith(prefix)


def test_a_name_without_a_legal_character_still_makes_an_image_tag() -> None:
    assert refs.is_tag(refs.image_tag("日本"))


@given(
    st.text() | st.text("aA0.:/@-_[]% ", max_size=40) | st.from_regex(r"[a-z.:/]+@sha256:[0-9a-f]+")
)
def test_every_text_is_a_reference_or_an_error(text: str) -> None:
    for read in (refs.parse, refs.host):
        try:
            found = str(read(text))
        except ValueError as error:
            assert str(error)  # noqa: PT017
        else:
            assert str(read(found)) == found


@pytest.mark.parametrize("part", ["a", "a.", "a-", "a/", "a__", "[", "0:", "@", "sha256:"])
def test_a_long_text_is_read_in_linear_time(part: str) -> None:
    def read(text: str) -> None:
        with suppress(ValueError):
            refs.parse(f"{text}!")
        with suppress(ValueError):
            refs.parse(f"r.io/{text}!")

    check_linear(read, lambda count: part * count, 2000)


def test_the_tag_of_a_cache_mount() -> None:
    name = "0123456789abcdef0123"
    tag = refs.mount_tag("cache-api--main", name)
    assert tag == f"cache-api--main---mount-{name}"
    assert refs.is_mount_tag(tag, "cache-api--main")
    assert not refs.is_mount_tag(tag, "cache-api")
    assert not refs.is_mount_tag("cache-api--main", "cache-api--main")
    long = f"cache-{'a' * 120}"
    cut = refs.mount_tag(long, name)
    assert refs.is_tag(cut)
    assert refs.is_mount_tag(cut, long)
    assert not refs.is_mount_tag(cut, long[:-1])
    assert refs.read_cache_tag(tag, prefix="cache-") is None
    assert cut != refs.mount_tag(long[:-1], name)
