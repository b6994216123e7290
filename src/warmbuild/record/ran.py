"""What became of the steps of a build, by BuildKit's progress."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from warmbuild.record import predicting
from warmbuild.record.record import Ran

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warmbuild.record.predicting import Compared
    from warmbuild.record.recipe import Recipe


class Told(Protocol):
    """A step as BuildKit's progress has it."""

    @property
    def prefix(self) -> str:
        """The platform and the stage, of several."""

    @property
    def position(self) -> str:
        """Its number among the vertices of its stage, such as 2/4."""

    @property
    def cached(self) -> bool:
        """Whether it came from a cache."""

    @property
    def seconds(self) -> float | None:
        """How long it ran; None if it did not."""


def has_more(told: Iterable[Told], made: Recipe) -> bool:
    """Return whether a stage has instructions of its base image (ONBUILD) before its own.

    BuildKit counts each of them, and the base image itself as one.
    """
    counts = {step.stage: step.total for step in made.steps}
    positions = [(_stage(one), one.position.partition("/")[2]) for one in told]
    return any(int(total) > counts.get(stage, 0) + 1 for stage, total in positions)


def _stage(one: Told) -> str:
    words = [word for word in one.prefix.split() if "/" not in word]
    return words[-1] if words else ""


def places(told: Iterable[Told], made: Recipe) -> Sequence[tuple[str, int] | None]:
    """Return the stage and the position of each step in the Dockerfile; None if it has it not."""
    counts = {step.stage: step.total for step in made.steps}
    return [_place(one, counts) for one in told]


def _place(one: Told, counts: Mapping[str, int]) -> tuple[str, int] | None:
    stage = _stage(one)
    at, _, total = one.position.partition("/")
    # The base, and steps that a base has for those upon it, come before.
    position = int(at) - int(total) + counts.get(stage, 0)
    return None if position < 1 or stage not in counts else (stage, position)


def ran(
    told: Iterable[Told], made: Recipe, compared: Sequence[Compared] = ()
) -> Mapping[tuple[str, int], Ran]:
    """Return what became of steps, by their stage and position.

    A step that ran for one of several platforms ran. One that was cached has the seconds that the
    record of an earlier build has of it.
    """
    counts = {step.stage: step.total for step in made.steps}
    found: dict[tuple[str, int], Ran] = {}
    for one in told:
        place = _place(one, counts)
        if place is None:
            continue
        before = found.get(place, Ran(cached=True))
        found[place] = Ran(
            cached=one.cached and before.cached, seconds=max(one.seconds or 0.0, before.seconds)
        )
    for step in made.steps:
        key = (step.stage, step.position)
        if key in found and found[key].cached:
            known = predicting.seconds_of(compared, step)
            found[key] = replace(found[key], seconds=known or found[key].seconds)
    return found
