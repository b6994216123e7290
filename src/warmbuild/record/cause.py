"""Why a step was not cached: causes in words, with names that others wrote made harmless."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

# Names that a text lists, and those that a cause has.
_LISTED: Final = 3
_MOST: Final = 20
# Characters of a name.
_LONGEST: Final = 100


class Kind(Enum):
    """What a cause is about: a word that stays the same, for programs."""

    FILE_CHANGED = "file-changed"
    FILE_ADDED = "file-added"
    FILE_REMOVED = "file-removed"
    FILE_MODE = "file-mode"
    LINK_TARGET = "link-target"
    IGNORED = "ignored"  # excluded by .dockerignore, and not before
    NOT_IGNORED = "not-ignored"
    ARGUMENT_CHANGED = "argument-changed"
    ARGUMENT_ADDED = "argument-added"
    ARGUMENT_REMOVED = "argument-removed"
    VARIABLE_CHANGED = "variable-changed"
    VARIABLE_ADDED = "variable-added"
    VARIABLE_REMOVED = "variable-removed"
    BASE_MOVED = "base-moved"
    BASE_CHANGED = "base-changed"  # FROM names another image
    IMAGE_MOVED = "image-moved"
    EDITED = "edited"
    ADDED = "added"
    REMOVED = "removed"  # what came before the step
    MOVED = "moved"
    DIRECTORY = "directory"
    USER = "user"
    SHELL = "shell"
    STAGE = "stage"  # another stage ran, which has a cause of its own
    PLATFORM = "platform"
    TARGET = "target"
    SETTING = "setting"
    NO_CACHE = "no-cache"
    REFRESH = "refresh"
    NOT_READ = "not-read"
    NOT_NEEDED = "not-needed"  # a cache of which another one has all steps
    MISSING = "missing"
    TOO_OLD = "too-old"
    CONTRADICTS = "contradicts"
    UNREADABLE = "unreadable"
    NO_RECORD = "no-record"
    OTHER_CACHE = "other-cache"  # the record is about another cache
    LOST = "lost"
    MODE_MIN = "mode-min"
    UNKNOWN = "unknown"
    UNEXPLAINED = "unexplained"


# Kinds of causes that say nothing of a step itself.
OF_CACHES: Final = frozenset(
    [
        *(Kind.NOT_READ, Kind.MISSING, Kind.TOO_OLD, Kind.CONTRADICTS, Kind.UNREADABLE),
        *(Kind.NO_RECORD, Kind.OTHER_CACHE),
    ]
)


@frozen
class Cause:
    """One cause."""

    kind: Kind
    text: str  # as a clause
    names: tuple[str, ...] = ()  # of files, arguments, stages, images or refs; not all of many


def named(kind: Kind, names: Sequence[str], before: str, after: str) -> Cause:
    """Return a cause whose text lists names between two others."""
    some = tuple(map(shown, names[:_MOST]))
    text = f"{before} {listed(names)} {after}".strip()
    return Cause(kind=kind, text=text, names=some)


def listed(names: Sequence[str]) -> str:
    """Return the first names and the number of the others."""
    some = [shown(name) for name in names[:_LISTED]]
    if len(names) > _LISTED:
        return f"{', '.join(some)} and {len(names) - _LISTED} more"
    return " and ".join([", ".join(some[:-1]), some[-1]] if len(some) > 1 else some)


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return a text that others wrote in one line: escaped, and cut to some characters."""
    safe = text[:longest]
    if not safe.isprintable():
        safe = "".join(
            one if one.isprintable() else one.encode("unicode_escape").decode() for one in safe
        )
    return f"{safe}…" if len(text) > longest else safe
