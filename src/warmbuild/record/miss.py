"""Miss: the first step of a stage that was not cached, why, and what would have saved it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record.cause import OF_CACHES, Cause, Kind, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Characters of an instruction in a place.
_SHORT: Final = 60
# Causes that a text lists.
_LISTED: Final = 3


@frozen
class Saving:
    """What would have kept steps cached."""

    text: str  # what to do, as a sentence without its full stop
    seconds: float  # that it would have saved


@frozen
class Miss:
    """The first step of a stage that was not cached, and why."""

    stage: str  # as BuildKit names it; empty if the file has a single one
    line: int
    step: str  # the instruction, in one line
    causes: tuple[Cause, ...]  # the first one says the most
    seconds: float = 0.0  # that the stage took from this step on
    saving: Saving | None = None

    @property
    def place(self) -> str:
        """Where the step is."""
        return f"line {self.line}, {shown(self.step, _SHORT)}"

    def shown(self, redact: Callable[[str], str]) -> Miss:
        """Return the miss as it may be shown: `redact` hides secrets in what others wrote."""
        causes = (
            replace(one, text=redact(one.text), names=tuple(map(redact, one.names)))
            for one in self.causes
        )
        saving = self.saving and replace(self.saving, text=redact(self.saving.text))
        return replace(self, step=redact(self.step), causes=tuple(causes), saving=saving)

    @property
    def why(self) -> str:
        """The causes as a clause; of those that are about caches, the first one, if it is first."""
        told = [one.text for one in self.causes if one.kind not in OF_CACHES]
        if self.causes[0].kind in OF_CACHES:
            told = [self.causes[0].text]
        return "; ".join(told[:_LISTED])


def costliest(found: Sequence[Miss]) -> Miss | None:
    """Return the miss that cost the most, with the seconds of the stages that ran because of it."""
    by_stage = {miss.stage: miss for miss in found}
    seconds: dict[str, float] = {}
    for miss in found:
        root, names = miss, {miss.stage}
        while root.causes[0].kind is Kind.STAGE:
            below = by_stage.get(root.causes[0].names[0])
            if below is None or below.stage in names:
                break
            root = below
            names.add(root.stage)
        seconds[root.stage] = seconds.get(root.stage, 0.0) + miss.seconds
    most = max(seconds, key=lambda stage: seconds[stage], default=None)
    return None if most is None else replace(by_stage[most], seconds=seconds[most])


def best_saving(found: Sequence[Miss]) -> Saving | None:
    """Return what would have saved the most seconds; None if nothing would have saved one."""
    savings = (miss.saving for miss in found)
    return max(filter(None, savings), key=lambda one: one.seconds, default=None)
