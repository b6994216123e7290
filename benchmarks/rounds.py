"""The rounds of `make bench-peers` and `bench-edit`: which are left, and how long they take."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from samples import Sample

# Seconds that a build takes, as long as none of the project was measured.
_A_BUILD: Final = 10.0
# What passes between two builds, as a share of a build.
_BETWEEN: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All scenarios of a project under a condition, by all strategies."""

    project: str
    network: str
    condition: str
    number: int
    strategies: tuple[str, ...]
    scenarios: tuple[str, ...]

    def of(self, taken: Iterable[Sample]) -> list[Sample]:
        """Return the samples of this round."""
        own = (self.project, self.condition, self.number)
        return [one for one in taken if (one.project, one.condition, one.number) == own]

    def is_whole(self, taken: Iterable[Sample]) -> bool:
        """Return whether no build is missing."""
        have = {(one.kind, one.strategy) for one in self.of(taken)}
        return have.issuperset(itertools.product(self.scenarios, self.strategies))


def left(rounds: Iterable[Round], taken: Sequence[Sample]) -> list[Round]:
    """Return the rounds that are not whole."""
    return [one for one in rounds if not one.is_whole(taken)]


def kept(rounds: Iterable[Round], taken: Sequence[Sample]) -> list[Sample]:
    """Return the samples without those of these rounds, which begin anew.

    What an interrupted build has left in its cache is not known, so no round is gone on with.
    """
    begun = [sample for one in rounds for sample in one.of(taken)]
    return [one for one in taken if one not in begun]


def seconds(rounds: Iterable[Round], taken: Sequence[Sample]) -> float:
    """Return how long rounds will take, by what builds of the same project took."""
    total = 0.0
    for one in rounds:
        like = [sample.seconds for sample in taken if sample.project == one.project]
        each = sum(like) / len(like) if like else _A_BUILD
        total += (1 + _BETWEEN) * each * len(one.scenarios) * len(one.strategies)
    return total
