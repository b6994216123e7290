from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.files import read_text, write_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("für\n".encode() + b"\xff")
    assert read_text(path) == read_text(str(path)) == "für\n\ufffd"


@pytest.mark.parametrize("path", ["", "/", "/nowhere/file", "a\0b"])
def test_what_cannot_be_read(path: str) -> None:
    assert read_text(path) is None


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a longer text than the new one")
    path.chmod(0o644)
    write_text(path, "neu ü\n", mode=0o600)
    assert path.read_bytes() == "neu ü\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_text(path, "x")
    with pytest.raises(OSError, match="No such file"):
        write_text(tmp_path / "gone" / "file", "x")
    assert list(tmp_path.iterdir()) == [path]
