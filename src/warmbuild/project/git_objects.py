"""When a commit was made, its tree, and what a tag is of, read from git's objects without git.

The formats are documented in git's "gitformat-pack" and "gitrepository-layout".
"""

from __future__ import annotations

import re
import struct
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.project import git_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

_COMMITTER: Final = re.compile(rb"^committer .*> (?P<seconds>\d{1,11}) [+-]\d{4}$", re.MULTILINE)
# In bytes; only this much of a larger object is read.
_MOST: Final = 64 * 1024
_TREE: Final = re.compile(rb"tree (?P<tree>[0-9a-f]{40}|[0-9a-f]{64})\n")
_TAGGED: Final = re.compile(rb"object (?P<commit>[0-9a-f]{40,64})\ntype commit\n")
# The types of objects, with their numbers in packs.
_NUMBERS: Final[Mapping[str, int]] = {"commit": 1, "tag": 4}
_INDEX: Final = b"\xfftOc\0\0\0\x02"
_FANOUT: Final = struct.Struct(">256L")
_OFFSET: Final = struct.Struct(">L")
_LONG_OFFSET: Final = struct.Struct(">Q")
_IS_LONG: Final = 1 << 31
_MORE: Final = 0x80


def committed(directory: Path, commit: str) -> datetime | None:
    """Return when a commit was made, or None if that cannot be read.

    `directory` is inside a work tree. Objects packed as a delta are not read.
    """
    tree = git_directory.find(directory, files.read_text)
    header = _header(tree.common / "objects", commit, "commit") if tree else b""
    found = _COMMITTER.search(header)
    try:
        return datetime.fromtimestamp(int(found["seconds"]), UTC) if found else None
    except (ValueError, OverflowError, OSError):
        return None


def tree(objects: Path, commit: str) -> bytes:
    """Return the name of a commit's tree; empty if that cannot be read."""
    found = _TREE.match(_header(objects, commit, "commit"))
    return bytes.fromhex(found["tree"].decode()) if found else b""


def tagged(objects: Path, tag: str) -> str:
    """Return the commit that an annotated tag is of; empty if that cannot be read."""
    found = _TAGGED.match(_header(objects, tag, "tag"))
    return found["commit"].decode() if found else ""


def _header(objects: Path, text: str, kind: str) -> bytes:
    """Return the first lines of an object of this type, or nothing."""
    try:
        name = bytes.fromhex(text)
        found = (_loose(objects, text, kind) or _packed(objects, name, kind)) if name else b""
    except (OSError, ValueError, IndexError, OverflowError, struct.error, zlib.error):
        return b""
    return found.partition(b"\n\n")[0]


def _loose(objects: Path, text: str, kind: str) -> bytes:
    packed = files.read_bytes(objects / text[:2] / text[2:])
    if packed is None:
        return b""
    found, _, data = zlib.decompressobj().decompress(packed, _MOST).partition(b"\0")
    return data if found.startswith(f"{kind} ".encode()) else b""


def _packed(objects: Path, name: bytes, kind: str) -> bytes:
    for index in sorted((objects / "pack").glob("pack-*.idx")):
        with files.opened(index) as file:
            offset = _offset(file, name)
        if offset is not None:
            return _entry(index.with_suffix(".pack"), offset, kind)
    return b""


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)


def _offset(index: BinaryIO, name: bytes) -> int | None:
    """Return where an object begins in the pack of a version 2 index, or None."""
    if _at(index, 0, len(_INDEX)) != _INDEX:
        return None
    counts = _FANOUT.unpack(index.read(_FANOUT.size))
    names, total = len(_INDEX) + _FANOUT.size, counts[-1]
    low, high = counts[name[0] - 1] if name[0] else 0, counts[name[0]]
    while low < high:
        middle = (low + high) // 2
        found = _at(index, names + middle * len(name), len(name))
        if found == name:
            # The checksums are between the names and the offsets.
            offsets = names + total * (len(name) + _OFFSET.size)
            return _long(index, offsets, middle, total)
        low, high = (middle + 1, high) if found < name else (low, middle)
    return None


def _long(index: BinaryIO, offsets: int, number: int, total: int) -> int:
    """Return an offset; large packs have a second table for offsets of 64 bits."""
    (offset,) = _OFFSET.unpack(_at(index, offsets + number * _OFFSET.size, _OFFSET.size))
    if not offset & _IS_LONG:
        return int(offset)
    place = offsets + total * _OFFSET.size + (offset - _IS_LONG) * _LONG_OFFSET.size
    (offset,) = _LONG_OFFSET.unpack(_at(index, place, _LONG_OFFSET.size))
    return int(offset)


def _entry(pack: Path, offset: int, kind: str) -> bytes:
    """Return an object of a pack if it is of this type and not a delta."""
    with files.opened(pack) as file:
        data = _at(file, offset, _MOST)
    # Three bits of the first byte are the type; the length continues while the high bit is set.
    if data[0] >> 4 & 7 != _NUMBERS[kind]:
        return b""
    begin = next((place for place, byte in enumerate(data) if not byte & _MORE), len(data)) + 1
    return zlib.decompressobj().decompress(data[begin:], _MOST)
