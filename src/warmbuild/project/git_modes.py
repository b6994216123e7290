"""The file modes that git stores: read from its index, and set in a work tree."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.project import git_directory, git_index

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHA256: Final = re.compile(r"^\s*objectformat\s*=\s*sha256\s*$", re.IGNORECASE | re.MULTILINE)
_DIRECTORY: Final = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized:
    """How many modes were set."""

    files: int = 0
    directories: int = 0
    failed: int = 0
    """Modes that could not be set."""


def normalize_modes(context: Path) -> Normalized | None:
    """Give the tracked files of a directory, and the directories they lie in, git's modes.

    Files that git does not track, links, submodules and every time stay as they are. BuildKit's
    checksum of a directory holds its mode too, though not that of the context's root. None where
    there is no index to read.
    """
    tracked = tracked_files(context)
    if tracked is None:
        return None
    files, failed, directories = 0, 0, dict[Path, None]()
    for path, mode, permissions in tracked:
        place = context / path
        directories |= dict.fromkeys(place.parents[: path.count("/")])
        if mode != permissions:
            done = _set_mode(place, permissions)
            files, failed = files + done, failed + (not done)
    changed = 0
    for directory in directories:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if mode & 0o777 != _DIRECTORY:
            done = _set_mode(directory, mode & ~0o777 | _DIRECTORY)
            changed, failed = changed + done, failed + (not done)
    return Normalized(files=files, directories=changed, failed=failed)


def tracked_files(context: Path) -> Iterator[tuple[str, int, int]] | None:
    """Return (path below the context, mode, the mode git stores) of the regular files."""
    context = context.resolve()
    tree = git_directory.find(context, files.read_text)
    if tree is None:
        return None
    try:
        data = (tree.own / "index").read_bytes()
    except OSError:
        return None
    object_bytes = 32 if _SHA256.search(files.read_text(tree.common / "config") or "") else 20
    prefix = "" if context == tree.root else f"{context.relative_to(tree.root).as_posix()}/"
    return _stated(context, prefix, git_index.modes(data, object_bytes=object_bytes))


def _stated(
    context: Path, prefix: str, stored: Iterator[tuple[str, int]]
) -> Iterator[tuple[str, int, int]]:
    straight = {"": True}
    try:
        for tracked, permissions in stored:
            path = tracked.removeprefix(prefix)
            if not tracked.startswith(prefix) or not _is_straight(context, path, straight):
                continue
            try:
                found = os.lstat(f"{context}/{path}").st_mode
            except OSError:
                continue
            if stat.S_ISREG(found):
                yield path, stat.S_IMODE(found), permissions
    except ValueError:
        # An index of a kind that is not known, or one that is just being written.
        return


def _is_straight(context: Path, path: str, known: dict[str, bool]) -> bool:
    """Say whether a path leads straight below the context, over no link and no `..`."""
    parent = path.rpartition("/")[0]
    if parent not in known:
        above = _is_straight(context, parent, known)
        name = parent.rpartition("/")[2]
        known[parent] = above and name not in {"", ".", ".."} and _is_directory(context / parent)
    return known[parent]


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _set_mode(path: Path, mode: int) -> bool:
    """Set a mode, and say whether that could be done."""
    try:
        path.chmod(mode)
    except OSError:
        return False
    return True
