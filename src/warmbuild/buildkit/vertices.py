"""What BuildKit works on, and what it says of that: vertices, their statuses, and news of both.

A vertex is a step, a source, an import or an export. All times are the daemon's.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

# Last lines of a step that an error quotes.
_TAIL: Final = 12
# [stage 2/4] RUN ..., [linux/arm64 build 1/3] FROM ...; the count is right-aligned.
_STEP: Final = re.compile(
    r"\[(?P<inside>[^\]]*)\] (?P<instruction>(?:ONBUILD )?[A-Z]+\b.*)", re.DOTALL
)
_POSITION: Final = re.compile(r"[0-9]+/[0-9]+")
_UNPACKING: Final = "extracting "
# What an image's export says while it pushes: layers, and then `pushing manifest for` a ref.
_PUSHING: Final = "pushing "
# What the export of a cache says of each layer, also of one that the registry has already.
_WRITING: Final = "writing layer "
# The error of what ends because the whole build does.
CANCELLED: Final = "context canceled"
IMPORT: Final = "importing cache manifest from "
# GitHub's exporter has a name of its own; an inline cache is exported as part of its image.
EXPORT: Final = ("exporting cache to ", "exporting to GitHub Actions Cache")


@dataclass(slots=True, kw_only=True)
class Status:
    """A part of a vertex that takes time, such as the download of a layer."""

    name: str
    begun: datetime | None = None
    ended: datetime | None = None
    current: int = 0  # bytes, mostly
    total: int = 0  # 0 if BuildKit does not know

    @property
    def is_unpacking(self) -> bool:
        """Whether it unpacks a layer."""
        return self.name.startswith(_UNPACKING)


@dataclass(slots=True, kw_only=True)
class Vertex:
    """One vertex, as far as the stream has told of it."""

    digest: str
    name: str
    names: dict[str, str] = field(default_factory=dict)  # by target, without the target's name
    intervals: dict[datetime, datetime | None] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()  # digests of the vertices that it is made from
    cached: bool = False
    met: bool = False  # whether an earlier call had it
    error: str = ""
    closed: int = 0  # intervals whose end was told
    partial: dict[object, str] = field(default_factory=dict)  # by stream: text without a newline
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    manifest: str = ""
    statuses: dict[str, Status] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and has neither ended nor failed."""
        return bool(self.intervals) and not self.ended and not self.error

    @property
    def is_cancelled(self) -> bool:
        """Whether BuildKit ended it early, after a failure elsewhere or without a need for it."""
        return CANCELLED in self.error

    @property
    def bares(self) -> tuple[str, ...]:
        """Its names without the names of targets; at least one."""
        return tuple(self.names.values()) or (self.name,)

    @property
    def bare(self) -> str:
        """The first of them."""
        return self.bares[0]

    @property
    def ended(self) -> bool:
        """Whether all that it has begun has ended."""
        return bool(self.intervals) and None not in self.intervals.values()

    @property
    def seconds(self) -> float:
        """The length of its intervals, with what overlaps counted once."""
        return length((a, b) for a, b in self.intervals.items() if b is not None)

    @property
    def place(self) -> Place | None:
        """Where in the Dockerfile it is; None if it is no instruction."""
        return place(self.bare)

    @property
    def is_source(self) -> bool:
        """Whether it is an image or a context that steps are made from."""
        if "] load " in self.bare:
            return "context" in self.bare or "from client" in self.bare
        return bool(self.place and self.place.is_base)

    @property
    def is_metadata(self) -> bool:
        """Whether it asks for an image alone, of which it says nothing more."""
        return "load metadata for " in self.bare

    @property
    def is_export(self) -> bool:
        """Whether it exports an image or a cache."""
        return self.bare.startswith("exporting ")

    @property
    def pushing(self) -> tuple[str, ...]:
        """What it pushes at the moment."""
        return tuple(
            status.name
            for status in self.statuses.values()
            if is_push(status.name) and not status.ended
        )

    def unpacked(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield when each layer was unpacked for it."""
        for status in self.statuses.values():
            if status.is_unpacking and status.begun and status.ended:
                yield status.begun, status.ended


@frozen
class Place:
    """An instruction of a Dockerfile."""

    prefix: str  # platform and stage, as far as BuildKit names them
    position: str  # such as 2/4
    instruction: str

    @property
    def is_base(self) -> bool:
        """Whether it is the image below a stage."""
        return self.instruction.startswith("FROM ")

    @property
    def is_command(self) -> bool:
        """Whether it runs a program, which writes lines."""
        return self.instruction.removeprefix("ONBUILD ").startswith("RUN ")


def place(name: str) -> Place | None:
    """Return the instruction that a vertex's name tells of; None if it tells of none."""
    match = _STEP.fullmatch(name)
    prefix, _, position = match["inside"].rpartition(" ") if match else ("", "", "")
    if not match or not _POSITION.fullmatch(position):
        return None
    return Place(prefix=prefix.rstrip(" "), position=position, instruction=match["instruction"])


def is_push(status: str) -> bool:
    """Return whether a status of an image's export, by its name, is of the push."""
    return status.startswith(_PUSHING)


def is_written(status: str) -> bool:
    """Return whether a status, by its name, is of a layer that is written into a cache."""
    return status.startswith(_WRITING)


def length(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the length of intervals in seconds, with what overlaps counted once."""
    total, end = 0.0, None
    for start, stop in sorted(intervals):
        begin = start if end is None else max(start, end)
        total += max(0.0, (stop - begin).total_seconds())
        end = stop if end is None else max(stop, end)
    return total


@frozen
class Text:
    """A line that buildx itself wrote."""

    text: str


@frozen
class Begun:
    """A vertex is met for the first time."""

    vertex: Vertex


@frozen
class Moved:
    """A status has news."""

    vertex: Vertex
    status: Status


@frozen
class Line:
    """A step has written a line."""

    vertex: Vertex
    elapsed: float  # seconds since the step began
    text: str


@frozen
class Ended:
    """A vertex has ended, for now: BuildKit may begin it again."""

    vertex: Vertex


@frozen
class Cautioned:
    """BuildKit warns of something."""

    text: str


News: TypeAlias = Text | Begun | Moved | Line | Ended | Cautioned
