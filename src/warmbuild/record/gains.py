"""Whether it pays to keep the cache mounts of a step, by what earlier builds measured.

A step with its mounts filled gains the seconds by which it is shorter than it was with empty ones.
It costs what it takes to restore and to save them. All times are seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record import recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warmbuild.record.recipe import Step

# A step that is shorter with empty mounts gains less than their round trip costs.
SLOW: Final = 2.0
# Losses in a row after which the mounts of a step are left out.
ENOUGH: Final = 3
# Hexadecimal digits of a key.
_DIGITS: Final = 16


@frozen
class Gain:
    """What is known of a step with cache mounts."""

    bare: float = 0.0  # how long it last ran with empty mounts; 0 if that is not known
    losses: int = 0  # how many times in a row its mounts cost more than they gained


@frozen
class Use:
    """What became of a step with cache mounts in a build."""

    step: Step
    seconds: float  # how long it ran
    is_filled: bool  # whether its mounts were restored
    cost: float  # of the restore and the save

    def gained(self, known: Gain) -> float:
        """Return what its mounts have saved before their cost; 0 if they were empty."""
        return known.bare - self.seconds if self.is_filled and known.bare else 0.0


def key(step: Step) -> str:
    """Return what a step is known by while its instruction stays the same."""
    return step.parts.get(recipe.INSTRUCTION, "")[:_DIGITS]


def why_not(step: Step, known: Mapping[str, Gain]) -> str:
    """Return why the mounts of a step are left out, as a clause; empty if they may pay."""
    gain = known.get(key(step), Gain())
    if 0 < gain.bare < SLOW:
        return f"its step takes {gain.bare:.1f} s even if it is empty"
    if gain.losses >= ENOUGH:
        return f"it cost more than it saved {gain.losses} times in a row"
    return ""


def after(known: Mapping[str, Gain], uses: Iterable[Use]) -> Mapping[str, Gain]:
    """Return what is known after a build."""
    found = dict(known)
    for use in uses:
        before = found.get(key(use.step), Gain())
        if not use.is_filled:
            found[key(use.step)] = replace(before, bare=use.seconds)
        elif before.bare:
            is_loss = use.gained(before) < use.cost
            found[key(use.step)] = replace(before, losses=before.losses + 1 if is_loss else 0)
    return found
