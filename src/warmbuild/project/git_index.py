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
_VERSIONS: Final = (2, 3, 4)
_PREFIXED: Final = 4
_MODE_AT: Final = 24
# The length of a file's times, owner and size in bytes; the object's name follows.
_STAT: Final = 40
_TIMES: Final = struct.Struct(">10L")
# The bytes of a path that Linux takes.
_LONGEST: Final = 4096
_EXTENDED: Final = 0x4000
_MODE: Final = struct.Struct(">L")
_FLAGS: Final = struct.Struct(">H")


class Tracked(NamedTuple):
    """A regular file in the index, and what it was on the disk when git last looked at it.

    Of the size and the number of the inode, the index keeps the lowest 32 bits.
    """

    path: str
    permissions: int
    name: bytes  # of the object
    changed: int  # nanoseconds, its ctime
    modified: int  # nanoseconds, its mtime
    inode: int
    size: int


def modes(data: bytes, *, object_bytes: int = 20) -> Iterator[tuple[str, int]]:
    """Yield (path, permissions) of each regular file, as `files` does."""
    return ((one.path, one.permissions) for one in files(data, object_bytes=object_bytes))


def files(data: bytes, *, object_bytes: int = 20) -> Iterator[Tracked]:
    """Yield each regular file, not links and submodules.

    `object_bytes` is the length of an object's name: 32 in a SHA-256 repository. Raises ValueError
    if the data is not an index.
    """
    try:
        yield from _entries(data, object_bytes)
    except (IndexError, struct.error) as error:
        raise ValueError("the index ends too early") from error


def _entries(data: bytes, object_bytes: int) -> Iterator[Tracked]:
    signature, version, count = struct.unpack_from(">4sLL", data)
    if signature != b"DIRC" or version not in _VERSIONS:
        raise ValueError("this is not a git index of version 2 to 4")
    at, path = 12, b""
    for _ in range(count):
        begin = at
        (mode,) = _MODE.unpack_from(data, at + _MODE_AT)
        blob = data[at + _STAT : at + _STAT + object_bytes]
        (flags,) = _FLAGS.unpack_from(data, at + _STAT + object_bytes)
        name = at + _STAT + object_bytes + (4 if flags & _EXTENDED else 2)
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
        if mode in MODES:
            stat = _TIMES.unpack_from(data, begin)
            yield Tracked(
                path.decode("utf-8", "surrogateescape"),
                MODES[mode],
                blob,
                stat[0] * 1_000_000_000 + stat[1],
                stat[2] * 1_000_000_000 + stat[3],
                stat[5],
                stat[9],
            )


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Read a number as git's packs write an offset; return the number and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80 and value <= _LONGEST:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1
