"""The critical path of a run: the chain of bars that determined when it ended."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.build.timeline import Bar

# Seconds by which a bar may seem to begin before what it waited for has ended.
_TOLERANCE: Final = 0.05
# Seconds after which a bar waited for something else than what it is made from.
_LONG: Final = 0.25


def critical_path(bars: Sequence[Bar]) -> tuple[int, ...]:
    """Return the places of the bars on the critical path, in the order of their begin.

    It is followed from the bar that ends last. A bar waited for what it is made from, or, if that
    had ended long before, for what ended last before it: BuildKit does not tell of its locks, nor
    of the order in which its frontend asks for things. Bars of one vertex that lie within another,
    such as pushes within an export, are on the path with it.
    """
    by_vertex: dict[int, list[int]] = {}
    for at, bar in enumerate(bars):
        by_vertex.setdefault(bar.number, []).append(at)
    whole = {at: _whole(bars, at, by_vertex[bar.number]) for at, bar in enumerate(bars)}
    by_end = sorted(
        (at for at, bar in enumerate(bars) if bar.seconds > 0 and whole[at] == at),
        key=lambda at: (bars[at].ended, -bars[at].begun),
    )
    ends = [bars[at].ended for at in by_end]

    def before(at: int) -> int | None:
        bar = bars[at]
        needed = (whole[one] for number in bar.needs for one in by_vertex.get(number, ()))
        made_from = max(
            (one for one in needed if _is_before(bars[one], bar)),
            key=lambda one: bars[one].ended,
            default=None,
        )
        if made_from is not None and bar.begun - bars[made_from].ended <= _LONG:
            return made_from
        earlier = reversed(by_end[: bisect_right(ends, bar.begun + _TOLERANCE)])
        last = next((one for one in earlier if _is_before(bars[one], bar)), None)
        return last if last is not None else made_from

    path: set[int] = set()
    last = by_end[-1] if by_end else None
    while last is not None:
        path.add(last)
        last = before(last)
    found = (at for at, bar in enumerate(bars) if bar.seconds > 0 and whole[at] in path)
    return tuple(sorted(found, key=lambda at: (bars[at].begun, bars[at].ended)))


def _is_before(bar: Bar, later: Bar) -> bool:
    """Return whether a bar had ended when another one began."""
    is_earlier = (bar.begun, bar.ended) < (later.begun, later.ended)
    return is_earlier and bar.ended <= later.begun + _TOLERANCE


def _whole(bars: Sequence[Bar], at: int, of_vertex: Sequence[int]) -> int:
    """Return the longest bar of a vertex that a bar of it lies within; itself without one."""
    bar = bars[at]
    around = (
        one
        for one in of_vertex
        if bars[one].begun <= bar.begun and bar.ended <= bars[one].ended + _TOLERANCE
    )
    return max(around, key=lambda one: bars[one].seconds)
