from __future__ import annotations

import json
from dataclasses import replace

import pytest

from warmbuild import refs
from warmbuild.backends import BACKENDS
from warmbuild.cache import kept_mounts
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.kept_mounts import Carriage, Kept, Seen
from warmbuild.project.cache_mount import CacheMount

PLACE = refs.parse("r.io/me/app:cache-main---mount-abc")
DIGEST = f"sha256:{'ab' * 32}"
MB = 1000**2
KEPT = Kept(place=replace(PLACE, digest=DIGEST), digest=DIGEST, archives=1, size=MB, stored=MB)
SEEN = Seen(size=100 * MB, new=MB, is_changed=True, is_marked=True)
MOUNT = CacheMount(identity="npm")
CACHE_REF = CacheRef(ref=refs.parse("r.io/me/app:cache-main"), reason="it is there")


def manifest(mark: object = "1000000", layers: object = ({"size": 600_000},)) -> bytes:
    found = {"annotations": {kept_mounts.MARK: mark}, "layers": layers}
    return json.dumps(found).encode()


def test_a_mount_is_kept_beside_its_cache() -> None:
    ref = refs.parse(f"r.io/me/app:cache-main@{DIGEST}")
    assert str(kept_mounts.place(ref, "abc")) == "r.io/me/app:cache-main---mount-abc"
    assert kept_mounts.place("/caches/cache-main", "abc") == "/caches/cache-main---mount-abc"
    assert kept_mounts.place("cache-main", "abc") == "./cache-main---mount-abc"


def test_what_is_kept_is_read() -> None:
    layers = [{"size": 600_000}, {"size": 400_000}]
    found = kept_mounts.read(PLACE, manifest(layers=layers), DIGEST)
    assert found == replace(KEPT, archives=2)
    assert kept_mounts.read("/a/b", manifest(), DIGEST).place == "/a/b"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="another image"),
        pytest.param(manifest(mark="much"), id="a word for a size"),
        pytest.param(manifest(mark="-1"), id="less than nothing"),
        pytest.param(manifest(mark="9" * 400), id="an absurd size"),
        pytest.param(manifest(mark=5), id="a number that is no text"),
        pytest.param(manifest(layers=[]), id="no archive"),
        pytest.param(manifest(layers=[{}] * 9), id="nine archives"),
        pytest.param(manifest(layers="no"), id="a text for layers"),
    ],
)
def test_anything_else_is_no_mount(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no JSON|no cache mount|Expecting value"):
        kept_mounts.read(PLACE, content, DIGEST)


def test_the_first_obstacle_is_the_reason() -> None:
    cache = CachePlan(read=(CACHE_REF,), mounts=("auto",))

    def why(of: CachePlan, *, is_fresh: bool = True, no_cache: bool = False) -> str:
        return kept_mounts.obstacle(of, is_fresh=is_fresh, no_cache=no_cache)

    assert why(cache) == ""
    assert why(replace(cache, backend=BACKENDS["local"])) == ""
    assert why(replace(cache, read=())) == "no cache is read or written"
    for name in ("inline", "gha", "s3", "azblob"):
        assert why(replace(cache, backend=BACKENDS[name])) == f"the backend {name} keeps none"
    other = "the builder is not one daemon of this run alone"
    assert why(cache, is_fresh=False, no_cache=True) == other
    assert why(cache, no_cache=True) == "no-cache is on"


def test_which_mounts_are_kept() -> None:
    assert kept_mounts.not_kept(MOUNT, ("auto",)) == ""
    assert kept_mounts.not_kept(MOUNT, ("pip", "npm")) == ""
    assert kept_mounts.not_kept(MOUNT, ("pip",)) == "cache-mounts does not name it"
    odd = CacheMount(identity="a b")
    assert kept_mounts.not_kept(odd, ("auto",)) == "its ID, owner or mode cannot be passed on"


def test_an_id_that_no_step_has() -> None:
    assert list(kept_mounts.unknown(("auto",), ())) == []
    assert list(kept_mounts.unknown(("npm", "pipp"), ("npm", "pip"))) == [
        "cache-mounts: no step has a cache mount 'pipp'; there is npm, pip"
    ]
    assert list(kept_mounts.unknown(("a",), ())) == ["cache-mounts: no step has a cache mount 'a'"]


def test_what_is_not_saved() -> None:
    assert kept_mounts.unsaved(SEEN, 100 * MB) == ""
    same = replace(SEEN, is_changed=False)
    assert kept_mounts.unsaved(same, MB) == "its content has not changed"
    assert kept_mounts.unsaved(replace(same, size=0), MB) == "it is empty"
    too_large = "it has 100 MB, more than the 99 MB of cache-mounts-limit"
    assert kept_mounts.unsaved(SEEN, 99 * MB) == too_large


@pytest.mark.parametrize(
    ("kept", "seen", "is_added_to"),
    [
        pytest.param(KEPT, SEEN, True, id="one more archive"),
        pytest.param(None, SEEN, False, id="nothing was restored"),
        pytest.param(KEPT, replace(SEEN, is_marked=False), False, id="the notes are gone"),
        pytest.param(replace(KEPT, archives=7), SEEN, True, id="the eighth archive"),
        pytest.param(replace(KEPT, archives=8), SEEN, False, id="enough archives"),
        pytest.param(replace(KEPT, stored=209 * MB), SEEN, True, id="nearly twice the content"),
        pytest.param(replace(KEPT, stored=210 * MB), SEEN, False, id="more than that"),
        pytest.param(
            replace(KEPT, stored=9 * MB), replace(SEEN, size=0, new=0), True, id="little at all"
        ),
    ],
)
def test_when_changes_are_added(kept: Kept | None, seen: Seen, *, is_added_to: bool) -> None:
    assert kept_mounts.base(kept, seen) == (kept if is_added_to else None)


def test_what_a_look_says() -> None:
    said = {"a": "100 10 1 0", "b": "100 10 1", "c": "x 10 1 0"}
    assert kept_mounts.seen(said, "a") == Seen(size=100, new=10, is_changed=True, is_marked=False)
    assert [kept_mounts.seen(said, name) for name in "bcd"] == [None] * 3


@pytest.mark.parametrize(
    ("carriage", "expected"),
    [
        (Carriage(mount=MOUNT, restored=98 * MB, saved=2000), "npm: 98 MB restored, 2 kB saved"),
        (Carriage(mount=MOUNT, saved=2000), "npm: 2 kB saved"),
        (Carriage(mount=MOUNT, unrestored="it is lost"), "npm: not restored: it is lost"),
        (
            Carriage(mount=MOUNT, restored=MB, unsaved="it is empty"),
            "npm: 1 MB restored, not saved: it is empty",
        ),
    ],
)
def test_what_became_of_a_mount(carriage: Carriage, expected: str) -> None:
    assert kept_mounts.text(carriage) == expected


CONFIG = f"sha256:{'cd' * 32}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{{"config": {{"digest": "{CONFIG}"}}}}', CONFIG),
        ("{}", ""),
        ('{"config": {"digest": "sha256:1"}}', ""),
        (f'{{"config": {{"digest": "{CONFIG}"}}, "Config": {{}}}}', ""),
        (f'{{"config": {{"digest": "{CONFIG}"}}, "c\\u006fnfig": {{}}}}', ""),
        (f'{{"config": {{"digest": "{CONFIG}"}}, "manifests": []}}', ""),
    ],
)
def test_which_configuration_is_meant(text: str, expected: str) -> None:
    assert kept_mounts.config(text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"config": {}}', False),
        ('{"config": {"OnBuild": ["RUN x"]}}', True),
        ('{"config": {"ONBUILD": []}}', True),
        ('{"config": {"\\u004fnBuild": ["RUN x"]}}', True),
    ],
)
def test_what_runs_where_an_image_is_a_base(text: str, *, expected: bool) -> None:
    assert kept_mounts.has_triggers(text.encode()) is expected
