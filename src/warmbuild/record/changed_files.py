"""Which of the files that a step takes differ from those of a record."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.project import ignore_file
from warmbuild.record import record
from warmbuild.record.cause import Cause, Kind, named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from warmbuild.record.recipe import Step

# Characters of the patterns of a .dockerignore, and of the paths that are compared with them: each
# of one is compared with each of the other, and others may have written both.
_MOST_PATTERNS: Final = 5_000
_MOST_PATHS: Final = 200_000
# Follows every character that may come after a directory's name.
_AFTER: Final = "\U0010ffff"
# What is said around the names of files.
_TEXTS: Final = {
    Kind.IGNORED: (".dockerignore now excludes", ""),
    Kind.NOT_IGNORED: (".dockerignore no longer excludes", ""),
    Kind.FILE_CHANGED: ("", "changed"),
    Kind.FILE_ADDED: ("", "added"),
    Kind.FILE_REMOVED: ("", "removed"),
    Kind.LINK_TARGET: ("the target of", "differs"),
}


@frozen
class Files:
    """Files of a context, then or now."""

    marks: Mapping[str, str]  # as a record has them, by path
    ignored: tuple[str, ...] = ()  # patterns of the .dockerignore
    folded: tuple[str, ...] = ()  # directories of which only one digest is known


@frozen
class Changed:
    """One file that differs."""

    path: str  # of a directory with a slash, if no more is known than that it differs
    kind: Kind
    modes: tuple[str, str] = ("", "")  # then and now


def changed(then: Files, now: Files, step: Step) -> Sequence[Changed]:
    """Return the files of a step that differ, by path."""
    before, marks = _folded(then, now.folded), _folded(now, then.folded)
    # Nobody knows what a directory's mark would be that one side folds in parts.
    folded = sorted({*then.folded, *now.folded})
    unknown = tuple(one for one, inner in pairwise(folded) if inner.startswith(one))
    different = (
        path
        for path in {*marks, *before}
        if marks.get(path) != before.get(path) and not path.startswith(unknown)
    )
    found = {
        path: _changed(path, before.get(path, ""), marks.get(path, ""))
        for path in sorted(filter(_taken(step), different))
    }
    _tell_ignored(found, Kind.FILE_REMOVED, now.ignored, Kind.IGNORED)
    _tell_ignored(found, Kind.FILE_ADDED, then.ignored, Kind.NOT_IGNORED)
    both, paths = {**before, **marks}, list(found)
    return [one for one in found.values() if not _is_told(one, both, paths)]


def _folded(files: Files, directories: Collection[str]) -> dict[str, str]:
    """Return the marks of files with directories folded as they are on the other side."""
    found, paths = dict(files.marks), sorted(files.marks)
    for directory in directories:
        end = bisect_left(paths, directory + _AFTER)
        below = paths[bisect_left(paths, directory) : end]
        if below and directory not in files.marks:
            found[directory] = record.mark_below(
                {one: files.marks[one] for one in below}, directory
            )
            for path in below:
                found.pop(path, None)
    return found


def kept(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore for a record; none if there are too many."""
    return patterns if sum(map(len, patterns)) <= _MOST_PATTERNS else ()


def causes(found: Sequence[Changed]) -> Iterator[Cause]:
    """Yield what differs, by kind."""
    for kind, (before, after) in _TEXTS.items():
        if paths := [one.path for one in found if one.kind is kind]:
            yield named(kind, paths, before, after)
    if modes := [one for one in found if one.kind is Kind.FILE_MODE]:
        told = {one.modes for one in modes}
        change = f" ({' -> '.join(modes[0].modes)})" if len(told) == 1 else ""
        yield named(Kind.FILE_MODE, [one.path for one in modes], "the mode of", f"differs{change}")


def _taken(step: Step) -> Callable[[str], bool]:
    """Return a function that returns whether a step takes a path.

    A pattern of a COPY and one of a .dockerignore match alike, and both match what is below.
    """
    sources = [f"\\{one}" if one.startswith("!") else one or "**" for one in step.takes]
    is_named, is_excluded = ignore_file.matcher(sources), ignore_file.matcher(step.excludes)

    def is_taken(path: str) -> bool:
        path = path.removesuffix("/")
        return is_named(path) and not is_excluded(path)

    return is_taken


def _changed(path: str, then: str, now: str) -> Changed:
    (kind, mode, digest), (new_kind, new_mode, new_digest) = _read(then), _read(now)
    if not then:
        return Changed(path=path, kind=Kind.FILE_ADDED)
    if not now:
        return Changed(path=path, kind=Kind.FILE_REMOVED)
    is_folded = path.endswith("/")
    if (kind, digest) == (new_kind, new_digest) and not is_folded:
        return Changed(path=path, kind=Kind.FILE_MODE, modes=(mode, new_mode))
    is_link = kind == new_kind == "l" and not is_folded
    return Changed(path=path, kind=Kind.LINK_TARGET if is_link else Kind.FILE_CHANGED)


def _read(mark: str) -> tuple[str, str, str]:
    """Return the kind, mode and digest in a mark, which others may have written."""
    mode, _, digest = mark[1:].partition(" ")
    return mark[:1], f"{mode:.4}" if mode.isdecimal() else "?", digest


def _tell_ignored(
    found: dict[str, Changed], kind: Kind, patterns: tuple[str, ...], told: Kind
) -> None:
    """Tell the files apart that only the .dockerignore takes away or leaves."""
    if not kept(patterns):
        return
    is_excluded, left = ignore_file.matcher(patterns), _MOST_PATHS
    for path, one in found.items():
        left -= len(path)
        if one.kind is kind and left > 0 and is_excluded(path):
            found[path] = Changed(path=path, kind=told)


def _is_told(one: Changed, marks: Mapping[str, str], paths: Sequence[str]) -> bool:
    """Return whether a directory comes or goes with what is below it."""
    if one.kind is Kind.FILE_MODE or not marks[one.path].startswith("d"):
        return False
    at = bisect_left(paths, f"{one.path}/")
    return at < len(paths) and paths[at].startswith(f"{one.path}/")
