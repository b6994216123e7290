from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.project import git_index

DATA = Path(__file__).resolve().parents[2] / "data"
# Beside these there are a link and a submodule.
FILES = [("README.md", 0o644), ("dir/sub/z.py", 0o644), ("dir/sub/ü.txt", 0o644)]


@pytest.mark.parametrize(
    ("recorded", "object_bytes"),
    [("v2", 20), ("v3", 20), ("v4", 20), ("sha256", 32)],
)
def test_every_version_of_the_index(recorded: str, object_bytes: int) -> None:
    data = (DATA / f"git-2.39.5-{recorded}.index").read_bytes()
    found = list(git_index.modes(data, object_bytes=object_bytes))
    assert found == [*FILES, ("run.sh", 0o755)]


@pytest.mark.parametrize(
    "data", [b"", b"DIRC", b"DIRC\0\0\0\x05\0\0\0\0", b"PACK\0\0\0\x02\0\0\0\0"]
)
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="index"):
        list(git_index.modes(data))


@given(st.integers(min_value=0, max_value=400), st.sampled_from(["v2", "v3", "v4"]))
def test_an_index_that_is_cut_off_is_refused(length: int, recorded: str) -> None:
    data = (DATA / f"git-2.39.5-{recorded}.index").read_bytes()[:length]
    with pytest.raises(ValueError, match=r"index|subsection"):
        list(git_index.modes(data))


def test_a_long_offset() -> None:
    # A path of v4 may drop more bytes of the one before than seven bits can say.
    long, entry = b"a" * 200, bytes(24) + (0o100644).to_bytes(4, "big") + bytes(32)
    data = b"DIRC\0\0\0\x04\0\0\0\x02"
    data += entry + bytes(2) + b"\0" + long + b"\0"
    data += entry + bytes(2) + b"\x80\x48" + b"b\0"
    assert list(git_index.modes(data)) == [(long.decode(), 0o644), ("b", 0o644)]


@pytest.mark.parametrize("name", [b"\0" + b"a" * 5_000, b"\xff" * 5_000])
def test_a_path_without_end_is_refused(name: bytes) -> None:
    entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(34) + name + b"\0"
    with pytest.raises(ValueError, match=r"too long|too early|subsection"):
        list(git_index.modes(b"DIRC\0\0\0\4\0\0\0\1" + entry))


def test_a_path_may_drop_more_than_there_is() -> None:
    entry = bytes(24) + (0o100644).to_bytes(4, "big") + bytes(34) + b"\x09a\0"
    assert list(git_index.modes(b"DIRC\0\0\0\4\0\0\0\1" + entry)) == [("a", 0o644)]
