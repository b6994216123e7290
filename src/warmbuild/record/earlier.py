"""The steps of a build beside those of an earlier one."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record import predicting, recipe, record
from warmbuild.record.cause import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.record.explanation import Source
    from warmbuild.record.predicting import Compared
    from warmbuild.record.recipe import Step
    from warmbuild.record.record import Ran, Record

# Characters of an instruction, and names of parts that differ.
_LONGEST: Final = 200
_MOST: Final = 20


class Change(Enum):
    """How a step differs from that of the earlier build."""

    SAME = "same"
    CHANGED = "changed"
    NEW = "new"
    REMOVED = "removed"


@frozen
class Pair:
    """A step, and what became of it in both builds."""

    stage: str
    line: int  # of the Dockerfile now; of the earlier one if the step is removed
    title: str
    change: Change
    parts: tuple[str, ...] = ()  # names of what it is made of that has changed
    now: Ran | None = None
    then: Ran | None = None  # its seconds may be those of a build that is earlier still


@frozen
class Comparison:
    """A build beside an earlier one."""

    source: Source  # the record of the earlier one
    pairs: tuple[Pair, ...]

    def shown(self, redact: Callable[[str], str]) -> Comparison:
        """Return the comparison as it may be shown: `redact` hides secrets in what others wrote."""
        pairs = (
            replace(one, title=redact(one.title), parts=tuple(map(redact, one.parts)))
            for one in self.pairs
        )
        return replace(self, pairs=tuple(pairs))


def pairs(compared: Compared, ran: Mapping[tuple[str, int], Ran]) -> tuple[Pair, ...]:
    """Return the steps of both builds: those of now in their order, then those that are removed.

    `ran` is what became of the steps now, by stage and position. A step is compared with one that
    has the same instruction in its stage, or else with the one in its place.
    """
    known, now = compared.record, compared.now.steps
    left = {(step.stage, step.position): step for step in known.recipe.steps}
    alike: dict[tuple[str, str], list[Step]] = {}
    for then in left.values():
        alike.setdefault(_instruction(then), []).insert(0, then)
    found: dict[tuple[str, int], Step] = {}
    for step in now:
        if same := alike.get(_instruction(step)):
            then = same.pop()
            found[step.stage, step.position] = left.pop((then.stage, then.position))
    for step in now:
        place = (step.stage, step.position)
        if place not in found and place in left:
            found[place] = left.pop(place)
    removed = [
        Pair(
            stage=shown(then.stage),
            line=then.line,
            title=shown(then.title, _LONGEST),
            change=Change.REMOVED,
            then=known.ran.get(place),
        )
        for place, then in left.items()
    ]
    return (*(_pair(step, found, ran, known) for step in now), *removed)


def _pair(
    step: Step,
    found: Mapping[tuple[str, int], Step],
    ran: Mapping[tuple[str, int], Ran],
    known: Record,
) -> Pair:
    place = (step.stage, step.position)
    then = found.get(place)
    parts = predicting.changed(then.parts, step.parts) if then else ()
    return Pair(
        stage=shown(step.stage),
        line=step.line,
        title=shown(step.title, _LONGEST),
        change=(Change.CHANGED if parts else Change.SAME) if then else Change.NEW,
        parts=tuple(map(shown, parts[:_MOST])),
        now=ran.get(place),
        then=known.ran.get((then.stage, then.position)) if then else None,
    )


def _instruction(step: Step) -> tuple[str, str]:
    return step.stage, record.part(step.parts.get(recipe.INSTRUCTION, ""))
