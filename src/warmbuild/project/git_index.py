"""The files that git tracks, and what it stores of them, read from its index.

The format is git's "gitformat-index", versions 2 to 4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# The mode in the index, and the permissions that it means.
MODES: Final = {0o100644: 0o644, 0o100755: 0o755}
LINK: Final = 0o120000
_VERSIONS: Final = (2, 3, 4)
_PREFIXED: Final = 4
# The length of a file's times, owner and size in bytes; the object's name follows.
_STAT: Final = struct.Struct(">10L")
# The bytes of a path that Linux takes.
_LONGEST: Final = 4096
_EXTENDED: Final = 0x4000
_FLAGS: Final = struct.Struct(">H")
_EXTENSION: Final = struct.Struct(">4sL")


class Tracked(NamedTuple):
    """A file in the index, and what it was on the disk when git last looked at it.

    Of the size and the number of the inode, the index keeps the lowest 32 bits.
    """

    path: str
    mode: int  # one of MODES, LINK, or that of a submodule
    name: bytes  # of the object
    changed: int  # nanoseconds, its ctime
    modified: int  # nanoseconds, its mtime
    inode: int
    size: int


class Listing(NamedTuple):
    """Everything that an index has."""

    entries: list[Tracked]
    tree: bytes  # name of the tree that it equals; empty if git has not noted one


def modes(data: bytes, *, object_bytes: int = 20) -> Iterator[tuple[str, int]]:
    """Yield (path, permissions) of each regular file, not of links and submodules."""
    found = read(data, object_bytes=object_bytes).entries
    return ((one.path, MODES[one.mode]) for one in found if one.mode in MODES)


def read(data: bytes, *, object_bytes: int = 20) -> Listing:
    """Read an index.

    `object_bytes` is the length of an object's name: 32 in a SHA-256 repository. Raises ValueError
    if the data is not an index.
    """
    try:
        return _read(data, object_bytes)
    except (IndexError, struct.error) as error:
        raise ValueError("the index ends too early") from error


def _read(data: bytes, object_bytes: int) -> Listing:
    signature, version, count = struct.unpack_from(">4sLL", data)
    if signature != b"DIRC" or version not in _VERSIONS:
        raise ValueError("this is not a git index of version 2 to 4")
    at, path, entries = 12, b"", list[Tracked]()
    for _ in range(count):
        stat = _STAT.unpack_from(data, at)
        named = at + _STAT.size
        (flags,) = _FLAGS.unpack_from(data, named + object_bytes)
        name = named + object_bytes + (4 if flags & _EXTENDED else 2)
        if version == _PREFIXED:
            # A path is the previous one without some bytes at its end, and a suffix.
            less, name = _offset(data, name)
            end = data.index(b"\0", name)
            path = path[: max(0, len(path) - less)] + data[name:end]
            at = end + 1
        else:
            end = data.index(b"\0", name)
            path = data[name:end]
            at += (end - at) // 8 * 8 + 8
        if len(path) > _LONGEST:
            raise ValueError("a path in the index is too long")
        changed, modified = (stat[of] * 1_000_000_000 + stat[of + 1] for of in (0, 2))
        text = path.decode("utf-8", "surrogateescape")
        blob = data[named : named + object_bytes]
        entries.append(Tracked(text, stat[6], blob, changed, modified, stat[5], stat[9]))
    return Listing(entries, _tree(data, at, object_bytes))


def _tree(data: bytes, at: int, object_bytes: int) -> bytes:
    """Read the tree of the top directory, if the first extension has it."""
    begin = at + _EXTENSION.size
    if data[at : at + 4] != b"TREE" or data[begin : begin + 1] != b"\0":
        return b""
    # An empty path, and how many files and directories are in it; no files are an unknown tree.
    end = data.index(b"\n", begin)
    is_known = data[begin + 1 : end].partition(b" ")[0].isdigit()
    return data[end + 1 : end + 1 + object_bytes] if is_known else b""


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Read a number as git's packs write an offset; return the number and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80 and value <= _LONGEST:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1
