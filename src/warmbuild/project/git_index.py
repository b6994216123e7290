"""The files that git tracks, and what it stores of them, read from its index.

The format is git's "gitformat-index", versions 2 to 4.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# The mode in the index, and the permissions that it means.
MODES: Final = {0o100644: 0o644, 0o100755: 0o755}
_VERSIONS: Final = (2, 3, 4)
_PREFIXED: Final = 4
_MODE_AT: Final = 24
# The length of a file's times, owner and size in bytes; the object's name follows.
_STAT: Final = 40
# The bytes of a path that Linux takes.
_LONGEST: Final = 4096
_EXTENDED: Final = 0x4000
_MODE: Final = struct.Struct(">L")
_FLAGS: Final = struct.Struct(">H")


def modes(data: bytes, *, object_bytes: int = 20) -> Iterator[tuple[str, int]]:
    """Yield (path, permissions) of each regular file, as `files` does."""
    return ((path, permissions) for path, permissions, _ in files(data, object_bytes=object_bytes))


def files(data: bytes, *, object_bytes: int = 20) -> Iterator[tuple[str, int, bytes]]:
    """Yield (path, permissions, object) of each regular file, not of links and submodules.

    `object_bytes` is the length of an object's name: 32 in a SHA-256 repository. Raises ValueError
    if the data is not an index.
    """
    try:
        yield from _entries(data, object_bytes)
    except (IndexError, struct.error) as error:
        raise ValueError("the index ends too early") from error


def _entries(data: bytes, object_bytes: int) -> Iterator[tuple[str, int, bytes]]:
    signature, version, count = struct.unpack_from(">4sLL", data)
    if signature != b"DIRC" or version not in _VERSIONS:
        raise ValueError("this is not a git index of version 2 to 4")
    at, path = 12, b""
    for _ in range(count):
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
            yield path.decode("utf-8", "surrogateescape"), MODES[mode], blob


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Read a number as git's packs write an offset; return the number and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80 and value <= _LONGEST:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1
