"""Tables of steps in Markdown, one for each stage and platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import vertices
from warmbuild.phases import Phase
from warmbuild.report.inert import code, folded, inline, table
from warmbuild.report.plain_text import LONG, hit_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.timeline import Bar
    from warmbuild.buildkit.progress import Step

# Characters of an instruction and of a cause.
_LONGEST: Final = 100
# Rows of a table that is not folded.
_FEW: Final = 20
_HEADER: Final = ("Step", "Instruction", "Cache", "Took")


def tables(outcome: Outcome, bars: Sequence[Bar], room: int) -> Iterator[str]:
    """Yield a table for each stage and platform of an image, with at most `room` bytes in rows.

    What has no room is left out and counted: first steps from the cache, then the shortest.
    """
    by_step: dict[tuple[str, str, str], list[Bar]] = {}
    for bar in bars:
        if bar.phase is Phase.STEPS:
            by_step.setdefault((bar.prefix, bar.position, bar.instruction), []).append(bar)
    why = {miss.line: miss.why for miss in outcome.misses}

    def row(step: Step) -> Sequence[str]:
        own = by_step.get((step.prefix, step.position, step.instruction), ())
        is_open = bool(outcome.error) and not (step.cached or step.seconds)
        cache = "stopped" if is_open else _cache(step, why.get(step.line, ""))
        took = _took(step, own, is_open=is_open)
        return inline(step.position), code(step.instruction, _LONGEST), cache, took

    kept = _kept(outcome.steps, row, room)
    stages: dict[str, list[Step]] = {}
    for step in outcome.steps:
        stages.setdefault(step.prefix, []).append(step)
    for prefix, steps in stages.items():
        shown = [kept[step] for step in steps if step in kept]
        parts = [table(_HEADER, shown, right="Took")] if shown else []
        if left := [step for step in steps if step not in kept]:
            parts.append(_left_out(left))
        hits, count, _ = hit_ratio(steps)
        done = f"{count - hits} of {count} steps run, {hits} cached"
        if hits == count or len(shown) > _FEW:
            yield folded(done, "\n\n".join(parts), prefix[:_LONGEST])
        else:
            is_named = prefix or len(stages) > 1
            caption = [f"{code(prefix, _LONGEST)} {done}".strip()] if is_named else []
            yield "\n\n".join((*caption, *parts))


def _left_out(steps: Sequence[Step]) -> str:
    cached = sum(step.cached for step in steps)
    counts = ((cached, "from the cache"), (len(steps) - cached, "that ran"))
    told = " and ".join(f"{count} {what}" for count, what in counts if count)
    return f"Left out for want of room: {told}."


def _kept(
    steps: Sequence[Step], row: Callable[[Step], Sequence[str]], room: int
) -> Mapping[Step, Sequence[str]]:
    """Return the rows that have room, those first of steps that failed or took the longest."""
    kept: dict[Step, Sequence[str]] = {}
    for step in sorted(steps, key=lambda one: (one.cached, not one.error, -(one.seconds or 0))):
        cells = row(step)
        room -= len("".join(cells).encode()) + len("|  |  |  |  |\n")
        if room < 0:
            break
        kept[step] = cells
    return kept


def _took(step: Step, bars: Sequence[Bar], *, is_open: bool) -> str:
    if step.cached:
        return f"saved {step.usual:.1f} s" if step.usual >= LONG else ""
    waited = max((bar.waited for bar in bars), default=0.0)
    wait = f", after {waited:.1f} s of {Phase.PULL.value}" if waited >= LONG else ""
    # A step that has not ended has no time of its own.
    seconds = sum(bar.seconds for bar in bars) if is_open else step.seconds or 0.0
    return f"{seconds:.1f} s{wait}"


def _cache(step: Step, why: str) -> str:
    if step.cached:
        return f"hit, {code(_short_ref(step.origin))}" if step.origin else "hit"
    if step.error:
        return "stopped" if vertices.CANCELLED in step.error else "**failed**"
    return f"miss: {inline(why, _LONGEST)}" if why else "miss"


def _short_ref(ref: str) -> str:
    """Return the last part of a ref's name, with its tag and without its digest."""
    return ref.partition("@")[0].rpartition("/")[2]
