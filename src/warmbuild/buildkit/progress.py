"""BuildKit's raw progress: printed in the plain form people know, and counted.

The stream is `buildx build --progress=rawjson`: a `SolveStatus` of BuildKit's client package a
line (vertexes, statuses, logs, warnings), mixed with text lines of buildx itself. Times are the
daemon's, so nothing here looks at a clock.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.buildkit import checks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from warmbuild.buildkit.checks import Warned

# [stage 2/4] RUN ..., [linux/arm64 build 1/3] FROM ...; the count is right-aligned.
_STEP: Final = re.compile(
    r"\[(?:(?P<prefix>.+?) )? *(?P<index>\d+)/(?P<count>\d+)\] "
    r"(?P<instruction>(?:ONBUILD )?[A-Z]+\b.*)",
    re.DOTALL,
)
_SOURCE_LINE: Final = re.compile(r"\S.*:\d+")
_IMPORT: Final = "importing cache manifest from "
# GitHub's exporter has a name of its own; an inline cache is part of an image, and no export.
_EXPORT: Final = ("exporting cache to ", "exporting to GitHub Actions Cache")
_MANIFEST_WRITTEN: Final = re.compile(r"writing (?:cache image )?manifest (?P<digest>sha256:\w+)")
# How many of a step's last lines an error quotes.
_TAIL: Final = 12
# How often a status that is under way is printed, in seconds.
_STATUS_INTERVAL: Final = 5.0
_SPEECH: Final = ("statuses", "logs")
# How bake says of which target something is: [web] exporting, [web internal], [web build 2/4] RUN.
_OF_TARGET: Final = re.compile(
    r"\[(?P<target>[^\s\]]+)(?: (?P<inside>.+)|\] (?P<text>.+))", re.DOTALL
)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction of the Dockerfile, but for FROM; `seconds` is None where it never ran."""

    prefix: str
    position: str
    instruction: str
    cached: bool
    seconds: float | None
    error: str

    @property
    def title(self) -> str:
        """The step as BuildKit names it."""
        prefix = f"{self.prefix} " if self.prefix else ""
        return f"[{prefix}{self.position}] {self.instruction}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a build failed: the vertex, its last lines, and the Dockerfile's line if buildx says."""

    title: str
    error: str
    tail: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An import of a cache, or an export: `name` is the ref or the backend, `error` or empty.

    `digest` is the manifest that an export wrote; it is empty where there was nothing to write.
    """

    name: str
    error: str
    digest: str = ""

    @property
    def is_to_registry(self) -> bool:
        """Whether this is an export to a registry, as BuildKit calls it."""
        return self.name == "registry"


@dataclass(slots=True, kw_only=True)
class _Vertex:
    """`name` is as BuildKit has it, and `names` are those of its targets without theirs."""

    number: int
    name: str
    names: dict[str, str] = field(default_factory=dict)
    intervals: dict[datetime, datetime | None] = field(default_factory=dict)
    cached: bool = False
    met: bool = False
    error: str = ""
    closed: int = 0
    spoken: bool = False
    # What each of a command's two streams has not ended by a newline yet.
    partial: dict[object, str] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    manifest: str = ""

    @property
    def bare(self) -> str:
        """The name without a target's."""
        return next(iter(self.names.values()), self.name)

    @property
    def bares(self) -> tuple[str, ...]:
        """All names that it has without a target's."""
        return tuple(self.names.values()) or (self.name,)

    @property
    def ended(self) -> bool:
        """Whether everything that it began is over."""
        return bool(self.intervals) and None not in self.intervals.values()

    @property
    def seconds(self) -> float:
        """The time it took: the length of its intervals taken together."""
        total, end = 0.0, None
        for start, stop in sorted((a, b) for a, b in self.intervals.items() if b is not None):
            begin = start if end is None else max(start, end)
            total += max(0.0, (stop - begin).total_seconds())
            end = stop if end is None else max(stop, end)
        return total


class Progress:
    """Takes the stream line by line; remembers what happened."""

    def __init__(self, targets: Collection[str] = ()) -> None:
        """Start with nothing seen; `moves` counts what was news, which a repetition is not.

        `targets` are those that bake builds where it builds several: only then it says which.
        """
        self.moves = 0
        self._targets = targets
        self._amounts: dict[tuple[str, str], object] = {}
        self._vertices: dict[str, _Vertex] = {}
        self._statuses: dict[tuple[str, str], datetime] = {}
        self._text: deque[str] = deque(maxlen=60)
        self._warned: dict[Warned, None] = {}

    def feed(self, line: str) -> Iterator[str]:
        """Take one line of the stream and yield the lines to print."""
        status = _status(line)
        if status is None:
            self._text.append(line)
            yield line
            return
        vertices = list(untrusted_json.children(status, "vertexes"))
        self.moves += len(vertices) + len(list(untrusted_json.children(status, "logs")))
        spoken = {
            untrusted_json.text(item, "vertex")
            for name in _SPEECH
            for item in untrusted_json.children(status, name)
        }
        for vertex in vertices:
            yield from self._begin(vertex)
            if untrusted_json.text(vertex, "digest") not in spoken:
                yield from self._end(vertex)
        for item in untrusted_json.children(status, "statuses"):
            yield from self._status(item)
        for log in untrusted_json.children(status, "logs"):
            yield from self._log(log)
        # What a step said in the same message comes before its end.
        for vertex in vertices:
            yield from self._end(vertex)
        for warning in untrusted_json.children(status, "warnings"):
            self._warned[checks.warned(warning)] = None
            yield f"WARNING: {_one_line(_decoded(warning.get('short')))}"

    def of(self, target: str) -> Progress:
        """Return what happened for a target; what several share happened for each of them."""
        if target not in self._targets:
            return self
        part = Progress()
        part._vertices = {
            digest: replace(vertex, name=vertex.names[target], names={})
            for digest, vertex in self._vertices.items()
            if target in vertex.names
        }
        part._text = self._text
        return part

    def goes_on(self, earlier: Progress) -> None:
        """Know again what was in an earlier call with the same builder; what ran there has run.

        Steps are known by their names too, for a vertex with files of the context is another one
        in each call.
        """
        before = {name: vertex for vertex in earlier._vertices.values() for name in vertex.bares}
        for digest, vertex in self._vertices.items():
            by_name = next((before[name] for name in vertex.bares if name in before), None)
            found = earlier._vertices.get(digest, by_name)
            if not found:
                continue
            vertex.met = True
            if vertex.cached and found.intervals and not found.cached:
                vertex.cached, vertex.intervals = False, found.intervals

    def warnings(self) -> tuple[Warned, ...]:
        """Return what BuildKit warned of; what holds for several platforms is said once."""
        return tuple(self._warned)

    def steps(self, *, new: bool = False) -> tuple[Step, ...]:
        """Return the instructions that ran or were cached, in the order in which they came up.

        Of those that were in an earlier call only if not `new` ones alone are asked for.
        """
        found: list[Step] = []
        for vertex in self._vertices.values():
            if new and vertex.met:
                continue
            match = _STEP.fullmatch(vertex.name)
            # One that was merged with another platform's never starts: neither hit nor miss.
            if not match or not (vertex.intervals or vertex.cached):
                continue
            if match["instruction"].split(" ", 1)[0] == "FROM":
                continue
            found.append(
                Step(
                    prefix=match["prefix"] or "",
                    position=f"{match['index']}/{match['count']}",
                    instruction=match["instruction"],
                    cached=vertex.cached,
                    seconds=vertex.seconds if vertex.intervals else None,
                    error=vertex.error,
                )
            )
        return tuple(found)

    def imports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to read."""
        return tuple(self._transfers((_IMPORT,)))

    def exports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to write; one that never ended has an error."""
        return tuple(self._transfers(_EXPORT))

    def waiting_for(self) -> str:
        """Return what is waited for where that is nothing but a cache, else nothing.

        `import` is that of its records, `layers` are those that a step needs which is not cached.
        """
        running = list(self._running())
        if any(vertex.bare.startswith(_IMPORT) for vertex in running):
            return "import"
        if running and all(vertex.cached for vertex in running):
            return "layers"
        return "export" if running and all(_is_export(vertex.bare) for vertex in running) else ""

    def failure(self) -> Failure:
        """Return why the build failed, once it has."""
        failed = [
            vertex
            for vertex in self._vertices.values()
            if vertex.error
            and not vertex.bare.startswith((_IMPORT, *_EXPORT))
            and "context canceled" not in vertex.error
        ]
        errors = [text.removeprefix("ERROR: ") for text in self._text if text.startswith("ERROR: ")]
        # buildx heads its excerpt of the Dockerfile by `Dockerfile:3` and a rule.
        texts = list(self._text)
        sources = [
            text
            for text, below in pairwise(texts)
            if _SOURCE_LINE.fullmatch(text) and below.startswith("----")
        ]
        last = failed[-1] if failed else None
        spoken = [text for text in self._text if text.strip()]
        error = errors[-1] if errors else last.error if last else "\n".join(spoken[-3:])
        for target in self._targets:
            error = error.removeprefix(f"target {target}: ")
        return Failure(
            title=last.name if last else "",
            error=error.removeprefix("failed to build: ").removeprefix("failed to solve: "),
            tail=tuple(last.tail) if last else (),
            source=sources[-1] if sources else "",
        )

    def _running(self) -> Iterator[_Vertex]:
        return (
            vertex
            for vertex in self._vertices.values()
            if vertex.intervals and not vertex.ended and not vertex.error
        )

    def _transfers(self, prefixes: tuple[str, ...]) -> Iterator[Transfer]:
        for vertex in self._vertices.values():
            prefix = next((one for one in prefixes if vertex.bare.startswith(one)), None)
            if prefix is None:
                continue
            yield Transfer(
                name=vertex.bare.removeprefix(prefix) or vertex.bare,
                error=vertex.error or ("" if vertex.ended else "it did not end"),
                digest=vertex.manifest,
            )

    def _named(self, name: str) -> tuple[str, str] | None:
        """Return a target and what it calls a vertex, where a name says so."""
        found = _OF_TARGET.fullmatch(name) if self._targets else None
        if not found or found["target"] not in self._targets:
            return None
        return found["target"], f"[{found['inside']}" if found["inside"] else found["text"]

    def _begin(self, item: Mapping[str, object]) -> Iterator[str]:
        started, cached, error = _time(item, "started"), item.get("cached"), item.get("error")
        digest = untrusted_json.text(item, "digest")
        if not (started or cached or error):
            return
        if digest not in self._vertices:
            vertex = _Vertex(number=len(self._vertices) + 1, name=untrusted_json.text(item, "name"))
            self._vertices[digest] = vertex
            yield f"#{vertex.number} {_one_line(vertex.name)}"
        vertex = self._vertices[digest]
        if named := self._named(untrusted_json.text(item, "name")):
            vertex.names.setdefault(*named)
        vertex.cached = vertex.cached or bool(cached)
        vertex.error = vertex.error or untrusted_json.text(item, "error")
        if started:
            completed = _time(item, "completed")
            vertex.intervals[started] = completed or vertex.intervals.get(started)

    def _end(self, item: Mapping[str, object]) -> Iterator[str]:
        vertex = self._vertices.get(untrusted_json.text(item, "digest"))
        if vertex is None:
            return
        closed = sum(1 for stop in vertex.intervals.values() if stop)
        if closed <= vertex.closed and not (vertex.cached and not vertex.intervals):
            return
        yield from self._flush(vertex)
        first, vertex.closed = vertex.closed == 0, max(closed, 1)
        if not first and not vertex.spoken and not vertex.error:
            return
        vertex.spoken = False
        if vertex.error:
            yield f"#{vertex.number} ERROR: {_one_line(vertex.error)}"
        elif vertex.cached and first:
            yield f"#{vertex.number} CACHED"
        else:
            yield f"#{vertex.number} DONE {vertex.seconds:.1f}s"

    def _status(self, item: Mapping[str, object]) -> Iterator[str]:
        vertex = self._vertices.get(untrusted_json.text(item, "vertex"))
        identity = untrusted_json.text(item, "id")
        if vertex is None or not identity:
            return
        manifest = _MANIFEST_WRITTEN.fullmatch(identity)
        if manifest:
            vertex.manifest = manifest["digest"]
        key = (untrusted_json.text(item, "vertex"), identity)
        news = (item.get("current"), item.get("completed"))
        if self._amounts.get(key) != news:
            self._amounts[key] = news
            self.moves += 1
        now, started, completed = (
            _time(item, name) for name in ("timestamp", "started", "completed")
        )
        shown = self._statuses.get(key)
        if completed is None:
            if now is None or (shown and (now - shown).total_seconds() < _STATUS_INTERVAL):
                return
            self._statuses[key] = now
            if shown is None:
                return
        amount = _amount(item.get("current"), item.get("total"))
        took = f" {(completed - started).total_seconds():.1f}s" if completed and started else ""
        done = f"{took} done" if completed else ""
        vertex.spoken = True
        yield f"#{vertex.number} {identity}{amount}{done}"

    def _log(self, item: Mapping[str, object]) -> Iterator[str]:
        vertex = self._vertices.get(untrusted_json.text(item, "vertex"))
        if vertex is None:
            return
        # A lone carriage return ends a line too: to GitHub's runner it does, and what follows it
        # could be a workflow command.
        stream = item.get("stream")
        text = vertex.partial.get(stream, "") + _decoded(item.get("data"))
        *whole, vertex.partial[stream] = _LINE_ENDS.split(text)
        begun = max(vertex.intervals, default=None)
        now = _time(item, "timestamp")
        elapsed = (now - begun).total_seconds() if now and begun else 0.0
        for line in filter(None, whole):
            vertex.spoken = True
            vertex.tail.append(line)
            yield f"#{vertex.number} {elapsed:.3f} {line}"

    def _flush(self, vertex: _Vertex) -> Iterator[str]:
        """Print what a command wrote last without ending the line."""
        for text in filter(None, vertex.partial.values()):
            vertex.tail.append(text)
            yield f"#{vertex.number} {vertex.seconds:.3f} {text}"
        vertex.partial.clear()


def is_progress(line: str) -> bool:
    """Say whether a line is BuildKit's, and no text of buildx."""
    return _status(line) is not None


def _is_export(title: str) -> bool:
    return title.startswith(_EXPORT)


def _status(line: str) -> Mapping[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        return untrusted_json.parsed(line)
    except ValueError:
        return None


def _time(item: Mapping[str, object], name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(untrusted_json.text(item, name))
    except ValueError:
        return None


def _decoded(data: object) -> str:
    return untrusted_json.binary(data).decode(errors="replace")


def _one_line(text: str) -> str:
    return " ".join(_LINE_ENDS.split(text))


def _amount(current: object, total: object) -> str:
    if not isinstance(current, int) or not current:
        return ""
    of = f" / {_bytes(total)}" if isinstance(total, int) and total else ""
    return f" {_bytes(current)}{of}"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 (decimal units)
            return f"{size:.0f}B" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1000
    return f"{size:.2f}GB"
