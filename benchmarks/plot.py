"""Plots of what `make bench-edit` and `make bench-peers` have measured, for light and dark pages.

`python benchmarks/plot.py bench-edit.jsonl docs/images/edit.svg` draws a panel for each project
and kind of build: by strategy, the ratio of its median to that of one builder that stays.
`python benchmarks/plot.py --seconds bench-peers.jsonl docs/images/peers-flask.svg --project flask`
draws the medians themselves.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import samples
from history import LIFE
from strategies import IDEAL, LEVERS, PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from samples import Group

# Kinds of builds that run something, but the first one.
KINDS: Final = (
    "edit",
    "dependency added",
    "dependency change",
    "code commit",
    "dependency commit",
)
_COLUMNS: Final = 2
_WIDTH: Final = 450
_LABELS: Final = 160
_AXIS: Final = 225
_ROW: Final = 20
_HEAD: Final = 34
_GAP: Final = 26
_TOP: Final = 46
_RATIOS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
# Seconds between two ticks, of which an axis has at most so many.
_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120)
_MOST_TICKS: Final = 7
_STYLE: Final = """
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.head { font-size: 13px; font-weight: 600; }
.page { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.tick { fill: #59636e; font-size: 11px; }
.other { stroke: #8a6d3b; fill: #8a6d3b; }
.ours { stroke: #0969da; fill: #0969da; }
.stem { stroke-width: 5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #0d1117; }
  .grid { stroke: #3d444d; }
  .tick { fill: #9198a1; }
  .other { stroke: #d4a656; fill: #d4a656; }
  .ours { stroke: #58a6ff; fill: #58a6ff; }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row of a panel; without a value, it has its name alone."""

    name: str
    value: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars that are compared with each other."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The axis of all panels, from its first tick to its last."""

    ticks: tuple[float, ...]
    is_logarithmic: bool

    def position(self, value: float) -> float:
        """Return where a value is, between 0 at the first tick and 1 at the last."""
        first, last, at = self.ticks[0], self.ticks[-1], max(value, self.ticks[0])
        if self.is_logarithmic:
            first, last, at = math.log(first), math.log(last), math.log(at)
        return min((at - first) / (last - first), 1) if last > first else 0


def main() -> int:
    """Write the plot of a file of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("svg", type=Path)
    parser.add_argument("--seconds", action="store_true", help="seconds of peers, not ratios")
    parser.add_argument("--kind", action="append", help=f"by default {', '.join(KINDS)}")
    parser.add_argument("--project", action="append", help="by default all")
    parser.add_argument("--condition", help="by default the first one of the results")
    arguments = parser.parse_args()
    taken = samples.read(arguments.results.read_text(encoding="utf-8").splitlines())
    kinds = arguments.kind or (LIFE if arguments.seconds else KINDS)
    groups = [group for group in samples.groups(taken) if group.kind in kinds]
    groups = [group for group in groups if group.project in (arguments.project or group.project)]
    condition = arguments.condition or (groups[0].condition if groups else "")
    groups = [group for group in groups if group.condition == condition]
    if not groups:
        sys.exit(f"{arguments.results} has no builds of {', '.join(kinds)} under {condition!r}")
    arguments.svg.parent.mkdir(parents=True, exist_ok=True)
    draw = in_seconds if arguments.seconds else in_ratios
    arguments.svg.write_text(draw(groups, condition), encoding="utf-8")
    return 0


def in_ratios(groups: Sequence[Group], condition: str) -> str:
    """Return the SVG of ratios to one builder that stays."""
    panels = [
        Panel(
            title=f"{group.project}, {group.kind}",
            bars=tuple(
                Bar(
                    name=row.strategy,
                    value=row.ratio,
                    text="" if row.ratio is None else f"{row.ratio:.1f}",
                )
                for row in group.rows
                if row.strategy != IDEAL
            ),
        )
        for group in groups
    ]
    most = _greatest(panels)
    end = next((tick for tick in _RATIOS if tick >= most), _RATIOS[-1])
    axis = Axis(ticks=tuple(tick for tick in _RATIOS if tick <= end), is_logarithmic=True)
    title = f"Build time as a multiple of one builder that stays ({condition}; logarithmic)"
    return _drawn(panels, axis, title)


def in_seconds(groups: Sequence[Group], condition: str) -> str:
    """Return the SVG of the medians of jobs, by strategy in the order of `PEERS`."""
    panels = [
        Panel(title=f"{group.project}, {group.kind}", bars=tuple(_bars_in_seconds(group)))
        for group in groups
    ]
    most = _greatest(panels)
    step = next((step for step in _STEPS if most / step < _MOST_TICKS), _STEPS[-1])
    ticks = tuple(float(step * number) for number in range(math.ceil(most / step) + 1))
    title = f"What a CI job takes to build and push, in seconds ({condition})"
    return _drawn(panels, Axis(ticks=ticks, is_logarithmic=False), title)


def _bars_in_seconds(group: Group) -> Iterator[Bar]:
    rows = {row.strategy: row for row in group.rows}
    for name in PEERS.values():
        if row := rows.get(name):
            yield Bar(name=name, value=row.median, text=f"{row.median:.1f}")


def _greatest(panels: Sequence[Panel]) -> float:
    return max((bar.value or 1 for panel in panels for bar in panel.bars), default=1)


def _drawn(panels: Sequence[Panel], axis: Axis, title: str) -> str:
    lines: list[str] = []
    top = _TOP
    for first in range(0, len(panels), _COLUMNS):
        beside = panels[first : first + _COLUMNS]
        for column, panel in enumerate(beside):
            lines += _panel(panel, axis, column * _WIDTH + 12, top)
        top += _HEAD + _ROW * max(len(panel.bars) for panel in beside) + _GAP
    width = _COLUMNS * _WIDTH + 12
    size = f'viewBox="0 0 {width} {top}" width="{width}" height="{top}"'
    about = f'role="img" aria-label="{escape(title)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{width}" height="{top}"/>',
            f'<text class="title" x="12" y="26">{escape(title)}</text>',
            *lines,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, axis: Axis, left: int, top: int) -> Iterator[str]:
    bottom = top + _HEAD + _ROW * len(panel.bars)
    begin = left + _LABELS
    yield f'<text class="head" x="{left}" y="{top + 12}">{escape(panel.title)}</text>'
    for tick in axis.ticks:
        x = begin + _AXIS * axis.position(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 30}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{top + 26}" text-anchor="middle">{tick:g}</text>'
    for number, bar in enumerate(panel.bars):
        y = top + _HEAD + _ROW * number + _ROW // 2
        yield f'<text x="{begin - 8}" y="{y + 4}" text-anchor="end">{escape(bar.name)}</text>'
        if bar.value is None:
            continue
        x = begin + _AXIS * axis.position(bar.value)
        kind = "ours" if bar.name in LEVERS else "other"
        yield f'<line class="{kind} stem" x1="{begin}" x2="{x:.1f}" y1="{y}" y2="{y}"/>'
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="5"/>'
        yield f'<text x="{x + 10:.1f}" y="{y + 4}">{escape(bar.text)}</text>'


if __name__ == "__main__":
    sys.exit(main())
