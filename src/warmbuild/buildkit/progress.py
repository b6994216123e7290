"""Reads BuildKit's raw progress, and counts what happened.

The stream is `buildx build --progress=rawjson`: a `SolveStatus` of BuildKit's client package a
line (vertexes, statuses, logs, warnings), mixed with text lines of buildx itself. All times are
the daemon's.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from datetime import datetime
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.buildkit import checks, vertices
from warmbuild.buildkit.vertices import (
    Begun,
    Cautioned,
    Ended,
    Line,
    Moved,
    Status,
    Text,
    Vertex,
)
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from warmbuild.buildkit.checks import Warned
    from warmbuild.buildkit.vertices import News

# The digest that a base image has in this build.
_BASE: Final = re.compile(r"(?:\[[^\]]*\] )?FROM (?P<image>\S+)@(?P<digest>sha256:[0-9a-f]{64})")
# Not steps: the base of a stage, and what puts a linked step's layer upon the layers below.
_NO_STEPS: Final = ("FROM", "LINK")
_PUSHING_LAYERS: Final = "pushing layers"
# A push of the engine's own builder is a step of its own.
PUSH_OF_ENGINE: Final = re.compile(r"(?:\[\S+\] )?pushing \S+ with docker")
_OF_ENGINE: Final = "Error response from daemon: "
# What `waiting_for` says of a push.
PUSHED: Final = ("push", "manifest")
# The error of an import or export that has neither ended nor failed.
_UNFINISHED: Final = "it did not finish"
_SOURCE_LINE: Final = re.compile(r"\S.*:\d+")
_MANIFEST_WRITTEN: Final = re.compile(r"writing (?:cache image )?manifest (?P<digest>sha256:\w+)")
# Characters of a line of a step's output; the rest of a longer one begins a new line.
_LONGEST: Final = 16 * 1024
# How bake names the target of a vertex: [web] exporting, [web internal], [web build 2/4] RUN.
_OF_TARGET: Final = re.compile(
    r"\[(?P<target>[^\s\]]+)(?: (?P<inside>.+)|\] (?P<text>.+))", re.DOTALL
)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# What the library by which buildx calls a cluster logs at the end of each build in a pod.
_FAREWELL: Final = '"Copying stdin failed" err="io: read/write on closed pipe"'


@frozen
class Step:
    """One instruction of the Dockerfile other than FROM."""

    prefix: str
    position: str
    instruction: str
    cached: bool
    seconds: float | None  # None if it never ran
    error: str
    # What records beside the caches tell of it:
    line: int = 0  # in the Dockerfile; 0 if that is not known
    origin: str = ""  # ref of the nearest cache that has it; empty if none is known to
    usual: float = 0.0  # seconds that it took when it last ran; 0 if that is not known

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

    def shown(self, redact: Callable[[str], str]) -> Failure:
        """Return the failure as it may be shown: `redact` hides secrets in what others wrote."""
        return replace(
            self,
            title=redact(self.title),
            error=redact(self.error),
            tail=tuple(map(redact, self.tail)),
            source=redact(self.source),
        )


@frozen
class Transfer:
    """An import or an export of a cache."""

    name: str  # ref of an import, backend of an export
    error: str
    digest: str = ""  # manifest that an export wrote; empty if there was nothing to write

    @property
    def is_unfinished(self) -> bool:
        """Whether it has neither ended nor failed by itself."""
        return self.error == _UNFINISHED or vertices.CANCELLED in self.error

    @property
    def is_to_registry(self) -> bool:
        """Whether this is an export to a registry."""
        return self.name == "registry"


class Progress:
    """Takes the stream line by line and remembers what happened; `moves` counts news."""

    def __init__(self, targets: Collection[str] = ()) -> None:
        """Start with nothing seen; `targets` are those of bake's call if it has several."""
        self.moves = 0
        # Seconds that our clock is ahead of the daemon's at most; None if no message had a time.
        self.ahead: float | None = None
        self._targets = targets
        self._vertices: dict[str, Vertex] = {}
        self._running: dict[str, Vertex] = {}
        self._text: deque[str] = deque(maxlen=60)
        self._warned: dict[Warned, None] = {}

    def take(self, line: str, at: float = 0.0) -> Sequence[News]:
        """Take one line of the stream, at a time of our own clock; return its news in order."""
        message = _message(line)
        if message is None and _FAREWELL in line:
            return ()
        if message is None:
            self._text.append(line)
            return (Text(text=line),)
        return tuple(self._news(message, at))

    def _news(self, message: Mapping[str, object], at: float) -> Iterator[News]:
        told = tuple(untrusted_json.children(message, "vertexes"))
        statuses = tuple(untrusted_json.children(message, "statuses"))
        logs = tuple(untrusted_json.children(message, "logs"))
        self.moves += len(told) + len(logs)
        self._compare_clocks((*told, *statuses, *logs), at)
        spoken = {untrusted_json.text(item, "vertex") for item in (*statuses, *logs)}
        for item in told:
            yield from self._begin(item)
            if untrusted_json.text(item, "digest") not in spoken:
                yield from self._end(item)
        for item in statuses:
            yield from self._status(item)
        for item in logs:
            yield from self._log(item)
        # A step ends after everything that it said in the same message.
        for item in told:
            yield from self._end(item)
        # The last of a long output may come after the end, in a message of its own.
        for item in logs:
            late = self._vertices.get(untrusted_json.text(item, "vertex"))
            if late and not late.is_running:
                yield from _flush(late)
        for warning in untrusted_json.children(message, "warnings"):
            self._warned[checks.warned(warning)] = None
            yield Cautioned(text=_decoded(warning.get("short")))

    def _compare_clocks(self, items: Iterable[Mapping[str, object]], at: float) -> None:
        """Note by how much our clock is ahead of the daemon's: at most what this message says."""
        names = ("started", "completed", "timestamp")
        times = [found for item in items for name in names if (found := _time(item, name))]
        if times:
            ahead = at - max(times).timestamp()
            self.ahead = ahead if self.ahead is None else min(self.ahead, ahead)

    @property
    def vertices(self) -> Sequence[Vertex]:
        """Everything that BuildKit has begun, in that order."""
        return tuple(self._vertices.values())

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

    def goes_on(self, earlier: Progress, *, is_again: bool = False) -> None:
        """Count what ran in an earlier call with the same builder, and is cached now, as run.

        A vertex with files of the context has another digest in each call, so names count too.
        `is_again` is whether this is the earlier call once more, whose steps nobody has counted.
        """
        before = {name: vertex for vertex in earlier._vertices.values() for name in vertex.bares}
        for digest, vertex in self._vertices.items():
            by_name = next((before[name] for name in vertex.bares if name in before), None)
            found = earlier._vertices.get(digest, by_name)
            if not found:
                continue
            vertex.met = not is_again
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
            place = vertices.place(vertex.name)
            # A step that BuildKit merged with another platform's never starts: no hit, no miss.
            if not (vertex.intervals or vertex.cached) or (new and vertex.met):
                continue
            if place is None or place.instruction.split(" ", 1)[0] in _NO_STEPS:
                continue
            if vertex.name in found and not vertex.inputs:
                continue
            is_needless = vertex.is_cancelled and not is_failed
            found[vertex.name] = Step(
                prefix=place.prefix,
                position=place.position,
                instruction=place.instruction,
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
            Unpacked(prefix=place.prefix, begun=begun, ended=ended)
            for vertex in self._vertices.values()
            if (place := vertices.place(vertex.name))
            for begun, ended in vertex.unpacked()
        )

    def imports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to read."""
        return tuple(self._transfers((vertices.IMPORT,)))

    def exports(self) -> tuple[Transfer, ...]:
        """Return the caches that BuildKit tried to write; an unfinished export has an error."""
        return tuple(self._transfers(vertices.EXPORT))

    def waiting_for(self) -> str:
        """Return what the build waits for at registries, or "" if it does anything else.

        Of a cache that is `import` (the records), `layers` (that a step needs which is not cached)
        or `export`; of an image, `push` (its layers) or `manifest`.
        """
        running = self._running.values()
        if any(vertex.bare.startswith(vertices.IMPORT) for vertex in running):
            return "import"
        if running and all(vertex.cached for vertex in running):
            return "layers"
        pushed = {status for vertex in running for status in vertex.pushing}
        others = [vertex for vertex in running if not vertex.pushing]
        if not running or not all(vertex.bare.startswith(vertices.EXPORT) for vertex in others):
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

    def _failed(self) -> Iterator[Vertex]:
        """Yield what failed by itself, the last first; a cache that is lost fails nothing."""
        return (
            vertex
            for vertex in reversed(self._vertices.values())
            if vertex.error
            and not vertex.bare.startswith((vertices.IMPORT, *vertices.EXPORT))
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

    def _begin(self, item: Mapping[str, object]) -> Iterator[News]:
        started, cached, error = _time(item, "started"), item.get("cached"), item.get("error")
        digest, name = (untrusted_json.text(item, key) for key in ("digest", "name"))
        if not (started or cached or error):
            return
        is_new = digest not in self._vertices
        vertex = self._vertices.setdefault(digest, Vertex(digest=digest, name=name))
        if named := self._named(name):
            vertex.names.setdefault(*named)
        vertex.cached = vertex.cached or bool(cached)
        vertex.inputs = vertex.inputs or _inputs(item)
        vertex.error = vertex.error or untrusted_json.text(item, "error")
        if started:
            completed = _time(item, "completed")
            vertex.intervals[started] = completed or vertex.intervals.get(started)
        if vertex.is_running:
            self._running[digest] = vertex
        else:
            self._running.pop(digest, None)
        if is_new:
            yield Begun(vertex=vertex)

    def _end(self, item: Mapping[str, object]) -> Iterator[News]:
        vertex = self._vertices.get(untrusted_json.text(item, "digest"))
        if vertex is None:
            return
        closed = sum(1 for stop in vertex.intervals.values() if stop)
        if closed <= vertex.closed and not (vertex.cached and not vertex.intervals):
            return
        vertex.closed = max(closed, 1)
        yield from _flush(vertex)
        yield Ended(vertex=vertex)

    def _status(self, item: Mapping[str, object]) -> Iterator[News]:
        digest, name = untrusted_json.text(item, "vertex"), untrusted_json.text(item, "id")
        vertex = self._vertices.get(digest)
        if vertex is None or not name:
            return
        if manifest := _MANIFEST_WRITTEN.fullmatch(name):
            vertex.manifest = manifest["digest"]
        status = vertex.statuses.setdefault(name, Status(name=name))
        before = (status.current, status.ended)
        status.begun = _time(item, "started") or status.begun or _time(item, "timestamp")
        status.ended = _time(item, "completed")
        status.current = untrusted_json.number(item, "current")
        status.total = untrusted_json.number(item, "total")
        if before != (status.current, status.ended):
            self.moves += 1
        yield Moved(vertex=vertex, status=status)

    def _log(self, item: Mapping[str, object]) -> Iterator[News]:
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
        elapsed = max(0.0, (now - begun).total_seconds()) if now and begun else 0.0
        for line in filter(None, whole):
            vertex.tail.append(line)
            yield Line(vertex=vertex, elapsed=elapsed, text=line)


def _flush(vertex: Vertex) -> Iterator[News]:
    """Yield what a command wrote without a newline at its end."""
    for text in filter(None, vertex.partial.values()):
        vertex.tail.append(text)
        yield Line(vertex=vertex, elapsed=vertex.seconds, text=text)
    vertex.partial.clear()


def _message(line: str) -> Mapping[str, object] | None:
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


def _inputs(item: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(one for one in untrusted_json.items(item, "inputs") if isinstance(one, str))


def _decoded(data: object) -> str:
    return untrusted_json.binary(data).decode(errors="replace")


def _errors(lines: Iterable[str]) -> Iterator[str]:
    """Yield each error as one line; containerd puts several of a registry below one another."""
    rest = iter(lines)
    for line in rest:
        if line.startswith("ERROR: "):
            error = line.removeprefix("ERROR: ")
            below = takewhile(str.strip, rest) if error.endswith(" errors:") else ()
            yield " ".join((error, *(text.strip() for text in below)))
