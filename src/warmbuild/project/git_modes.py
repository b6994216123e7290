"""What git stores of files: their hashes, and modes, which are set in a work tree."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.files import read_bytes, read_text
from warmbuild.frozen import frozen
from warmbuild.project import git_directory, git_index, git_objects
from warmbuild.project.git_index import MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from hashlib import _Hash

    from warmbuild.project.git_directory import WorkTree
    from warmbuild.project.git_index import Listing, Tracked

_SHA256: Final = re.compile(
    r"^[ \t]*objectformat[ \t]*=[ \t]*sha256[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_ATTRIBUTES: Final = ".gitattributes"
_FILTERED: Final = re.compile(r"\bfilter=(?!lfs\b)|\bworking-tree-encoding=")
# In bytes, about 5 million files; git's own tools are slow long before.
_LARGEST_INDEX: Final = 512 * 1024 * 1024
_DIRECTORY: Final = 0o755
# Git's own hash, which a file has to match; it protects nothing here.
_SHA1: Final = partial(hashlib.sha1, usedforsecurity=False)


@frozen
class Normalized:
    """How many modes were set."""

    files: int = 0
    directories: int = 0
    failed: int = 0  # modes that could not be set


def normalize_modes(context: Path) -> Normalized | None:
    """Give the tracked files of a directory, and their directories, git's modes.

    Untracked files, links, submodules and all times stay as they are. BuildKit's checksum of a
    directory includes its mode, except for the context's root. Returns None without an index.
    """
    tracked = tracked_files(context)
    if tracked is None:
        return None
    directories = dict[Path, None]()
    of_files: list[bool] = []
    for path, mode, permissions in tracked:
        place = context / path
        directories |= dict.fromkeys(place.parents[: path.count("/")])
        if mode != permissions:
            of_files.append(_set_mode(place, permissions))
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in directories}
    of_directories = [
        _set_mode(place, mode & ~0o777 | _DIRECTORY)
        for place, mode in modes.items()
        if mode & 0o777 != _DIRECTORY
    ]
    return Normalized(
        files=sum(of_files),
        directories=sum(of_directories),
        failed=(of_files + of_directories).count(False),
    )


def tracked_files(context: Path) -> Iterator[tuple[str, int, int]] | None:
    """Return (path below the context, mode, mode in git) of each regular file."""
    context = Path(os.path.realpath(context))
    tree = git_directory.find(context, read_text)
    listing = _listing(tree) if tree else None
    if tree is None or listing is None:
        return None
    modes = ((one.path, MODES[one.mode]) for one in listing.entries if one.mode in MODES)
    return _stated(context, _prefix(tree, context), modes)


@frozen
class Index:
    """git's index, as far as it is about a directory."""

    tracked: Mapping[str, Tracked] = field(default_factory=dict)  # by the path below the directory
    written: int = 0  # when, in nanoseconds
    hasher: Callable[[bytes], _Hash] = _SHA1  # what names the repository's objects


def index_below(context: Path) -> Index:
    """Return what git's index has below a directory; nothing without an index that can be read."""
    context = Path(os.path.realpath(context))
    tree = git_directory.find(context, read_text)
    if tree is None:
        return Index()
    hasher = _hasher(tree)
    try:
        written = (tree.own / "index").stat().st_mtime_ns
    except OSError:
        return Index(hasher=hasher)
    listing = _listing(tree)
    is_known = listing is not None and not _is_filtered(tree, listing)
    tracked = _below(listing, _prefix(tree, context)) if listing and is_known else {}
    return Index(tracked=tracked, written=written, hasher=hasher)


def _is_filtered(tree: WorkTree, listing: Listing) -> bool:
    """Return whether git may write different files of one object: by a program, or an encoding.

    What Git LFS writes has the object's digest in it.
    """
    places = [tree.root / one.path for one in listing.entries if one.path.endswith(_ATTRIBUTES)]
    places += [tree.root / _ATTRIBUTES, tree.common / "info" / "attributes"]
    return any(_FILTERED.search(read_text(place) or "") for place in dict.fromkeys(places))


def committed(directory: Path, commit: str) -> Mapping[str, Tracked] | None:
    """Return what a commit has below a directory, by path; None if that cannot be told.

    The index has it if it equals the commit's tree, as after a checkout. What was changed since
    then in the work tree does not matter.
    """
    directory = Path(os.path.realpath(directory))
    tree = git_directory.find(directory, read_text)
    listing = _listing(tree) if tree else None
    if tree is None or not (listing and listing.tree):
        return None
    if git_objects.tree(tree.common / "objects", commit) != listing.tree:
        return None
    return _below(listing, _prefix(tree, directory))


def objects(directory: Path, commit: str, paths: Collection[Path]) -> Mapping[Path, bytes] | None:
    """Return the objects of those of some files that git tracks; None if HEAD is another commit.

    An object's name is the hash of the file as it is in the commit.
    """
    tree = git_directory.find(Path(os.path.realpath(directory)), read_text)
    listing = _listing(tree) if tree else None
    if tree is None or listing is None or git_directory.head(tree, read_text)[1] != commit:
        return None
    names = {os.path.relpath(os.path.realpath(path), tree.root): path for path in paths}
    files = (one for one in listing.entries if one.mode in MODES)
    return {names[one.path]: one.name for one in files if one.path in names}


def is_object(data: bytes, name: bytes) -> bool:
    """Return whether a file's data has this hash in git, SHA-1 or SHA-256 by its length."""
    stored = b"blob %d\0%b" % (len(data), data)
    hashed = hashlib.sha256 if len(name) == hashlib.sha256().digest_size else _SHA1
    return hashed(stored).digest() == name


def _listing(tree: WorkTree) -> Listing | None:
    """Read the index; None if there is none, it has an unknown format, or git is writing it."""
    data = read_bytes(tree.own / "index", _LARGEST_INDEX)
    try:
        return git_index.read(data, object_bytes=_hasher(tree)().digest_size) if data else None
    except ValueError:
        return None


def _prefix(tree: WorkTree, directory: Path) -> str:
    """Return what the paths below a directory begin with in the index."""
    return "" if directory == tree.root else f"{directory.relative_to(tree.root).as_posix()}/"


def _below(listing: Listing, prefix: str) -> Mapping[str, Tracked]:
    return {
        one.path.removeprefix(prefix): one for one in listing.entries if one.path.startswith(prefix)
    }


def _hasher(tree: WorkTree) -> Callable[..., _Hash]:
    """Return the function that names the objects of a repository."""
    return hashlib.sha256 if _SHA256.search(read_text(tree.common / "config") or "") else _SHA1


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
        # An index of an unknown format, or git is writing it.
        return


def _is_straight(context: Path, path: str, known: dict[str, bool]) -> bool:
    """Return whether a path leads below the context without a link or `..`."""
    parent = path.rpartition("/")[0]
    unknown = []
    while parent not in known:
        unknown.append(parent)
        parent = parent.rpartition("/")[0]
    is_straight = known[parent]
    for directory in reversed(unknown):
        place = f"{context}/{directory}"
        is_name = directory.rpartition("/")[2] not in {"", ".", ".."}
        is_straight = is_straight and is_name and _is_directory(place)
        known[directory] = is_straight
    return is_straight


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114 (never raise)


def _set_mode(path: Path, mode: int) -> bool:
    try:
        path.chmod(mode)
    except OSError:
        return False
    return True
