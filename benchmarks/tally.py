"""Results of a replay: steps by strategy, their ratio to the ideal's, and the differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IDEAL: Final = "ideal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A build by a strategy: the steps that ran, by their position, and the time in seconds."""

    example: str
    number: int
    title: str
    strategy: str
    ran: Mapping[str, str]
    seconds: float
    foreseen: Mapping[str, int] = field(default_factory=dict)
    """How many steps a plan was right of, wrong of, and did not know."""


def steps(builds: Sequence[Built], example: str, strategy: str) -> int:
    """Return how many steps a strategy ran in total."""
    return sum(len(build.ran) for build in _of(builds, example, strategy))


def ratio(builds: Sequence[Built], example: str, strategy: str) -> float | None:
    """Return the ratio of a strategy's steps to the ideal's, None without a replay of the ideal."""
    ideal = steps(builds, example, IDEAL)
    return steps(builds, example, strategy) / ideal if ideal else None


def table(builds: Sequence[Built]) -> str:
    """Return a Markdown table with a row for each strategy and three columns for each example."""
    examples = list(dict.fromkeys(build.example for build in builds))
    heads = [f"{name}: steps | by the ideal's | seconds" for name in examples]
    lines = [f"| | {' | '.join(heads)} |", "| --- |" + " ---: |" * (3 * len(examples))]
    for strategy in dict.fromkeys(build.strategy for build in builds):
        cells = [strategy]
        for example in examples:
            share = ratio(builds, example, strategy)
            cells += [
                str(steps(builds, example, strategy)),
                "" if share is None else f"{share:.2f}",
                f"{sum(build.seconds for build in _of(builds, example, strategy)):.0f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def foreseen(builds: Sequence[Built]) -> str:
    """Return how many steps plans were right of, by strategy and example, as Markdown."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for build in builds:
        if build.foreseen:
            counts.setdefault((build.strategy, build.example), Counter()).update(build.foreseen)
    lines = ["| forecast of the steps | right | wrong | unknown |", "| --- | ---: | ---: | ---: |"]
    for (strategy, example), found in counts.items():
        cells = (str(found[name]) for name in ("right", "wrong", "unknown"))
        lines.append(f"| {example}, {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines) if counts else ""


def beyond(builds: Sequence[Built], strategy: str) -> Iterator[str]:
    """Return a Markdown list of the steps that a strategy ran and the ideal did not."""
    ideal = {
        (build.example, build.number): build.ran for build in builds if build.strategy == IDEAL
    }
    for build in builds:
        if build.strategy != strategy or (build.example, build.number) not in ideal:
            continue
        ran = ideal[build.example, build.number]
        more = [f"`{instruction}`" for place, instruction in build.ran.items() if place not in ran]
        if more:
            yield f"- {build.example} {build.number}, {build.title}: {', '.join(more)}"


def _of(builds: Sequence[Built], example: str, strategy: str) -> Iterator[Built]:
    return (build for build in builds if (build.example, build.strategy) == (example, strategy))
