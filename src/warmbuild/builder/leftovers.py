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

# Label of a volume in memory; the value is its size in bytes.
MEMORY: Final = "io.github.warmbuild.memory"
# What the names of all private directories begin with.
DIRECTORIES: Final = "warmbuild-"
# What the names of the volumes of all builders begin with.
VOLUMES: Final = "buildx_buildkit_"
_DIRECTORY: Final = re.compile(rf"{DIRECTORIES}[0-9a-z_]{{8}}")
_NODE: Final = re.compile(rf"(?P<builder>{OF_A_RUN.pattern})[0-9]{{1,4}}")
# The first node's name is the builder's and 0; its container and volume have this name.
_CONTAINER: Final = "buildx_buildkit_{builder}0"
_VOLUME: Final = f"{_CONTAINER}_state"


class Life(Enum):
    """What can be known here of the process that created something."""

    ALIVE = auto()
    DEAD = auto()
    UNKNOWN = auto()


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
    is_certain: bool = False  # Whether its run is dead for sure, so that its age does not matter


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
    is_of_this_kernel: bool  # Whether its run was, whose lock is seen here then


def verdict(found: Leftover, older_than: timedelta, *, at_once: bool = False) -> Verdict:
    """Decide whether something is removed: if no run uses it, and it is old enough.

    With `at_once`, what a run has left that is surely dead need not be old.
    """
    if found.obstacle:
        return Verdict(removes=False, why=found.obstacle)
    age = f"it is {age_text(found.age)} old"
    if found.age < older_than and not (at_once and found.is_certain):
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


def builder_of_pods(name: str) -> str:
    """Return the builder of a run one of whose nodes has this name, or an empty text.

    The name of a node is that of its builder, and its number.
    """
    found = _NODE.fullmatch(name)
    return found["builder"] if found else ""


def named_builder(volume: str) -> str:
    """Return the builder with a name of its own whose volume this is, or an empty text."""
    before, after = _VOLUME.split("{builder}")
    builder = volume.removeprefix(before).removesuffix(after)
    is_one = volume == _VOLUME.format(builder=builder) and not OF_A_RUN.fullmatch(builder)
    return builder if is_one else ""


def builder(
    name: str, age: timedelta, connections: int, *, is_dead: bool = False, is_named: bool = False
) -> Leftover:
    """Return a builder that has this many clients; `is_dead` is whether its run surely is.

    Another run may be about to use one with a name, so that has to be old in any case.
    """
    clients = "a client is" if connections == 1 else f"{connections} clients are"
    obstacle = f"{clients} connected to it" if connections else ""
    return Leftover(
        name=f"builder {name}",
        age=age,
        unused="its run has ended" if is_dead else "no client is connected to it",
        obstacle=obstacle,
        is_certain=is_dead and not is_named,
    )


def pods(name: str, age: timedelta, life: Life) -> Leftover:
    """Return the pods of a builder; nothing tells who is connected to them."""
    return Leftover(
        name=f"builder {name} in the cluster",
        age=age,
        unused="its run has ended" if life is Life.DEAD else "no run of this machine uses it",
        obstacle="its run has not ended" if life is Life.ALIVE else "",
        is_certain=life is Life.DEAD,
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
        is_certain=entry.lock is Lock.FREE and entry.is_of_this_kernel,
    )
