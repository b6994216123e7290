"""The rows of a timeline: what ran for how long, in lanes, with what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.build.timeline import Bar
from warmbuild.buildkit import vertices
from warmbuild.frozen import frozen
from warmbuild.phases import Phase
from warmbuild.report.critical_path import critical_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.timeline import Timeline
    from warmbuild.buildkit.progress import Step
    from warmbuild.record.miss import Miss

_OF_RUN: Final = "warmbuild"
_STEPS: Final = "steps"
# BuildKit pushes within the export of an image, whose name it has then.
_PUSH: Final = "pushing the image"
# The lanes of what is of no stage.
_LANES: Final = {
    Phase.CONTEXT: "sources",
    Phase.PULL: "sources",
    Phase.EXPORT: "image",
    Phase.PUSH: "image",
    Phase.IMPORT: "cache",
    Phase.CACHE: "cache",
}


@frozen
class Row:
    """What was done of one vertex in one phase, or by warmbuild itself in one of its phases."""

    bars: tuple[Bar, ...]  # one after another; all have the same names
    critical: tuple[bool, ...]  # whether each of them is on the critical path
    step: Step | None = None  # what else is known of a step
    miss: Miss | None = None  # the first step of its stage that was not cached, if it ran

    @property
    def bar(self) -> Bar:
        """The first bar."""
        return self.bars[0]

    @property
    def seconds(self) -> float:
        """How long all bars are."""
        return sum(bar.seconds for bar in self.bars)

    @property
    def state(self) -> str:
        """What became of it: failed, cached or ran; `other` if it is no step."""
        if self.bar.error and vertices.CANCELLED not in self.bar.error:
            return "failed"
        if self.bar.cached:
            return "cached"
        return "ran" if self.bar.phase is Phase.STEPS else "other"

    @property
    def name(self) -> str:
        """What was done, without its position."""
        bar = self.bar
        if bar.phase is Phase.PUSH:
            return _PUSH
        name = bar.instruction or bar.name
        return f"layers of {name}" if bar.phase is Phase.PULL and bar.position else name

    @property
    def lane(self) -> str:
        """The targets, the platform and the stage, or what takes their place."""
        if not self.bar.number:
            return _OF_RUN
        if not self.bar.position:
            return _LANES.get(self.bar.phase, _STEPS)
        return " · ".join(filter(None, (self.bar.target, self.bar.prefix))) or _STEPS

    @property
    def why(self) -> Iterator[tuple[str, str]]:
        """Why it was not cached, and what would have saved it, as names and values."""
        miss, step = self.miss, self.step
        if miss is None or step is None:
            return
        if step.line != miss.line:
            yield "not cached", f"it comes after {miss.place}, which ran"
            return
        yield "not cached", miss.why
        if miss.saving:
            yield "to save it", miss.saving.text


def rows(done: Outcome) -> Sequence[Row]:
    """Return the rows of an outcome: lanes and the rows of each in the order of their begin."""
    bars = (*_own(done.timeline), *done.timeline.bars)
    path = frozenset(critical_path(bars))
    targets = done.targets or (done,)
    steps = {(one.name, step.title): step for one in targets for step in one.steps}
    misses = {(one.name, miss.stage): miss for one in targets for miss in one.misses}
    grouped: dict[tuple[int, Phase], list[int]] = {}
    for at, bar in enumerate(bars):
        grouped.setdefault((bar.number, bar.phase), []).append(at)
    lanes: dict[str, list[Row]] = {}
    for places in sorted(grouped.values(), key=lambda places: bars[places[0]].begun):
        bar = bars[places[0]]
        names = bar.target.split(", ")
        title = f"[{bar.prefix}{' ' if bar.prefix else ''}{bar.position}] {bar.instruction}"
        step = next((steps[name, title] for name in names if (name, title) in steps), None)
        missed = (misses.get((name, _stage(bar.prefix))) for name in names)
        row = Row(
            bars=tuple(bars[at] for at in places),
            critical=tuple(at in path for at in places),
            step=step,
            miss=next(filter(None, missed), None) if step and not step.cached else None,
        )
        lanes.setdefault(row.lane, []).append(row)
    return [row for found in lanes.values() for row in found]


def length_of_path(found: Sequence[Row]) -> float:
    """Return the seconds of the critical path; what lies within something else counts once."""
    times = sorted(
        (bar.begun, bar.ended)
        for row in found
        for bar, is_critical in zip(row.bars, row.critical, strict=True)
        if is_critical
    )
    total, end = 0.0, float("-inf")
    for begun, ended in times:
        total += max(0.0, ended - max(begun, end))
        end = max(end, ended)
    return total


def _own(whole: Timeline) -> Iterator[Bar]:
    """Yield the phases of our own clock in which BuildKit does nothing."""
    for one in whole.own:
        if one.phase is not Phase.BUILDX:
            yield Bar(
                number=0, phase=one.phase, name=one.phase.value, begun=one.begun, ended=one.ended
            )


def _stage(prefix: str) -> str:
    """Return the stage in the prefix of a step, which may have a platform before it."""
    words = [word for word in prefix.split() if "/" not in word]
    return words[-1] if words else ""
