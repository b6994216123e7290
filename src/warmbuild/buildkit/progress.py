"""Reads BuildKit's raw progress: prints it as plain progress, and counts what happened.

The stream is `buildx build --progress=rawjson`: a `SolveStatus` of BuildKit's client package a
line (vertexes, statuses, logs, warnings), mixed with text lines of buildx itself. All times are
the daemon's.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.buildkit import checks
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from warmbuild.buildkit.checks import Warned

# [stage 2/4] RUN ..., [linux/arm64 build 1/3] FROM ...; the count is right-aligned.
_STEP: Final = re.compile(
    r"\[(?P<inside>[^\]]*)\] (?P<instruction>(?:ONBUILD )?[A-Z]+\b.*)", re.DOTALL
)
# The digest that a base image has in this build.
_BASE: Final = re.compile(r"(?:\[[^\]]*\] )?FROM (?P<image>\S+)@(?P<digest>sha256:[0-9a-f]{64})")
_POSITION: Final = re.compile(r"[0-9]+/[0-9]+")
# Not steps: the base of a stage, and what puts a linked step's layer upon the layers below.
_NO_STEPS: Final = ("FROM", "LINK")
_UNPACKING: Final = "extracting "
# What an image's export says while it pushes: layers, and then `pushing manifest for` a ref.
_PUSHING: Final = "pushing "
_PUSHING_LAYERS: Final = "pushing layers"
# A push of the engine's own builder is a step of its own.
PUSH_OF_ENGINE: Final = re.compile(r"(?:\[\S+\] )?pushing \S+ with docker")
_OF_ENGINE: Final = "Error response from daemon: "
# What `waiting_for` says of a push.
PUSHED: Final = ("push", "manifest")
# The error of an import or export that has neither ended nor failed.
_UNFINISHED: Final = "it did not finish"
# The error of what ends because the whole build does.
_CANCELLED: Final = "context canceled"
_SOURCE_LINE: Final = re.compile(r"\S.*:\d+")
_IMPORT: Final = "importing cache manifest from "
# GitHub's exporter has a name of its own; an inline cache is exported as part of its image.
_EXPORT: Final = ("exporting cache to ", "exporting to GitHub Actions Cache")
_MANIFEST_WRITTEN: Final = re.compile(r"writing (?:cache image )?manifest (?P<digest>sha256:\w+)")
# Characters of a line of a step's output; the rest of a longer one begins a new line.
_LONGEST: Final = 16 * 1024
# Last lines of a step that an error quotes.
_TAIL: Final = 12
# Seconds between two lines about the same status.
_STATUS_INTERVAL: Final = 5.0
# How bake names the target of a vertex: [web] exporting, [web internal], [web build 2/4] RUN.
_OF_TARGET: Final = re.compile(
    r"\[(?P<target>[^\s\]]+)(?: (?P<inside>.+)|\] (?P<text>.+))", re.DOTALL
)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")


@frozen
class Step:
    """One instruction of the Dockerfile other than FROM."""

    prefix: str
    position: str
    instruction: str
    cached: bool
    seconds: float | None  # None if it never ran
    error: str

    @property
    def title(self) -> str:
        """The step as BuildKit names it."""
        prefix = f"{self.prefix} " if self.prefix else ""
        return f"[{prefix}{self.position}] {self.instruction}"


@frozen
class Unpacked:
    """A layer that was unpacked because a later step looks at its files."""

    prefix: str  # of the last step in the layers
    begun: datetime
    ended: datetime


@frozen
class Failure:
    """Why a build failed."""

    title: str  # name of the vertex that failed
    error: str
    tail: tuple[str, ...]  # its last lines
    source: str  # file and line of the Dockerfile, if buildx prints them
    unconfirmed: bool = False  # whether it is a push that has ended, and of which nothing is known


@frozen
class Transfer:
    """An import or an export of a cache."""

    name: str  # ref of an import, backend of an export
    error: str
    digest: str = ""  # manifest that an export wrote; empty if there was nothing to write

    @property
    def is_unfinished(self) -> bool:
        """Whether it has neither ended nor failed by itself."""
        return self.error == _UNFINISHED or _CANCELLED in self.error

    @property
    def is_to_registry(self) -> bool:
        """Whether this is an export to a registry."""
        return self.name == "registry"


@dataclass(slots=True, kw_only=True)
class _Vertex:
    number: int
    name: str
    names: dict[str, str] = field(default_factory=dict)  # by target, without the target's name
    intervals: dict[datetime, datetime | None] = field(default_factory=dict)
    cached: bool = False
    has_inputs: bool = False
    met: bool = False  # whether an earlier call had it
    error: str = ""
    closed: int = 0  # intervals whose end was printed
    spoken: bool = False  # whether it printed anything since
    partial: dict[object, str] = field(default_factory=dict)  # by stream: text without a newline
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    manifest: str = ""
    unpacked: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # by layer
    pushing: set[str] = field(default_factory=set)  # what it pushes at the moment

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and has neither ended nor failed."""
        return bool(self.intervals) and not self.ended and not self.error

    @property
    def is_cancelled(self) -> bool:
        """Whether BuildKit ended it early, after a failure elsewhere or without a need for it."""
        return _CANCELLED in self.error

    @property
    def bares(self) -> tuple[str, ...]:
        """Its names without the names of targets; at least one."""
        return tuple(self.names.values()) or (self.name,)

    @property
    def bare(self) -> str:
        return self.bares[0]

    @property
    def ended(self) -> bool:
        return bool(self.intervals) and None not in self.intervals.values()

    @property
    def seconds(self) -> float:
        """The length of its intervals, with what overlaps counted once."""
        return length((a, b) for a, b in self.intervals.items() if b is not None)


class Progress:
    """Takes the stream line by line and remembers what happened; `moves` counts news."""

    def __init__(self, targets: Collection[str] = ()) -> None:
        """Start with nothing seen; `targets` are those of bake's call if it has several."""
        self.moves = 0
        self._targets = targets
        self._amounts: dict[tuple[str, str], object] = {}
        self._vertices: dict[str, _Vertex] = {}
        self._running: dict[str, _Vertex] = {}
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
        vertices = tuple(untrusted_json.children(status, "vertexes"))
        statuses = tuple(untrusted_json.children(status, "statuses"))
        logs = tuple(untrusted_json.children(status, "logs"))
        self.moves += len(vertices) + len(logs)
        spoken = {untrusted_json.text(item, "vertex") for item in (*statuses, *logs)}
        for vertex in vertices:
            yield from self._begin(vertex)
            if untrusted_json.text(vertex, "digest") not in spoken:
                yield from self._end(vertex)
        for item in statuses:
            yield from self._status(item)
        for item in logs:
            yield from self._log(item)
        # A step ends after everything that it said in the same message.
        for vertex in vertices:
            yield from self._end(vertex)
        # The last of a long output may come after the end, in a message of its own.
        for item in logs:
            late = self._vertices.get(untrusted_json.text(item, "vertex"))
            if late and not late.is_running:
                yield from self._flush(late)
        for warning in untrusted_json.children(status, "warnings"):
            self._warned[checks.warned(warning)] = None
            yield f"WARNING: {_one_line(_decoded(warning.get('short')))}"

    def of(self, target: str) -> Progress:
        """Return what happened for a target, also what happened for several at once."""
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
        """Count what ran in an earlier call with the same builder, and is cached now, as run.

        A vertex with files of the context has another digest in each call, so names count too.
        """
        before = {name: vertex for vertex in earlier._vertices.values() for name in vertex.bares}
        for digest, vertex in self._vertices.items():
            by_name = next((before[name] for name in vertex.bares if name in before), None)
            found = earlier._vertices.get(digest, by_name)
            if not found:
                continue
            vertex.met = True
            if vertex.cached and found.intervals and not (found.cached or found.is_cancelled):
                vertex.cached, vertex.intervals = False, found.intervals

    def warnings(self) -> tuple[Warned, ...]:
        """Return the warnings of BuildKit; one for several platforms is returned once."""
        return tuple(self._warned)

    def steps(self, *, new: bool = False) -> tuple[Step, ...]:
        """Return the instructions that ran or were cached, in the order of their start.

        `new` leaves out those that an earlier call had. BuildKit cancels a step that it has begun
        if a later one turns out to be cached, so in a build without errors such a step is cached.
        The download of an ADD has the name of its step, but is made of nothing else.
        """
        found: dict[str, Step] = {}
        is_failed = any(True for _ in self._failed())
        for vertex in self._vertices.values():
            match = _STEP.fullmatch(vertex.name)
            prefix, _, position = match["inside"].rpartition(" ") if match else ("", "", "")
            if not match or not _POSITION.fullmatch(position):
                continue
            # A step that BuildKit merged with another platform's never starts: no hit, no miss.
            if not (vertex.intervals or vertex.cached) or (new and vertex.met):
                continue
            if match["instruction"].split(" ", 1)[0] in _NO_STEPS:
                continue
            if vertex.name in found and not vertex.has_inputs:
                continue
            is_needless = vertex.is_cancelled and not is_failed
            found[vertex.name] = Step(
                prefix=prefix.rstrip(" "),
                position=position,
                instruction=match["instruction"],
                cached=vertex.cached or is_needless,
                seconds=vertex.seconds if vertex.intervals and not is_needless else None,
                error="" if is_needless else vertex.error,
            )
        return tuple(found.values())

    def images(self) -> Mapping[str, str]:
        """Return the digests of the images that steps are upon or copy from, by reference."""
        found = (_BASE.fullmatch(vertex.name) for vertex in self._vertices.values())
        return {one["image"]: one["digest"] for one in found if one}

    def unpacked(self) -> tuple[Unpacked, ...]:
        """Return the layers that were unpacked below steps."""
        return tuple(
            Unpacked(
                prefix=match["inside"].rpartition(" ")[0].rstrip(" "), begun=begun, ended=ended
            )
            for vertex in self._vertices.values()
            if vertex.unpacked and (match := _STEP.fullmatch(vertex.name))
            for begun, ended in vertex.unpacked.values()
        )

    def imports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to read."""
        return tuple(self._transfers((_IMPORT,)))

    def exports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to write; an unfinished export has an error."""
        return tuple(self._transfers(_EXPORT))

    def waiting_for(self) -> str:
        """Return what the build waits for at registries, or "" if it does anything else.

        Of a cache that is `import` (the records), `layers` (that a step needs which is not cached)
        or `export`; of an image, `push` (its layers) or `manifest`.
        """
        running = self._running.values()
        if any(vertex.bare.startswith(_IMPORT) for vertex in running):
            return "import"
        if running and all(vertex.cached for vertex in running):
            return "layers"
        pushed = {status for vertex in running for status in vertex.pushing}
        others = [vertex for vertex in running if not vertex.pushing]
        if not running or not all(vertex.bare.startswith(_EXPORT) for vertex in others):
            return ""
        if not pushed:
            return "export"
        return "push" if _PUSHING_LAYERS in pushed else "manifest"

    def failure(self) -> Failure:
        """Return why the build failed, after it has failed."""
        last = next(self._failed(), None)
        errors = list(_errors(self._text))
        # buildx begins its excerpt of the Dockerfile with `Dockerfile:3` and a rule.
        sources = [
            text
            for text, below in pairwise(self._text)
            if _SOURCE_LINE.fullmatch(text) and below.startswith("----")
        ]
        spoken = [text for text in self._text if text.strip()]
        error = errors[-1] if errors else last.error if last else "\n".join(spoken[-3:])
        for target in self._targets:
            error = error.removeprefix(f"target {target}: ")
        error = error.removeprefix("failed to build: ").removeprefix("failed to solve: ")
        # buildx says of a push that lacks a token only why it does.
        if last and last.error.endswith(f": {error}"):
            error = last.error
        pushed = "" if last or not error.startswith(_OF_ENGINE) else self._pushed_by_engine()
        return Failure(
            title=last.name if last else pushed,
            error=error,
            tail=tuple(last.tail) if last else (),
            source=sources[-1] if sources else "",
            unconfirmed=bool(pushed),
        )

    def _pushed_by_engine(self) -> str:
        """Return the name of the engine's push that has just ended, or an empty text.

        buildx then has the engine ask the registry for the digest, in no vertex (docker/buildx
        0.38.2, remoteDigestWithMoby).
        """
        last = next(reversed(self._vertices.values()), None)
        return last.name if last and last.ended and PUSH_OF_ENGINE.match(last.name) else ""

    def _failed(self) -> Iterator[_Vertex]:
        """Yield what failed by itself, the last first; a cache that is lost fails nothing."""
        return (
            vertex
            for vertex in reversed(self._vertices.values())
            if vertex.error
            and not vertex.bare.startswith((_IMPORT, *_EXPORT))
            and not vertex.is_cancelled
        )

    def _transfers(self, prefixes: tuple[str, ...]) -> Iterator[Transfer]:
        for vertex in self._vertices.values():
            prefix = next((one for one in prefixes if vertex.bare.startswith(one)), None)
            if prefix is None:
                continue
            yield Transfer(
                name=vertex.bare.removeprefix(prefix) or vertex.bare,
                error=vertex.error or ("" if vertex.ended else _UNFINISHED),
                digest=vertex.manifest,
            )

    def _named(self, name: str) -> tuple[str, str] | None:
        """Return the target and the rest of a vertex's name, if the name has a target."""
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
        vertex.has_inputs = vertex.has_inputs or bool(item.get("inputs"))
        vertex.error = vertex.error or untrusted_json.text(item, "error")
        if started:
            completed = _time(item, "completed")
            vertex.intervals[started] = completed or vertex.intervals.get(started)
        if vertex.is_running:
            self._running[digest] = vertex
        else:
            self._running.pop(digest, None)

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
        digest, identity = untrusted_json.text(item, "vertex"), untrusted_json.text(item, "id")
        vertex, key = self._vertices.get(digest), (digest, identity)
        if vertex is None or not identity:
            return
        if manifest := _MANIFEST_WRITTEN.fullmatch(identity):
            vertex.manifest = manifest["digest"]
        news = (item.get("current"), item.get("completed"))
        if self._amounts.get(key) != news:
            self._amounts[key] = news
            self.moves += 1
        now, started, completed = (
            _time(item, name) for name in ("timestamp", "started", "completed")
        )
        if identity.startswith(_PUSHING):
            (vertex.pushing.discard if completed else vertex.pushing.add)(identity)
        shown = self._statuses.get(key)
        if completed is None:
            if now is None or (shown and (now - shown).total_seconds() < _STATUS_INTERVAL):
                return
            self._statuses[key] = now
            if shown is None:
                return
        if started and completed and identity.startswith(_UNPACKING):
            vertex.unpacked[identity] = (started, completed)
        amount = _amount(
            untrusted_json.number(item, "current"), untrusted_json.number(item, "total")
        )
        took = f" {(completed - started).total_seconds():.1f}s" if completed and started else ""
        done = f"{took} done" if completed else ""
        vertex.spoken = True
        yield f"#{vertex.number} {identity}{amount}{done}"

    def _log(self, item: Mapping[str, object]) -> Iterator[str]:
        vertex = self._vertices.get(untrusted_json.text(item, "vertex"))
        if vertex is None:
            return
        # A lone carriage return ends a line for GitHub's runner, which would take what follows for
        # a workflow command.
        stream = untrusted_json.number(item, "stream")
        first, *others = _LINE_ENDS.split(_decoded(item.get("data")))
        *whole, vertex.partial[stream] = (vertex.partial.get(stream, "") + first, *others)
        if len(vertex.partial[stream]) > _LONGEST:
            whole.append(vertex.partial.pop(stream))
        begun = max(vertex.intervals, default=None)
        now = _time(item, "timestamp")
        elapsed = (now - begun).total_seconds() if now and begun else 0.0
        for line in filter(None, whole):
            vertex.spoken = True
            vertex.tail.append(line)
            yield f"#{vertex.number} {elapsed:.3f} {line}"

    def _flush(self, vertex: _Vertex) -> Iterator[str]:
        """Print what a command wrote without a newline at its end."""
        for text in filter(None, vertex.partial.values()):
            vertex.tail.append(text)
            yield f"#{vertex.number} {vertex.seconds:.3f} {text}"
        vertex.partial.clear()


def length(intervals: Iterable[tuple[datetime, datetime]]) -> float:
    """Return the length of intervals in seconds, with what overlaps counted once."""
    total, end = 0.0, None
    for start, stop in sorted(intervals):
        begin = start if end is None else max(start, end)
        total += max(0.0, (stop - begin).total_seconds())
        end = stop if end is None else max(stop, end)
    return total


def is_progress(line: str) -> bool:
    """Return whether a line is BuildKit's, not a text of buildx."""
    return _status(line) is not None


def _status(line: str) -> Mapping[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        return untrusted_json.parsed(line)
    except ValueError:
        return None


def _time(item: Mapping[str, object], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(untrusted_json.text(item, name))
    except ValueError:
        return None
    # Times with a zone and times without one cannot be compared.
    return found if found.tzinfo else None


def _decoded(data: object) -> str:
    return untrusted_json.binary(data).decode(errors="replace")


def _one_line(text: str) -> str:
    return " ".join(_LINE_ENDS.split(text))


def _amount(current: int, total: int) -> str:
    of = f" / {_bytes(total)}" if total else ""
    return f" {_bytes(current)}{of}" if current else ""


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 (decimal units)
            return f"{size:.0f}B" if unit == "B" else f"{size:.2f}{unit}"
        size /= 1000
    return f"{size:.2f}GB"


def _errors(lines: Iterable[str]) -> Iterator[str]:
    """Yield each error as one line; containerd puts several of a registry below one another."""
    rest = iter(lines)
    for line in rest:
        if line.startswith("ERROR: "):
            error = line.removeprefix("ERROR: ")
            below = takewhile(str.strip, rest) if error.endswith(" errors:") else ()
            yield " ".join((error, *(text.strip() for text in below)))
