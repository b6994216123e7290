"""Decides what a killed run has left behind: its builder, and its private directory.

Only names that warmbuild itself gives are considered, so a name that others choose goes nowhere.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from warmbuild.cache.records import age_text
from warmbuild.frozen import frozen
from warmbuild.inputs.builders import OF_A_RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    # What may have been left behind, and what removes it or raises EngineError.
    Candidate = tuple["Leftover", Callable[[], None]]

# What the names of all private directories begin with.
DIRECTORIES: Final = "warmbuild-"
# What the names of the volumes of all builders begin with.
VOLUMES: Final = "buildx_buildkit_"
_DIRECTORY: Final = re.compile(rf"{DIRECTORIES}[0-9a-z_]{{8}}")
# The first node's name is the builder's and 0; its container and volume have this name.
_CONTAINER: Final = "buildx_buildkit_{builder}0"
_VOLUME: Final = f"{_CONTAINER}_state"


class Lock(Enum):
    """The lock of a private directory."""

    MISSING = auto()
    HELD = auto()
    FREE = auto()


@frozen
class Leftover:
    """What a killed run may have left behind."""

    name: str
    age: timedelta
    unused: str  # Why no run uses it
    obstacle: str = ""  # Why it stays at any age


@frozen
class Verdict:
    """Whether a leftover is to be removed, and why."""

    removes: bool
    why: str = ""


@frozen
class Entry:
    """An entry of the temporary directory that has the name of a private directory."""

    name: str
    age: timedelta
    is_directory: bool
    is_own: bool
    is_private: bool  # Only its owner has access
    lock: Lock


def verdict(found: Leftover, older_than: timedelta) -> Verdict:
    """Decide whether something is removed: if no run uses it, and it is old enough."""
    if found.obstacle:
        return Verdict(removes=False, why=found.obstacle)
    age = f"it is {age_text(found.age)} old"
    if found.age < older_than:
        least = age_text(older_than)
        why = f"{age}, and nothing younger than {least} is removed (--older-than)"
        return Verdict(removes=False, why=why)
    return Verdict(removes=True, why=f"{age}, and {found.unused}")


def is_directory_name(name: str) -> bool:
    """Return whether warmbuild gives such a name to a private directory."""
    return bool(_DIRECTORY.fullmatch(name))


def container(builder: str) -> str:
    """Return the name of a builder's container, or of that of its first node."""
    return _CONTAINER.format(builder=builder)


def volume(builder: str) -> str:
    """Return the name of the volume with a builder's state."""
    return _VOLUME.format(builder=builder)


def container_of(volume: str) -> str:
    """Return the name of the container that a volume with a builder's state belongs to."""
    return volume.removesuffix(_VOLUME.removeprefix(_CONTAINER))


def builder_of(name: str) -> str:
    """Return the builder of a run whose volume has this name, or an empty text."""
    before, after = _VOLUME.split("{builder}")
    builder = name.removeprefix(before).removesuffix(after)
    return builder if OF_A_RUN.fullmatch(builder) and name == volume(builder) else ""


def builder(name: str, age: timedelta, connections: int) -> Leftover:
    """Return a builder of a run that has this many clients."""
    clients = "a client is" if connections == 1 else f"{connections} clients are"
    return Leftover(
        name=f"builder {name}",
        age=age,
        unused="no client is connected to it",
        obstacle=f"{clients} connected to it" if connections else "",
    )


def directory(entry: Entry) -> Leftover:
    """Return an entry of the temporary directory, with what tells it from a killed run's."""
    obstacles = (
        (not entry.is_directory, "it is not a directory"),
        (not entry.is_own, "it belongs to another user"),
        (not entry.is_private, "other users have access to it, so no run created it"),
        (entry.lock is Lock.MISSING, "it has no lock, so no run created it"),
        (entry.lock is Lock.HELD, "its run has not ended"),
    )
    return Leftover(
        name=f"private directory {entry.name}",
        age=entry.age,
        unused="its run has ended",
        obstacle=next((why for applies, why in obstacles if applies), ""),
    )
