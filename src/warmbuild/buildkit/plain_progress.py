"""Prints what a build does as plain progress: a line for each thing that begins, moves or ends.

Each vertex is begun and ended once, though BuildKit may end and begin it several times: it says of
a cached step that it is done, and downloads the step's layers afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit.vertices import Begun, Cautioned, Ended, Line, Moved, Text
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from warmbuild.buildkit.vertices import News, Status, Vertex

# Seconds that the end of a vertex or the begin of a status waits for what may still change it.
_HELD: Final = 0.3
# Seconds between two lines about the same status.
_INTERVAL: Final = 5.0
# Seconds that a vertex which an earlier call had may take before it is shown after all.
_NOTICED: Final = 1.0
# Seconds without a line after which one says what is waited for.
_SILENCE: Final = 15.0
# Seconds before it in which is counted what is written meanwhile.
_COUNTED: Final = 5.0
# The most that such a line names.
_NAMED: Final = 3
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")


class Event(StrEnum):
    """What a line of progress tells, of a vertex but for the last one."""

    BEGUN = "begun"
    STATUS = "status"  # a part of it begins, moves or ends
    OUTPUT = "output"  # its command has written a line
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"
    WAITING = "waiting"  # nothing has come for long

    @property
    def is_end(self) -> bool:
        """Whether nothing but output and statuses follows."""
        return self in {Event.DONE, Event.CACHED, Event.FAILED}


@frozen
class Said:
    """A line of progress, and what it tells."""

    words: str  # the line without the number of the vertex
    event: Event | None = None  # None of what buildx says itself, and of warnings
    number: int = 0  # of the vertex, from 1; 0 if it is of none
    name: str = ""  # of the vertex
    more: Mapping[str, object] = field(default_factory=dict)  # further fields of its JSON

    @property
    def text(self) -> str:
        """The line."""
        return f"#{self.number} {self.words}" if self.number else self.words

    @property
    def fields(self) -> Mapping[str, object]:
        """What its JSON has in addition to the line: a public contract, see docs/log.md."""
        level = {"level": "debug"} if self.event is Event.STATUS else {}
        event = {"event": self.event.value} if self.event else {}
        vertex = {"vertex": self.number, "name": self.name} if self.number else {}
        return {**level, **event, **vertex, **self.more}


@dataclass(slots=True, kw_only=True)
class _Shown:
    """What is printed of a status."""

    since: float  # when it was first told of
    at: float = 0.0  # when it was last printed; 0.0 if it was not
    current: int = 0  # what was last printed of it
    is_done: bool = False


@dataclass(slots=True, kw_only=True)
class _Entry:
    """What is printed of a vertex."""

    vertex: Vertex
    since: float  # when it was first told of
    is_known: bool  # whether an earlier call had it, which printed it
    number: int = 0  # 0 if nothing is printed of it
    held: float | None = None  # since when its end waits
    is_ended: bool = False  # whether its end is printed
    statuses: dict[str, _Shown] = field(default_factory=dict)

    def said(self, words: str, event: Event, **more: object) -> Said:
        """Return a line about it."""
        name = one_line(self.vertex.name)
        return Said(words=words, event=event, number=self.number, name=name, more=more)


class Printer:
    """Turns news into lines; times are seconds of any clock that does not go back.

    A call of the same build that follows, such as an export of its cache, shows only what is new:
    of the vertices that were met before, it prints those that do something.
    """

    glance: Final = 0.5

    def __init__(self, *, is_verbose: bool = False) -> None:
        """Begin with nothing printed; a verbose printer prints everything, and at once."""
        self._is_verbose = is_verbose
        self._held = 0.0 if is_verbose else _HELD
        self._known: frozenset[str] = frozenset()
        self._entries: dict[str, _Entry] = {}
        self._count = 0
        self._last: float | None = None  # when a line was last printed
        # What the builder had written by then, as last counted.
        self._count_at: tuple[float, int] | None = None

    def begin(self) -> None:
        """Begin a call; what earlier calls have met is known."""
        if not self._is_verbose:
            met = (name for entry in self._entries.values() for name in entry.vertex.bares)
            self._known = self._known.union(met)
        self._entries, self._last, self._count_at = {}, None, None

    def lines(self, news: Iterable[News], now: float) -> Iterator[Said]:
        """Yield the lines that news make."""
        for one in news:
            for line in self._of(one, now):
                self._last = now
                yield line
        for line in self._due(now):
            self._last = now
            yield line

    def counts(self, now: float) -> bool:
        """Return whether `settle` can use the bytes that the builder has written."""
        silent = now - (now if self._last is None else self._last)
        limit = _SILENCE if self._count_at else _SILENCE - _COUNTED
        return silent >= limit and any(
            entry.vertex.is_export and entry.vertex.is_running for entry in self._entries.values()
        )

    def settle(self, now: float, written: int | None = None) -> Iterator[Said]:
        """Yield the lines that are due because nothing has come; call it twice a second or so.

        `written` is how many bytes the builder has written by now, if that is known.
        """
        if self._last is None:
            self._last = now
        pace = self._pace(now, written)
        for line in (*self._due(now), *self._heartbeat(now, pace)):
            self._last = now
            yield line

    def close(self, now: float) -> Iterator[Said]:
        """Yield the lines that were held back, at the end of the stream."""
        for entry in self._entries.values():
            yield from self._moved_at_last(entry, now)
            if entry.held is not None:
                yield from self._end(entry)

    def _of(self, one: News, now: float) -> Iterator[Said]:
        if isinstance(one, Text):
            yield Said(words=one.text)
        elif isinstance(one, Cautioned):
            yield Said(words=f"WARNING: {one_line(one.text)}")
        else:
            yield from self._of_vertex(one, now)

    def _of_vertex(self, one: Begun | Moved | Line | Ended, now: float) -> Iterator[Said]:
        vertex = one.vertex
        entry = self._entries.get(vertex.digest)
        if entry is None:
            is_known = any(name in self._known for name in vertex.bares)
            entry = _Entry(vertex=vertex, since=now, is_known=is_known)
            self._entries[vertex.digest] = entry
        if isinstance(one, Begun):
            yield from self._release(vertex) if vertex.is_running else ()
            yield from () if entry.is_known else self._begin(entry)
        elif isinstance(one, Line):
            yield from self._begin(entry)
            text = one_line(one.text)
            yield entry.said(
                f"{one.elapsed:.3f} {text}", Event.OUTPUT, seconds=one.elapsed, output=text
            )
        elif isinstance(one, Moved):
            yield from self._moved(entry, one.status, now)
        else:
            yield from self._ended(entry, now)

    def _begin(self, entry: _Entry) -> Iterator[Said]:
        if not entry.number:
            self._count += 1
            entry.number = self._count
            yield entry.said(one_line(entry.vertex.name), Event.BEGUN)

    def _release(self, vertex: Vertex) -> Iterator[Said]:
        """Print the ends of what a vertex has waited for."""
        for digest in vertex.inputs:
            source = self._entries.get(digest)
            if source and source.held is not None:
                yield from self._end(source)

    def _ended(self, entry: _Entry, now: float) -> Iterator[Said]:
        yield from self._release(entry.vertex)
        vertex = entry.vertex
        if entry.is_ended:
            return
        has_run = vertex.place and not vertex.place.is_base and not vertex.cached
        if vertex.error or (entry.is_known and has_run):
            yield from self._begin(entry)
        entry.held = now
        if vertex.error or not self._held or self._is_over(vertex):
            yield from self._end(entry)

    def _end(self, entry: _Entry) -> Iterator[Said]:
        entry.held, entry.is_ended, vertex = None, True, entry.vertex
        if not entry.number:
            return
        for name, shown in entry.statuses.items():
            if vertex.statuses[name].ended and not shown.is_done:
                yield self._status(entry, vertex.statuses[name], shown)
        if vertex.error:
            error = one_line(vertex.error)
            yield entry.said(f"ERROR: {error}", Event.FAILED, error=error)
        elif vertex.cached:
            yield entry.said("CACHED", Event.CACHED)
        else:
            yield entry.said(
                f"DONE {vertex.seconds:.1f}s", Event.DONE, seconds=round(vertex.seconds, 3)
            )

    def _moved(self, entry: _Entry, status: Status, now: float) -> Iterator[Said]:
        shown = entry.statuses.setdefault(status.name, _Shown(since=now))
        if shown.is_done:
            return
        if entry.number and (status.ended or self._is_due(shown, now)):
            shown.at, shown.current = now, status.current
            yield self._status(entry, status, shown)
        if entry.held is not None and self._is_over(entry.vertex):
            yield from self._end(entry)

    @staticmethod
    def _is_over(vertex: Vertex) -> bool:
        """Return whether nothing more is expected of a vertex that has ended.

        A command may have written lines that come later, a source has parts that do, and what is
        exported has one part after another.
        """
        if vertex.is_source or vertex.is_export:
            return False
        if vertex.place:
            return vertex.cached or not vertex.place.is_command
        is_silent = vertex.is_metadata
        statuses = vertex.statuses.values()
        return is_silent or (bool(statuses) and all(one.ended for one in statuses))

    def _is_due(self, shown: _Shown, now: float) -> bool:
        if not shown.at:
            return now - shown.since >= self._held
        return now - shown.at >= _INTERVAL

    def _moved_at_last(self, entry: _Entry, now: float) -> Iterator[Said]:
        """Print what is new of the statuses of a vertex, if it is due."""
        for name, shown in entry.statuses.items():
            status = entry.vertex.statuses[name]
            is_new = not shown.at or status.current != shown.current or status.ended
            if entry.number and not shown.is_done and is_new and self._is_due(shown, now):
                shown.at, shown.current = now, status.current
                yield self._status(entry, status, shown)

    @staticmethod
    def _status(entry: _Entry, status: Status, shown: _Shown) -> Said:
        shown.is_done = status.ended is not None
        name, amount = one_line(status.name), amount_text(status.current, status.total)
        more: dict[str, object] = {"status": name, "current": status.current, "total": status.total}
        took = ""
        if status.ended and status.begun:
            seconds = (status.ended - status.begun).total_seconds()
            took, more["seconds"] = f" {seconds:.1f}s", seconds
        done = f"{took} done" if status.ended else ""
        more["done"] = shown.is_done
        return entry.said(f"{name}{amount}{done}", Event.STATUS, **more)

    def _due(self, now: float) -> Iterator[Said]:
        for entry in self._entries.values():
            is_slow = entry.vertex.is_running and now - entry.since >= _NOTICED
            if entry.is_known and not entry.number and is_slow:
                yield from self._begin(entry)
            yield from self._moved_at_last(entry, now)
            is_late = entry.held is not None and now - entry.held >= self._held
            # More may come of these until a step needs them, or until the very end.
            if is_late and not (entry.vertex.is_source or entry.vertex.is_export):
                yield from self._end(entry)

    def _pace(self, now: float, written: int | None) -> str:
        """Return what was written since the last count, or an empty text."""
        before, self._count_at = self._count_at, (now, written) if written else self._count_at
        if not (before and written):
            return ""
        took, size = now - before[0], written - before[1]
        if took < 1 or size < 0:
            return ""
        pace = size_text(round(size / took))
        return f"; {size_text(size)} written in the last {took:.0f} s, {pace}/s"

    def _heartbeat(self, now: float, pace: str) -> Iterator[Said]:
        """Yield what is waited for, if no line has been printed for long."""
        if self._last is None or now - self._last < _SILENCE:
            return
        running = [entry for entry in self._entries.values() if entry.vertex.is_running]
        waits = [text for entry in running for text in self._waits(entry, now)]
        more = f", and {len(waits) - _NAMED} more" if len(waits) > _NAMED else ""
        if waits:
            text = f"still {', '.join(waits[:_NAMED])}{more}{pace}"
            yield Said(words=text, event=Event.WAITING)

    @staticmethod
    def _waits(entry: _Entry, now: float) -> Iterator[str]:
        """Yield what a vertex does at the moment."""
        name, since = one_line(entry.vertex.bare), f"for {now - entry.since:.0f} s"
        open_ = [one for one in entry.vertex.statuses.values() if not one.ended]
        for status in open_:
            amount = amount_text(status.current, status.total)
            yield f"{name}: {one_line(status.name)}{amount} {since}"
        if not open_:
            yield f"{name} {since}"


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return " ".join(_LINE_ENDS.split(text))


def amount_text(current: int, total: int) -> str:
    """Return how far a status is, behind a space, or an empty text if that is not known."""
    of = f" / {size_text(total)}" if total else ""
    return f" {size_text(current)}{of}" if current else ""


def size_text(count: int) -> str:
    """Return a number of bytes in decimal units, as buildx has them."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 (decimal units)
            return f"{size:.0f}B" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1000
    return f"{size:.2f}GB"
