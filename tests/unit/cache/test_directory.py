from __future__ import annotations

import errno
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild import refs
from warmbuild.cache import directory, probe, records
from warmbuild.cache.probe import Found, Missing, NotACache, Refused
from warmbuild.cache.records import Record, Records

if TYPE_CHECKING:
    from collections.abc import Callable

OCI = "application/vnd.oci.image.manifest.v1+json"
NO_CACHE = NotACache("the directory holds no cache; remove it, or choose another cache-dir")
PREFIX = "cache-"


def config(size: int = 0) -> bytes:
    return json.dumps({"records": [{"digest": "sha256:r"}], "padding": "x" * size}).encode()


def make(place: Path, *, of: str = "", size: int = 0) -> Path:
    """Write a cache as BuildKit does; `of` is what it differs by from others."""
    written = config(size)
    described = {"mediaType": records.CONFIG_TYPE, "digest": "sha256:c", "size": len(written)}
    blobs = place / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / "c").write_bytes(written)
    (blobs / "m").write_text(json.dumps({"config": described, "of": of}))
    index = {"manifests": [{"digest": "sha256:m", "mediaType": OCI}]}
    (place / "index.json").write_text(json.dumps(index))
    return place


def there(place: Path) -> str:
    """Return what a cache differs by from others."""
    return str(json.loads((place / "blobs" / "sha256" / "m").read_bytes())["of"])


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_cache_is_found(tmp_path: Path) -> None:
    answer = directory.answer(str(make(tmp_path / "cache-main")))
    assert isinstance(answer, Found)
    assert answer.records == (Records(records=(Record(digest="sha256:r"),)),)
    assert (answer.digest, answer.media_type, answer.config) == ("sha256:m", OCI, "sha256:c")


def test_nothing_is_there_before_the_first_build(tmp_path: Path) -> None:
    assert directory.answer(str(tmp_path / "cache-main")) == Missing()
    (tmp_path / "cache-main").mkdir()
    assert directory.answer(str(tmp_path / "cache-main")) == Missing()


@pytest.mark.parametrize(
    "index",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half of it"),
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="no manifest"),
        pytest.param('{"manifests": [{}, {}]}', id="several manifests"),
        pytest.param("[" * 100_000, id="nested without end"),
    ],
)
def test_what_is_no_cache_is_said(index: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(index)
    assert directory.answer(str(tmp_path)) == NO_CACHE


def test_a_file_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache-main").write_text("x")
    assert directory.answer(str(tmp_path / "cache-main")) == NO_CACHE


@pytest.mark.parametrize(
    "digest", ["sha256:gone", "", "sha256:", "no digest", "sha256:\0", "sha256:../../index.json/x"]
)
def test_a_cache_whose_manifest_is_not_there_is_none_yet(digest: str, tmp_path: Path) -> None:
    make(tmp_path / "cache-main")
    index = {"manifests": [{"digest": digest}]}
    (tmp_path / "cache-main" / "index.json").write_text(json.dumps(index))
    assert directory.answer(str(tmp_path / "cache-main")) == Missing()


def test_a_cache_whose_configuration_is_not_there_is_refused(tmp_path: Path) -> None:
    place = make(tmp_path / "cache-main")
    (place / "blobs" / "sha256" / "c").unlink()
    assert directory.answer(str(place)) == Refused("its configuration could not be fetched")


def test_what_is_written_stands_beside_its_place() -> None:
    one, other = (Path(directory.beside("/c/cache-main")) for _ in range(2))
    assert one.parent == Path("/c")
    assert re.fullmatch(r"\.cache-main\.[0-9a-f]{8}", one.name)
    assert one != other


def test_a_new_cache_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    place = make(tmp_path / "cache-main", of="old")
    new = make(Path(directory.beside(str(place))), of="new")
    assert directory.swap(str(new), str(place), prefix=PREFIX, keep=[]) == ""
    assert there(place) == "new"
    assert names(tmp_path) == ["cache-main"]


def test_the_first_cache_takes_its_place(tmp_path: Path) -> None:
    new = make(tmp_path / ".cache-main.01234567", of="new")
    assert directory.swap(str(new), str(tmp_path / "cache-main"), prefix=PREFIX, keep=[]) == ""
    assert names(tmp_path) == ["cache-main"]


def test_caches_of_other_branches_go_but_for_those_that_were_read(tmp_path: Path) -> None:
    for name in ("main", "old", "api--main", "feature"):
        make(tmp_path / f"cache-{name}")
    new = make(tmp_path / ".cache-feature.01234567")
    keep = [str(tmp_path / "cache-main")]
    directory.swap(str(new), str(tmp_path / "cache-feature"), prefix=PREFIX, keep=keep)
    # Another scope's may be another job's.
    assert names(tmp_path) == ["cache-api--main", "cache-feature", "cache-main"]


def test_a_record_stays_as_long_as_its_cache(tmp_path: Path) -> None:
    long = f"cache-{'x' * 118}"
    for name in ("cache-main", "cache-old", "cache-api--main", "cache-feature", long):
        make(tmp_path / name)
        (tmp_path / refs.record_tag(name)).write_bytes(b"a record")
    new = make(tmp_path / ".cache-feature.01234567")
    keep = [str(tmp_path / "cache-main")]
    directory.swap(str(new), str(tmp_path / "cache-feature"), prefix=PREFIX, keep=keep)
    kept = ["cache-api--main", "cache-feature", "cache-main"]
    assert names(tmp_path) == sorted([*kept, *map(refs.record_tag, kept)])


def test_a_scopes_cache_leaves_those_of_none(tmp_path: Path) -> None:
    for name in ("main", "api--main", "api--old"):
        make(tmp_path / f"cache-{name}")
    new = make(tmp_path / ".cache-api--main.01234567")
    directory.swap(str(new), str(tmp_path / "cache-api--main"), prefix=PREFIX, keep=[])
    assert names(tmp_path) == ["cache-api--main", "cache-main"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in ("cache-photos", "other", ".cache-old", ".config", ".other.01234567"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "cache-notes").write_text("x")
    new = make(tmp_path / ".cache-main.01234567")
    before = names(tmp_path)
    directory.swap(str(new), str(tmp_path / "cache-main"), prefix=PREFIX, keep=[])
    assert names(tmp_path) == sorted({*before, "cache-main"} - {new.name})


def test_what_a_killed_export_left_goes_after_an_hour(tmp_path: Path) -> None:
    for name, minutes in (("main.aaaaaaaa", 61), ("api--x.bbbbbbbb", 61), ("main.cccccccc", 59)):
        path = tmp_path / f".cache-{name}"
        path.mkdir()
        then = time.time() - 60 * minutes
        os.utime(path, (then, then))
    new = make(tmp_path / ".cache-main.01234567")
    directory.swap(str(new), str(tmp_path / "cache-main"), prefix=PREFIX, keep=[])
    assert names(tmp_path) == [".cache-main.cccccccc", "cache-main"]


def empty(place: Path) -> None:
    """Leave what buildx leaves of a build that failed: it makes the directory first."""
    (place / "ingest").mkdir(parents=True)


def without_index(place: Path) -> None:
    make(place)
    (place / "index.json").unlink()


def without_configuration(place: Path) -> None:
    make(place)
    (place / "blobs" / "sha256" / "c").unlink()


def too_large(place: Path) -> None:
    make(place, size=probe.LARGEST)


TOO_LARGE = (
    f"its configuration has {len(config(probe.LARGEST))} bytes, and BuildKit reads no more than "
    "1048576"
)


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        pytest.param(empty, "", id="nothing in it"),
        pytest.param(without_index, "", id="blobs alone"),
        pytest.param(
            without_configuration, "its configuration could not be fetched", id="no configuration"
        ),
        pytest.param(too_large, TOO_LARGE, id="more than BuildKit reads"),
        pytest.param(lambda _place: None, "", id="no directory"),
    ],
)
def test_what_is_not_whole_never_takes_the_place_of_a_cache(
    leave: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    place = make(tmp_path / "cache-main", of="old")
    make(tmp_path / "cache-other")
    leave(tmp_path / ".cache-main.01234567")
    why = directory.swap(str(tmp_path / ".cache-main.01234567"), str(place), prefix=PREFIX, keep=[])
    assert why == expected
    assert there(place) == "old"
    assert names(tmp_path) == ["cache-main", "cache-other"]


def failing(monkeypatch: pytest.MonkeyPatch, fail: Callable[[Path, Path], None]) -> None:
    """Have something happen before a directory is renamed."""
    rename = Path.rename

    def meanwhile(self: Path, target: Path) -> Path:
        fail(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meanwhile)


def test_two_jobs_may_write_one_cache_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(tmp_path / "cache-main", of="old")
    new = make(tmp_path / ".cache-main.01234567", of="ours")
    others = iter(["theirs"])

    def they_are_faster(path: Path, _target: Path) -> None:
        if path == new:
            for of in others:
                make(place, of=of)

    failing(monkeypatch, they_are_faster)
    assert directory.swap(str(new), str(place), prefix=PREFIX, keep=[]) == ""
    assert there(place) == "ours"
    assert names(tmp_path) == ["cache-main"]


@pytest.mark.parametrize("moved", ["cache-main", ".cache-main.01234567"])
def test_a_directory_that_cannot_be_changed_is_said(
    moved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(tmp_path / "cache-main", of="old")
    new = make(tmp_path / ".cache-main.01234567")

    def forbid(path: Path, _target: Path) -> None:
        if path == tmp_path / moved:
            raise PermissionError(errno.EACCES, "Permission denied")

    failing(monkeypatch, forbid)
    why = directory.swap(str(new), str(place), prefix=PREFIX, keep=[])
    assert why == f"{place} cannot be replaced: Permission denied"
    assert there(place) == "old"
    assert names(tmp_path) == ["cache-main"]


def test_another_job_may_clean_up_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = make(tmp_path / ".cache-main.01234567")
    gone = tmp_path / ".cache-main.aaaaaaaa"
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: [*iterdir(self), gone])
    assert directory.swap(str(new), str(tmp_path / "cache-main"), prefix=PREFIX, keep=[]) == ""
