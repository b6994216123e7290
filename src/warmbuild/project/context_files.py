"""What a build's context holds: each file with its mode and a digest of its content.

The digest is the name of git's object for the content, and the file's size. For a file that git
tracks and that has not changed since git wrote it, the index has both, so that nothing is read.
The size is there because of filters such as Git LFS: the object in the index is then another
content, which has another size.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from warmbuild.files import opened
from warmbuild.project import git_modes
from warmbuild.project.entry import Entry
from warmbuild.project.git_index import LINK, MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from hashlib import _Hash
    from pathlib import Path

    from warmbuild.project.git_index import Tracked
    from warmbuild.project.git_modes import Index

# Files and directories; a checkout of Linux has a fifth of it.
MOST: Final = 500_000
_PART: Final = 1024 * 1024
_DIRECTORY: Final = 0o755
_LOW: Final = 0xFFFF_FFFF
# Beginnings of attributes that BuildKit's client does not send, or that BuildKit does not compare.
_UNSENT: Final = ("com.apple.", "security.", "system.")
_CAPABILITY: Final = "security.capability"


def entries(
    context: Path, is_excluded: Callable[[str], bool], *, has_exceptions: bool
) -> Mapping[str, Entry]:
    """Return everything below a context that BuildKit's client would send, by its path.

    `has_exceptions` tells whether something below an excluded directory may be sent. Raises
    ValueError if there is too much to look at, and OSError if something cannot be read.
    """
    index = git_modes.index_below(context)
    found: dict[str, Entry] = {}
    hidden: dict[str, Entry] = {}  # Excluded directories, which are sent with what is in them
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(f"{context}/{directory}") as listing:
            for one in listing:
                path = f"{directory}/{one.name}" if directory else one.name
                excluded = is_excluded(path)
                if excluded and not has_exceptions:
                    continue
                status = one.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(path)
                    mode, attributes = stat.S_IMODE(status.st_mode), _attributes(one.path)
                    made = Entry("directory", mode, attributes)
                    (hidden if excluded else found)[path] = made
                elif not excluded:
                    found[path] = _entry(one.path, path, status, index)
            if len(found) + len(hidden) > MOST:
                raise ValueError(f"it has more than {MOST} files")
    for path in [*found] if hidden else ():
        parent = path.rpartition("/")[0]
        while parent in hidden:
            found[parent] = hidden.pop(parent)
            parent = parent.rpartition("/")[0]
    return found


def committed(context: Path, commit: str) -> Mapping[str, Entry] | None:
    """Return what BuildKit finds in a context of git; None if the commit is not checked out here.

    It has no .git, and BuildKit heeds no .dockerignore there (`dockerui`, v0.34.2). Raises
    ValueError for submodules, whose files the index does not have.
    """
    tracked = git_modes.committed(context, commit)
    if tracked is None:
        return None
    found: dict[str, Entry] = {}
    for path, one in tracked.items():
        if one.mode in MODES:
            found[path] = Entry("file", MODES[one.mode], _digest(one.name, one.size))
        elif one.mode == LINK:
            found[path] = Entry("link", 0, one.name)
        else:
            raise ValueError(f"{path} is a submodule")
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found[parent] = Entry("directory", _DIRECTORY, b"")
            parent = parent.rpartition("/")[0]
    return found


def _entry(place: str, path: str, status: os.stat_result, index: Index) -> Entry:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        target = os.fsencode(os.readlink(place))  # noqa: PTH115 (fast)
        return Entry("link", 0, index.hasher(b"blob %d\0%b" % (len(target), target)).digest())
    if not stat.S_ISREG(status.st_mode):
        # A pipe, a device, or a socket, which becomes an empty file.
        return Entry("other", mode, b"%o %d" % (stat.S_IFMT(status.st_mode), status.st_rdev))
    known = index.tracked.get(path)
    if known and _is_unchanged(known, status, index.written):
        name = known.name
    else:
        name = _hashed(place, status.st_size, index.hasher)
    return Entry("file", mode, _digest(name, status.st_size) + _attributes(place))


def _digest(name: bytes, size: int) -> bytes:
    return b"%b %d" % (name, size)


def _hashed(path: str, size: int, hasher: Callable[[bytes], _Hash]) -> bytes:
    """Return the name that git would give to a file's content."""
    found = hasher(b"blob %d\0" % size)
    with opened(path) as file:
        while part := file.read(_PART):
            found.update(part)
    return found.digest()


def _attributes(place: str) -> bytes:
    """Return the extended attributes that BuildKit compares; nothing if there are none."""
    try:
        names = os.listxattr(place, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return b""
        raise
    kept = sorted(name for name in names if name == _CAPABILITY or not name.startswith(_UNSENT))
    pairs = [(name, os.getxattr(place, name, follow_symlinks=False)) for name in kept]
    return repr(pairs).encode() if pairs else b""


def _is_unchanged(known: Tracked, status: os.stat_result, written: int) -> bool:
    """Return whether a file is as git left it; `written` is when the index was, in nanoseconds.

    A file that changed as the index was written may have changed after it: git calls that racy.
    """
    return (
        known.modified == status.st_mtime_ns < written
        and known.changed == status.st_ctime_ns
        and known.inode == status.st_ino & _LOW
        and known.size == status.st_size & _LOW
    )
