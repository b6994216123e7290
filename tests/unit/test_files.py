from __future__ import annotations

import os
from pathlib import Path

import pytest

from warmbuild.files import MOST, fault, opened, read_bytes, read_text, write_text


def test_a_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("für\n".encode() + b"\xff")
    assert read_text(path) == read_text(str(path)) == "für\n\ufffd"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "there is no file ''."),
        ("/", "'/' cannot be read: it is a directory."),
        ("/nowhere/file", "there is no file '/nowhere/file'."),
        ("/dev/null/file", "there is no file '/dev/null/file'."),
        ("a\0b", "there is no file 'a\\x00b'."),
        ("\ud800", "there is no file '\\ud800'."),
        ("/dev/zero", "'/dev/zero' cannot be read: it is not a regular file."),
        ("a" * 300, f"{'a' * 300!r} cannot be read: File name too long."),
    ],
)
def test_what_cannot_be_read(path: str, why: str) -> None:
    assert read_text(path) is None
    assert fault(path) == why


def test_a_pipe_and_a_circle_of_links_are_no_files(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(link)
    for path in (pipe, link):
        assert read_bytes(path) is None
        assert "cannot be read: " in fault(path)
        with pytest.raises(OSError, match=r"regular|symbolic"):
            opened(path)


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_bytes(path, 4) == b"1234"
    assert read_bytes(path, 3) is None
    assert read_text(path, 3) is None
    assert fault(path) == ""
    with path.open("wb") as file:
        file.truncate(MOST + 1)
    assert read_bytes(path) is None
    assert fault(path) == f"{str(path)!r} is larger than 64 MB."


def test_a_file_whose_size_is_not_known_is_read() -> None:
    assert read_text("/proc/self/status")


def test_lines_end_in_one_way(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_text(path) == "a\nb\nc\n"


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


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    link, other = tmp_path / "link", tmp_path / "other"
    other.write_text("mine")
    link.symlink_to(other)
    write_text(link, "new \udcff")
    assert link.read_text() == "new \\udcff"
    assert other.read_text() == "mine"


@pytest.mark.parametrize("path", ["/", "."])
def test_no_file_has_no_name(path: str) -> None:
    with pytest.raises(OSError, match="directory"):
        write_text(Path(path), "x")
