"""The timeline of a run as a Gantt chart of Mermaid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import vertices
from warmbuild.frozen import frozen
from warmbuild.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.build.timeline import Bar, Timeline

# GitHub draws nothing that has more than 50,000 characters, and nobody reads a hundred bars.
_MOST: Final = 40
# Seconds below which a bar is no bar.
_LEAST: Final = 0.05
# Characters of a label, and of the name of a section.
_LONGEST: Final = 60
_LONGEST_SECTION: Final = 30
# Pixels for a character of such a name, and for all that begin with one at least.
_WIDTH: Final = 7
_PADDING: Final = 75
# What Mermaid may be given: with these characters nothing is a statement, a comment or HTML.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 ._/=+-]+")
# Seconds between ticks, of which there are twelve at most.
_TICKS: Final = (1, 2, 5, 10, 15, 30)
_MOST_TICKS: Final = 12
_BEFORE: Final = (Phase.START, Phase.PROBE, Phase.BOOT)
_AFTER: Final = (Phase.REMOVAL, Phase.REPORT)
# How BuildKit's own names of sources begin.
_KNOWN: Final = ("load ", "importing ", "resolv", "[auth] ")
_OUT: Final = frozenset({Phase.EXPORT, Phase.PUSH, Phase.CACHE})


@frozen
class _Task:
    """A row of the chart; times are seconds since the run began."""

    section: str
    label: str
    begun: float
    ended: float
    kind: str = "done, "  # how it is coloured

    @property
    def seconds(self) -> float:
        return self.ended - self.begun


def chart(where: Timeline) -> tuple[str, int]:
    """Return a chart of the longest bars, and how many are left out; nothing without a build."""
    tasks = [task for task in _tasks(where) if task.seconds >= _LEAST]
    longest = sorted(tasks, key=lambda task: -task.seconds)[:_MOST]
    if not (longest and where.bars):
        return "", 0
    sections: dict[str, list[_Task]] = {}
    for task in sorted(longest, key=lambda task: task.begun):
        sections.setdefault(task.section, []).append(task)
    padding = max(_PADDING, *(_WIDTH * len(name) for name in sections))
    lines = [
        f'%%{{init: {{"gantt": {{"leftPadding": {padding}}}}}}}%%',
        "gantt",
        "    dateFormat x",
        "    axisFormat %s s",
        f"    tickInterval {_tick(where.ended - where.begun)}",
        "    todayMarker off",
    ]
    for name, rows in sections.items():
        lines += [f"    section {name}", *map(_line, rows)]
    return "\n".join(("```mermaid", *lines, "```")), len(tasks) - len(longest)


def _line(task: _Task) -> str:
    begun, ended = (round(1000 * at) for at in (task.begun, task.ended))
    return f"    {task.label} {task.seconds:.1f} s :{task.kind}{begun}, {ended}"


def _tick(seconds: float) -> str:
    for every in _TICKS:
        if seconds <= every * _MOST_TICKS:
            return f"{every}second"
    minutes = next((one for one in _TICKS if seconds <= 60 * one * _MOST_TICKS), 60)
    return f"{minutes}minute"


def _tasks(where: Timeline) -> Iterator[_Task]:
    yield from _own(where)
    for bar in where.bars:
        is_failed = bar.error and vertices.CANCELLED not in bar.error
        is_step = bar.phase is Phase.STEPS
        yield _Task(
            section=_section(bar),
            label=_label(bar),
            begun=bar.begun - where.begun,
            ended=bar.ended - where.begun,
            kind="crit, " if is_failed else "active, " if is_step else "done, ",
        )


def _own(where: Timeline) -> Iterator[_Task]:
    """Yield what warmbuild itself did: before buildx ran, with cache mounts, and after all that."""
    at = 0.0
    for phase in _BEFORE:
        yield _of_us(phase, at, at := at + where.phases.get(phase, 0.0))
    for span in where.own:
        if span.phase is Phase.MOUNTS:
            yield _of_us(span.phase, span.begun - where.begun, span.ended - where.begun)
    at = where.ended - where.begun
    for phase in _AFTER:
        end, at = at, at - where.phases.get(phase, 0.0)
        yield _of_us(phase, at, end)


def _of_us(phase: Phase, begun: float, ended: float) -> _Task:
    return _Task(section="warmbuild", label=phase.value, begun=begun, ended=ended)


def _section(bar: Bar) -> str:
    if bar.position:
        return _safe(bar.target, bar.prefix)[:_LONGEST_SECTION].rstrip() or "steps"
    return "results" if bar.phase in _OUT else "sources"


def _label(bar: Bar) -> str:
    """Return a label that begins with no word of Mermaid's: with one of ours, or a number."""
    instruction, name = bar.instruction.partition("@")[0], bar.name.removeprefix("[internal] ")
    if bar.phase is Phase.STEPS or instruction.startswith("FROM "):
        return _safe(bar.position, bar.instruction if bar.phase is Phase.STEPS else instruction)
    if bar.position:
        return _safe(bar.position, bar.phase.value)
    if bar.phase in _OUT:
        return _safe(bar.phase.value, bar.target)
    return _safe(*(() if name.startswith(_KNOWN) else (bar.phase.value,)), name)


def _safe(*texts: str) -> str:
    text = _UNSAFE.sub(" ", " ".join(texts))
    return " ".join(text.split())[:_LONGEST].rstrip()
