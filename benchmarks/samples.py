"""Timed builds as lines of JSON, and what they say: medians, ratios, and a Markdown table."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from strategies import BARE, IDEAL, NO_CACHE, ORDER, PEERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")

ALL_COMMITS: Final = "all commits"
_COMMIT: Final = " commit"
# What the ratios of a group are to: the first of these that the group has.
_BASES: Final = (IDEAL, BARE)
_MEGABYTE: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A timed build."""

    project: str
    kind: str
    """What differs from the build before: nothing, an edit, ..."""
    condition: str
    """Network and disk."""
    strategy: str
    number: int
    """Of the round, or of the commit."""
    seconds: float
    """Of all processes, from the creation of the builder to its removal."""
    steps: int
    """Steps that ran."""
    moved: int
    """Bytes between registry and builder, or warmbuild, in both directions."""
    carried: int = 0
    """Bytes of cache mounts among them, packed as the strategy packs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a strategy's builds of one kind, under one condition, took."""

    strategy: str
    builds: int
    median: float
    p95: float
    total: float
    ratio: float | None
    """Of the medians, to one builder that stays; None if that was not measured."""
    steps: float
    moved: float
    carried: float
    slower: int | None
    """Builds that took longer than the median without a cache; None if that was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that are compared with each other."""

    project: str
    kind: str
    condition: str
    rows: tuple[Row, ...]


def line(sample: Sample) -> str:
    """Return a sample as a line of JSON."""
    return json.dumps(asdict(sample))


def read(lines: Iterable[str]) -> list[Sample]:
    """Return the samples of lines of JSON."""
    return [Sample(**json.loads(text)) for text in lines if text.strip()]


def order(strategies: Sequence[T], number: int) -> list[T]:
    """Return the order of a round: each begins one further, and every second one goes back."""
    start = number % len(strategies) if strategies else 0
    turned = [*strategies[start:], *strategies[:start]]
    return turned[::-1] if number % 2 else turned


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile, the greatest value of a small sample."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)), 1) - 1]


def groups(samples: Sequence[Sample]) -> Iterator[Group]:
    """Return what is compared, in the order in which it was measured."""
    parts: dict[tuple[str, str, str], list[Sample]] = {}
    for one in samples:
        parts.setdefault((one.project, one.kind, one.condition), []).append(one)
        if one.kind.endswith(_COMMIT):
            parts.setdefault((one.project, ALL_COMMITS, one.condition), []).append(one)
    for (project, kind, condition), own in parts.items():
        # A build without a cache runs every step, whatever was changed.
        without = [
            one.seconds
            for one in samples
            if (one.project, one.condition, one.strategy) == (project, condition, NO_CACHE)
        ]
        yield Group(project=project, kind=kind, condition=condition, rows=_rows(own, without))


def _rows(samples: Sequence[Sample], without: Sequence[float]) -> tuple[Row, ...]:
    built: dict[str, list[Sample]] = {}
    for one in samples:
        built.setdefault(one.strategy, []).append(one)
    bases = [
        statistics.median(one.seconds for one in built[name]) for name in _BASES if name in built
    ]
    limit = statistics.median(without) if without else None
    rows = []
    for strategy in sorted(built, key=_place):
        took = [one.seconds for one in built[strategy]]
        rows.append(
            Row(
                strategy=strategy,
                builds=len(took),
                median=statistics.median(took),
                p95=percentile(took, 0.95),
                total=sum(took),
                ratio=statistics.median(took) / bases[0] if bases else None,
                steps=statistics.median(one.steps for one in built[strategy]),
                moved=statistics.median(one.moved for one in built[strategy]),
                carried=statistics.median(one.carried for one in built[strategy]),
                slower=None if limit is None else sum(value > limit for value in took),
            )
        )
    return tuple(rows)


def _place(strategy: str) -> int:
    return ORDER.index(strategy) if strategy in ORDER else len(ORDER)


def table(samples: Sequence[Sample]) -> str:
    """Return a Markdown table for each group."""
    return "\n\n".join(_table(group) for group in groups(samples))


def _table(group: Group) -> str:
    names = {row.strategy for row in group.rows}
    base = next((name for name in _BASES if name in names), IDEAL)
    has_mounts = any(row.carried for row in group.rows)
    heads = ["", "median s", "p95 s", f"by {base}", "steps run", "MB moved"]
    heads += ["of mounts"] if has_mounts else []
    heads += ["slower than no cache"]
    is_whole = group.kind == ALL_COMMITS
    heads += ["builds", "total s"] if is_whole else []
    lines = [
        f"**{group.project}, {group.kind}** ({group.condition})",
        "",
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (len(heads) - 1)}",
    ]
    for row in group.rows:
        hardly = row.slower is None or row.strategy == NO_CACHE
        cells = [
            row.strategy,
            f"{row.median:.2f}",
            f"{row.p95:.2f}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            f"{row.steps:g}",
            f"{row.moved / _MEGABYTE:.1f}",
        ]
        cells += [f"{row.carried / _MEGABYTE:.1f}"] if has_mounts else []
        cells += ["" if hardly else f"{row.slower} of {row.builds}"]
        cells += [str(row.builds), f"{row.total:.0f}"] if is_whole else []
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def matrices(samples: Sequence[Sample]) -> str:
    """Return a Markdown table for each project and condition: strategies by kinds of builds.

    Cells have medians: seconds, steps that ran, and megabytes moved.
    """
    parts: dict[tuple[str, str], list[Group]] = {}
    for group in groups(samples):
        parts.setdefault((group.project, group.condition), []).append(group)
    return "\n\n".join(_matrix(found) for found in parts.values())


def _matrix(found: Sequence[Group]) -> str:
    counts = sorted({row.builds for group in found for row in group.rows})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    heads = ["", *(group.kind for group in found), "all, s"]
    lines = [
        f"**{found[0].project}** ({found[0].condition}; rounds: {rounds})",
        "",
        f"| {' | '.join(heads)} |",
        f"| --- |{' ---: |' * (len(heads) - 1)}",
    ]
    for strategy in PEERS.values():
        rows = [
            next((row for row in group.rows if row.strategy == strategy), None) for group in found
        ]
        if not any(rows):
            continue
        medians = [row.median for row in rows if row]
        total = f"{sum(medians):.0f}" if all(rows) else ""
        lines.append(f"| {' | '.join([strategy, *map(_cell, rows), total])} |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    return f"{row.median:.1f} / {row.steps:g} / {row.moved / _MEGABYTE:.0f}" if row else ""
