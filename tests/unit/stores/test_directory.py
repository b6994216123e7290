from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.unit.stores.spots import spot
from warmbuild.errors import RegistryError
from warmbuild.stores import directory
from warmbuild.stores.spot import MOST_PACKED

if TYPE_CHECKING:
    from pathlib import Path


def test_a_record_is_beside_the_directory_of_its_cache(tmp_path: Path) -> None:
    of = spot(place=f"{tmp_path}/cache-main")
    assert directory.read(of) is None
    for content in (b"a record", b"\x00\xff"):
        directory.write(of, content)
        assert directory.read(of) == content
    assert [path.name for path in tmp_path.iterdir()] == ["cache-main---record"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x")
    (tmp_path / "cache-main---record").symlink_to(other)
    directory.write(spot(place=f"{tmp_path}/cache-main"), b"a record")
    assert other.read_bytes() == b"x"
    assert stat.S_ISREG((tmp_path / "cache-main---record").lstat().st_mode)


def test_what_is_no_file_is_said_and_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "cache-main---record"
    os.mkfifo(path)
    of = spot(place=f"{tmp_path}/cache-main")
    with pytest.raises(RegistryError, match=r"cache-main---record: it is not a regular file$"):
        directory.read(of)
    with pytest.raises(RegistryError, match=r"cache-main---record: it is not a regular file$"):
        directory.write(of, b"a record")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    of = spot(place=f"{tmp_path}/gone/cache-main")
    assert directory.read(of) is None
    with pytest.raises(RegistryError, match=r"cache-main---record: No such file or directory$"):
        directory.write(of, b"a record")


def test_no_more_is_read_than_tells_that_a_record_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "cache-main---record").write_bytes(bytes(2 * MOST_PACKED))
    found = directory.read(spot(place=f"{tmp_path}/cache-main"))
    assert found is not None
    assert len(found) == MOST_PACKED + 1
