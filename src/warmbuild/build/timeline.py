"""Where the time of a run went: bars on our own clock, and phases that add up to the whole.

All times are seconds of `time.monotonic` of this machine. BuildKit's are those of its daemon, whose
clock may be another: its times are moved so that none lies after the message that told it.
"""

from __future__ import annotations

from dataclasses import field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import progress, vertices
from warmbuild.frozen import frozen
from warmbuild.phases import Phase, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from warmbuild.buildkit.progress import Progress
    from warmbuild.buildkit.vertices import Vertex

# Seconds by which what a step waited for may seem to end after the step has begun.
_TOLERANCE: Final = 0.05


# What a moment counts as if several things happen at once: the first one of these.
_FIRST: Final = (
    *(Phase.STEPS, Phase.PULL, Phase.CONTEXT, Phase.PUSH, Phase.EXPORT, Phase.IMPORT, Phase.CACHE),
)
_EXPORTS: Final = ("exporting to ", "importing to ")
# What the names of vertices have that look for images.
_OF_IMAGES: Final = ("load metadata for ", "resolve image config for ", "[auth] ")


@frozen
class Part:
    """A part of a bar, such as the download of a layer."""

    name: str
    begun: float
    ended: float
    size: int  # bytes; 0 if BuildKit does not tell


@frozen
class Bar:
    """What BuildKit worked on from one moment to another."""

    number: int  # of the vertex; several bars may be of one
    phase: Phase
    name: str
    target: str = ""  # names of the targets that it is part of, if a file defines them
    prefix: str = ""  # of a step: platform and stage, as far as BuildKit names them
    position: str = ""  # of a step
    instruction: str = ""  # of a step
    begun: float
    ended: float
    cached: bool = False
    waited: float = 0.0  # of a step: seconds of its wait for layers to be pulled and unpacked
    error: str = ""
    tail: tuple[str, ...] = ()  # its last lines
    needs: tuple[int, ...] = ()  # numbers of the vertices that it is made from
    parts: tuple[Part, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ended - self.begun

    def shown(self, redact: Callable[[str], str]) -> Bar:
        """Return the bar as it may be shown: `redact` hides secrets in what others wrote."""
        return replace(
            self,
            name=redact(self.name),
            prefix=redact(self.prefix),
            instruction=redact(self.instruction),
            error=redact(self.error),
            tail=tuple(map(redact, self.tail)),
            parts=tuple(replace(part, name=redact(part.name)) for part in self.parts),
        )


@frozen
class Call:
    """One call of buildx."""

    progress: Progress
    begun: float
    ended: float
    phase: Phase = Phase.BUILDX  # what it counts as while BuildKit works on nothing


@frozen
class Timeline:
    """A run from its begin to its end."""

    begun: float = 0.0
    ended: float = 0.0
    bars: tuple[Bar, ...] = ()
    own: tuple[Span, ...] = ()  # phases of our own clock, one after another
    phases: Mapping[Phase, float] = field(default_factory=dict)  # seconds; only those that were

    def shown(self, redact: Callable[[str], str]) -> Timeline:
        """Return the timeline as it may be shown, without secrets."""
        return replace(self, bars=tuple(bar.shown(redact) for bar in self.bars))


def timeline(calls: Sequence[Call], own: Sequence[Span]) -> Timeline:
    """Return where the time of a run went.

    `own` are the phases of our own clock, one after another without a gap. A moment within them
    counts as what BuildKit does then, if it does anything.
    """
    bars: list[Bar] = []
    for call in calls:
        bars += _bars(call, first=max((bar.number for bar in bars), default=0) + 1)
    spans = [Span(phase=bar.phase, begun=bar.begun, ended=bar.ended) for bar in bars]
    begun, ended = own[0].begun, own[-1].ended
    return Timeline(
        begun=begun, ended=ended, bars=tuple(bars), own=tuple(own), phases=_phases(spans, own)
    )


def _phases(spans: Iterable[Span], own: Sequence[Span]) -> Mapping[Phase, float]:
    """Return the seconds of each phase; each moment counts once."""
    changes: list[tuple[float, Phase, int]] = []
    for span in spans:
        changes += [(span.begun, span.phase, 1), (span.ended, span.phase, -1)]
    changes += [(span.begun, span.phase, 0) for span in own] + [(own[-1].ended, own[-1].phase, 0)]
    changes.sort(key=lambda change: change[0])
    open_ = dict.fromkeys(_FIRST, 0)
    base, seconds = own[0].phase, dict.fromkeys(Phase, 0.0)
    for (at, phase, change), (until, _, _) in pairwise(changes):
        if change:
            open_[phase] += change
        else:
            base = phase
        now = next((one for one in _FIRST if open_[one] > 0), base)
        seconds[now] += until - at
    return {phase: taken for phase, taken in seconds.items() if taken > 0}


def _bars(call: Call, first: int) -> Iterator[Bar]:
    """Yield the bars of a call, whose vertices have numbers from `first` on."""
    clock = _Clock(call)
    told = call.progress.vertices
    numbers = {vertex.digest: number for number, vertex in enumerate(told, first)}
    waits = _waits(told, clock)
    for vertex in told:
        place = vertex.place
        for span in _spans(vertex, clock):
            is_step = span.phase is Phase.STEPS
            yield Bar(
                number=numbers[vertex.digest],
                phase=span.phase,
                name=vertex.bare,
                target=", ".join(vertex.names),
                prefix=place.prefix if place else "",
                position=place.position if place else "",
                instruction=place.instruction if place else "",
                begun=span.begun,
                ended=span.ended,
                cached=vertex.cached and is_step,
                waited=waits.get(vertex.digest, 0.0) if is_step else 0.0,
                error=vertex.error,
                tail=tuple(vertex.tail),
                needs=tuple(numbers[one] for one in vertex.inputs if one in numbers),
                parts=tuple(
                    part
                    for part in _parts(vertex, clock)
                    if part.begun < span.ended and part.ended > span.begun
                ),
            )


class _Clock:
    """Turns the daemon's times into ours, within a call."""

    def __init__(self, call: Call) -> None:
        self._call, self._ahead = call, call.progress.ahead or 0.0
        self.phase = call.phase

    def ours(self, at: datetime | None) -> float:
        """Return our time for one of the daemon's; what has not ended ends with the call."""
        begun, ended = self._call.begun, self._call.ended
        return ended if at is None else min(max(at.timestamp() + self._ahead, begun), ended)

    def first(self, vertex: Vertex) -> float:
        """Return when a vertex began; at the begin of the call if BuildKit does not tell."""
        return min(map(self.ours, vertex.intervals), default=self._call.begun)


def _spans(vertex: Vertex, clock: _Clock) -> Iterator[Span]:
    """Yield what a vertex did from when to when; a cached step has a span without a length."""
    phase = _phase(vertex)
    times = [(clock.ours(begun), clock.ours(ended)) for begun, ended in vertex.intervals.items()]
    parts = list(_parts(vertex, clock))
    if phase is Phase.STEPS and vertex.cached:
        # An export of a cache alone finds everything cached.
        if clock.phase is not Phase.CACHE:
            at = clock.first(vertex)
            yield Span(phase=phase, begun=at, ended=at)
        phase = Phase.PULL
    if phase is Phase.PULL:
        times += [(part.begun, part.ended) for part in parts]
    if phase is Phase.EXPORT:
        pushes = [(one.begun, one.ended) for one in parts if vertices.is_push(one.name)]
        yield from _merged(Phase.PUSH, pushes)
    if clock.phase is Phase.CACHE and phase in {Phase.CONTEXT, Phase.EXPORT}:
        phase = Phase.CACHE
    yield from _merged(phase, times)


def _merged(phase: Phase, times: Iterable[tuple[float, float]]) -> Iterator[Span]:
    """Yield times of one phase, those that overlap as one; none without a length."""
    begun, ended = 0.0, 0.0
    for begin, end in sorted(times):
        if begin > ended:
            if ended > begun:
                yield Span(phase=phase, begun=begun, ended=ended)
            begun, ended = begin, end
        else:
            ended = max(ended, end)
    if ended > begun:
        yield Span(phase=phase, begun=begun, ended=ended)


def _phase(vertex: Vertex) -> Phase:
    """Return what a vertex counts as, by its name in BuildKit and its frontend for Dockerfiles."""
    name, place = vertex.bare, vertex.place
    if place:
        return Phase.PULL if place.is_base else Phase.STEPS
    if name.startswith(vertices.IMPORT):
        return Phase.IMPORT
    if name.startswith(vertices.EXPORT):
        return Phase.CACHE
    if progress.PUSH_OF_ENGINE.match(name):
        return Phase.PUSH
    if name.startswith(_EXPORTS):
        return Phase.EXPORT
    return Phase.PULL if any(text in name for text in _OF_IMAGES) else Phase.CONTEXT


def _parts(vertex: Vertex, clock: _Clock) -> Iterator[Part]:
    for one in vertex.statuses.values():
        size = max(one.current, one.total)
        yield Part(
            name=one.name, begun=clock.ours(one.begun), ended=clock.ours(one.ended), size=size
        )


def _waits(told: Sequence[Vertex], clock: _Clock) -> Mapping[str, float]:
    """Return for how long each step waited for layers, by the digest of its vertex.

    Layers are pulled and unpacked below what is upon them, which is cached itself: a step that runs
    waits for those of all that it is made from. The first step to run gets the whole time.
    """
    known = {vertex.digest: vertex for vertex in told}
    waits: dict[str, float] = {}
    given: set[str] = set()
    for vertex in sorted(filter(_has_run, told), key=clock.first):
        below, begun = list(vertex.inputs), clock.first(vertex)
        pulled: list[tuple[float, float]] = []
        while below:
            source = known.get(below.pop())
            if source is None or source.digest in given or _has_run(source):
                continue
            given.add(source.digest)
            below += source.inputs
            pulled += [
                (span.begun, span.ended)
                for span in _spans(source, clock)
                if span.phase is Phase.PULL and span.ended <= begun + _TOLERANCE
            ]
        waited = sum(span.ended - span.begun for span in _merged(Phase.PULL, pulled))
        waits |= {vertex.digest: waited} if waited else {}
    return waits


def _has_run(vertex: Vertex) -> bool:
    return _phase(vertex) is Phase.STEPS and bool(vertex.intervals) and not vertex.cached
