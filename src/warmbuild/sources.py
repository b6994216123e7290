"""Reads of a project what the lints look at, and sets the modes that git stores.

git's index is read where it lies, as `ci.local` reads git's other files.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import contexts, gitindex, ignorefile
from warmbuild.lints import OddModes, Sources
from warmbuild.plan import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warmbuild.checks import Warned
    from warmbuild.plan import BuildPlan

_SHA256: Final = re.compile(r"^\s*objectformat\s*=\s*sha256\s*$", re.IGNORECASE | re.MULTILINE)
_LINK: Final = "gitdir: "
_DIRECTORY: Final = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized:
    """How many modes were set, and how many could not be."""

    files: int = 0
    directories: int = 0
    failed: int = 0


def read(decided: BuildPlan, pipeline_file: str) -> Sources:
    """Read what there is; `pipeline_file` is relative to the repository's root, or empty.

    Of a git context that is this run's own the checkout is read, if there is one, but for what that
    context has not: .git, and modes other than git's. A file that cannot be read is as good as
    none: the build will say so.
    """
    root = _root(Path.cwd())
    pipeline = _text(root / pipeline_file) if pipeline_file else None
    if pipeline is None:
        pipeline_file = ""
    places = _places(decided)
    if places is None or not places[0].is_dir():
        return Sources(pipeline_file=pipeline_file, pipeline=pipeline or "")
    context, file = places
    is_git = is_remote(decided.context)
    own = file.with_name(f"{file.name}.dockerignore")
    ignore_file = own if own.is_file() else context / ".dockerignore"
    ignore = _text(ignore_file)
    inside = {
        ".git": not is_git and (context / ".git").is_dir(),
        "Dockerfile": _is_below(file, context),
    }
    is_out = ignorefile.matcher(ignorefile.patterns(ignore or ""))
    return Sources(
        file=_shown(file, root),
        text=_text(file) or "",
        ignore_file=_shown(ignore_file, root),
        ignore=ignore,
        in_context=frozenset(name for name, lies_there in inside.items() if lies_there),
        odd_modes=None if is_git else _odd_modes(context, is_out),
        pipeline_file=pipeline_file,
        pipeline=pipeline or "",
    )


def named(decided: BuildPlan, warned: Warned) -> str:
    """Return the file here that a warning is about, "" where there is none of the same text.

    Only then is its line the right one.
    """
    places = _places(decided) if warned.source else None
    try:
        is_same = places is not None and places[1].read_bytes() == warned.source
    except OSError:
        return ""
    return _shown(places[1], _root(Path.cwd())) if places and is_same else ""


def normalize_modes(context: Path) -> Normalized | None:
    """Give the tracked files of a directory, and the directories they lie in, git's modes.

    Files that git does not track, links, submodules and every time stay as they are. BuildKit's
    checksum of a directory holds its mode too, though not that of the context's root. None where
    there is no index to read.
    """
    tracked = _tracked(context)
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


def _odd_modes(context: Path, is_out: Callable[[str], bool]) -> OddModes | None:
    """Return a tracked file of the context whose mode is not git's, and whether there are more."""
    odd = (
        (path, mode, stored)
        for path, mode, stored in _tracked(context) or ()
        if mode != stored and not is_out(path)
    )
    first = next(odd, None)
    if first is None:
        return None
    path, mode, stored = first
    return OddModes(path=path, mode=mode, stored=stored, has_more=next(odd, None) is not None)


def _tracked(context: Path) -> Iterator[tuple[str, int, int]] | None:
    """Return (path below the context, mode, the mode git stores) of the regular files."""
    context = context.resolve()
    repository = _repository(context)
    if repository is None:
        return None
    root, directory = repository
    try:
        data = (directory / "index").read_bytes()
    except OSError:
        return None
    common = directory / (_text(directory / "commondir") or "").strip()
    object_bytes = 32 if _SHA256.search(_text(common / "config") or "") else 20
    prefix = "" if context == root else f"{context.relative_to(root).as_posix()}/"
    return _stated(context, prefix, gitindex.modes(data, object_bytes=object_bytes))


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


def _repository(directory: Path) -> tuple[Path, Path] | None:
    """Return the root of the work tree that a directory lies in, and its git directory."""
    for place in (directory, *directory.parents):
        git = place / ".git"
        if (git / "HEAD").is_file():
            return place, git
        link = (_text(git) or "") if git.is_file() else ""
        if link.startswith(_LINK):
            return place, place / link.removeprefix(_LINK).strip()
    return None


def _root(directory: Path) -> Path:
    """Return what findings name files from: the work tree's root, or the directory itself."""
    repository = _repository(directory.resolve())
    return repository[0] if repository else directory.resolve()


def _places(decided: BuildPlan) -> tuple[Path, Path] | None:
    """Return the context and the Dockerfile as they should lie here, None for those of others."""
    if not is_remote(decided.context):
        context = Path(decided.context)
        return context, _dockerfile(context, decided.file)
    checkout = contexts.checkout(decided.context, decided.run)
    if not checkout:
        return None
    context = Path(checkout)
    return context, _dockerfile(context, str(context / decided.file) if decided.file else "")


def _dockerfile(context: Path, file: str) -> Path:
    if file:
        return Path(file)
    usual, other = context / "Dockerfile", context / "dockerfile"
    return other if other.is_file() and not usual.is_file() else usual


def _shown(path: Path, root: Path) -> str:
    return path.resolve().relative_to(root).as_posix() if _is_below(path, root) else str(path)


def _is_below(path: Path, directory: Path) -> bool:
    return path.resolve().is_relative_to(directory.resolve())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
