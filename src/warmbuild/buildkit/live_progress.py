"""What a terminal shows of a build: lines of what is done, and below them rows of what runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit.plain_progress import Printer, amount_text, one_line, size_text
from warmbuild.buildkit.vertices import Cautioned, Moved, Text
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.buildkit.plain_progress import Said
    from warmbuild.buildkit.vertices import News, Vertex

# Seconds over which the rate of a transfer is taken.
_WINDOW: Final = 5.0
# Seconds between two counts of what the builder has written.
_COUNTED: Final = 2.0


@frozen
class Row:
    """A vertex that runs, or a part of the one above it."""

    text: str
    is_part: bool = False
    took: str = ""  # how long a vertex runs, or how far a part is
    current: int = 0
    total: int = 0  # 0 if a row has no bar


class _Moves:
    """How far something was, and when."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def count(self) -> int:
        """How far it has moved."""
        return self._recent[-1][1] - (self._first or 0) if self._recent else 0

    def add(self, now: float, count: int) -> None:
        """Note how far it is."""
        self._first = count if self._first is None else self._first
        self._recent.append((now, count))
        while now - self._recent[0][0] > _WINDOW:
            self._recent.popleft()

    def speed(self, now: float) -> str:
        """Return how fast it moves, behind a space, or an empty text if it does not."""
        recent = [(at, count) for at, count in self._recent if now - at <= _WINDOW]
        if not recent or now <= recent[0][0] or recent[-1][1] <= recent[0][1]:
            return ""
        begun, first = recent[0]
        return f" {size_text(round((recent[-1][1] - first) / (now - begun)))}/s"


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A vertex that runs."""

    vertex: Vertex
    since: float  # when it began, or began again
    moves: dict[str, _Moves] = field(default_factory=dict)  # by status


class LiveProgress:
    """Turns news into lines of what is done, as `Printer` does, and into rows of what runs."""

    def __init__(self) -> None:
        self._printer = Printer()
        self._running: dict[str, _Entry] = {}
        self._writes = _Moves()
        self._counted = 0.0  # when what the builder has written was asked for

    def begin(self) -> None:
        """Begin a call; what earlier calls have met is known."""
        self._printer.begin()
        self._running, self._writes = {}, _Moves()

    def lines(self, news: Sequence[News], now: float) -> Iterator[Said]:
        """Yield the lines that news make."""
        for one in news:
            if isinstance(one, Text | Cautioned):
                continue
            if not _is_on(one.vertex):
                self._running.pop(one.vertex.digest, None)
                continue
            entry = self._running.setdefault(
                one.vertex.digest, _Entry(vertex=one.vertex, since=now)
            )
            if isinstance(one, Moved):
                moves = entry.moves.setdefault(one.status.name, _Moves())
                moves.add(now, one.status.current)
        yield from _of_what_is_done(self._printer.lines(news, now))

    def counts(self, now: float) -> bool:
        """Return whether `settle` can use the bytes that the builder has written."""
        exports = (entry.vertex for entry in self._running.values() if entry.vertex.is_export)
        return now - self._counted >= _COUNTED and any(one.is_running for one in exports)

    def settle(self, now: float, written: int | None = None) -> Iterator[Said]:
        """Yield the lines that are due because nothing has come."""
        if self.counts(now):
            self._counted = now
        if written:
            self._writes.add(now, written)
        yield from _of_what_is_done(self._printer.settle(now))

    def close(self, now: float) -> Iterator[Said]:
        """Yield the lines that were held back, at the end of the stream."""
        yield from _of_what_is_done(self._printer.close(now))

    def rows(self, now: float, most: int) -> Sequence[Row]:
        """Return what runs, in `most` rows at most, the last of which counts those left out."""
        rows = [row for entry in self._running.values() for row in self._of(entry, now)]
        if len(rows) <= most:
            return rows
        return [*rows[: most - 1], Row(text=f"and {len(rows) - most + 1} more")]

    def _of(self, entry: _Entry, now: float) -> Iterator[Row]:
        """Yield the row of a vertex, and those of its parts; a command has its last line.

        BuildKit tells no bytes of what is pushed, so an export has what the builder has written.
        """
        vertex = entry.vertex
        yield Row(text=one_line(vertex.name), took=f"{now - entry.since:.1f}s")
        running = [status for status in vertex.statuses.values() if not status.ended]
        for status in running:
            speed = entry.moves[status.name].speed(now) if status.name in entry.moves else ""
            yield Row(
                text=one_line(status.name),
                is_part=True,
                took=f"{amount_text(status.current, status.total)}{speed}".strip(),
                current=status.current,
                total=status.total,
            )
        if vertex.is_export and (count := self._writes.count):
            took = f"{size_text(count)}{self._writes.speed(now)}"
            yield Row(text="written", is_part=True, took=took)
        if vertex.tail and not running:
            yield Row(text=one_line(vertex.tail[-1]), is_part=True)


def _is_on(vertex: Vertex) -> bool:
    """Return whether something of a vertex runs; layers are fetched for what is cached, too."""
    if vertex.error:
        return False
    return vertex.is_running or any(not status.ended for status in vertex.statuses.values())


def _of_what_is_done(said: Iterator[Said]) -> Iterator[Said]:
    """Yield the lines that stay: ends, with the name of what has ended, and what is no vertex's."""
    for one in said:
        if one.event and one.event.is_end:
            yield replace(one, words=f"{one.name} {one.words}", number=0)
        elif not one.event:
            yield one
