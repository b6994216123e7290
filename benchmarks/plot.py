"""A plot of what `make bench-edit` has measured, as an SVG for light and dark pages.

`python benchmarks/plot.py bench-edit.jsonl docs/images/edit.svg` draws a panel for each project
and kind of build: by strategy, the ratio of its median to that of one builder that stays.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import samples
from strategies import IDEAL, LEVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from samples import Group, Row

# Kinds of builds that run something, but the first one.
KINDS: Final = ("edit", "dependency added", "code commit", "dependency commit")
_COLUMNS: Final = 2
_WIDTH: Final = 450
_LABELS: Final = 160
_AXIS: Final = 225
_ROW: Final = 20
_HEAD: Final = 34
_GAP: Final = 26
_TOP: Final = 46
_TICKS: Final = (1, 2, 5, 10, 20, 50, 100, 200)
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


def main() -> int:
    """Write the plot of a file of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("svg", type=Path)
    parser.add_argument("--kind", action="append", help=f"by default {', '.join(KINDS)}")
    parser.add_argument("--condition", help="by default the first one of the results")
    arguments = parser.parse_args()
    taken = samples.read(arguments.results.read_text(encoding="utf-8").splitlines())
    kinds = arguments.kind or KINDS
    groups = [group for group in samples.groups(taken) if group.kind in kinds]
    condition = arguments.condition or (groups[0].condition if groups else "")
    groups = [group for group in groups if group.condition == condition]
    if not groups:
        sys.exit(f"{arguments.results} has no builds of {', '.join(kinds)} under {condition!r}")
    arguments.svg.parent.mkdir(parents=True, exist_ok=True)
    arguments.svg.write_text(drawn(groups, condition), encoding="utf-8")
    return 0


def drawn(groups: Sequence[Group], condition: str) -> str:
    """Return the SVG of groups; each is a panel with a logarithmic axis that begins at 1."""
    ratios = [row.ratio for group in groups for row in _rows(group) if row.ratio]
    end = next((tick for tick in _TICKS if tick >= max(ratios, default=1)), _TICKS[-1])
    lines: list[str] = []
    top = _TOP
    for first in range(0, len(groups), _COLUMNS):
        beside = groups[first : first + _COLUMNS]
        for column, group in enumerate(beside):
            lines += _panel(group, column * _WIDTH + 12, top, end)
        top += _HEAD + _ROW * max(len(_rows(group)) for group in beside) + _GAP
    width = _COLUMNS * _WIDTH + 12
    title = f"Build time as a multiple of one builder that stays ({condition}; logarithmic)"
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


def position(ratio: float, end: float) -> float:
    """Return where a ratio is on an axis from 1 to `end`, between 0 and 1."""
    return min(max(math.log(ratio) / math.log(end), 0), 1) if ratio > 0 and end > 1 else 0


def _rows(group: Group) -> list[Row]:
    return [row for row in group.rows if row.strategy != IDEAL]


def _panel(group: Group, left: int, top: int, end: float) -> Iterator[str]:
    rows = _rows(group)
    bottom = top + _HEAD + _ROW * len(rows)
    axis = left + _LABELS
    name = escape(f"{group.project}, {group.kind}")
    yield f'<text class="head" x="{left}" y="{top + 12}">{name}</text>'
    for tick in [tick for tick in _TICKS if tick <= end]:
        x = axis + _AXIS * position(tick, end)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + 30}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{top + 26}" text-anchor="middle">{tick}</text>'
    for number, row in enumerate(rows):
        y = top + _HEAD + _ROW * number + _ROW // 2
        yield f'<text x="{axis - 8}" y="{y + 4}" text-anchor="end">{escape(row.strategy)}</text>'
        if row.ratio is None:
            continue
        x = axis + _AXIS * position(row.ratio, end)
        kind = "ours" if row.strategy in LEVERS else "other"
        yield f'<line class="{kind} stem" x1="{axis}" x2="{x:.1f}" y1="{y}" y2="{y}"/>'
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="5"/>'
        yield f'<text x="{x + 10:.1f}" y="{y + 4}">{row.ratio:.1f}</text>'


if __name__ == "__main__":
    sys.exit(main())
