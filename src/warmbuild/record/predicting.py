"""Which steps of a build will run, by the records beside the caches that it reads."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record import recipe, record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from warmbuild.record.recipe import Recipe, Step
    from warmbuild.record.record import Record

_STAGE: Final = f"{recipe.STAGE} "
_BASE: Final = f"{recipe.BASE} "


class Fate(Enum):
    """What becomes of a step."""

    CACHED = "cached"
    RUNS = "runs"
    UNKNOWN = "unknown"


@frozen
class Compared:
    """A record, and what is to be built now, with its salt."""

    record: Record
    now: Recipe


@frozen
class Forecast:
    """What is known of a step before the build."""

    step: Step
    fate: Fate
    seconds: float = 0.0  # how long it ran when it last did; 0 if no record has it


def forecast(
    compared: Sequence[Compared],
    *,
    ignored: Collection[str] = (),
    is_complete: bool = True,
    is_least: bool = False,
) -> tuple[Forecast, ...]:
    """Return what becomes of each step; nothing without a record.

    `ignored` are the stages that no cache is used for, as `no-cache-filters` names them.
    `is_complete` tells whether nothing else has results of steps, and `is_least` whether caches
    have those of the built stage alone (BuildKit's mode min).
    """
    if not compared:
        return ()
    built = compared[0].now.built
    fates: dict[str, Fate] = {}  # Of stages, by their names and numbers
    found: list[Forecast] = []
    for number, step in enumerate(compared[0].now.steps):
        same = [one.now.steps[number] for one in compared]
        below = fates.get(step.stage, _fate_of_base(step, fates))
        fate = _fate(compared, same, below, fates)
        if step.stage in ignored:
            fate = Fate.RUNS
        elif (fate is Fate.RUNS and not is_complete) or (is_least and step.stage not in built):
            fate = Fate.UNKNOWN
        found.append(Forecast(step=step, fate=fate, seconds=seconds_of(compared, step)))
        fates[step.stage] = _together(below, fate)
    return tuple(found)


def seconds(steps: Sequence[Forecast]) -> float:
    """Return about how long the steps that run take, with stages beside each other."""
    ends: dict[str, float] = {}
    for one in steps:
        names = [name.partition(" ")[2] for name in one.step.parts]
        taken = [ends.get(name, 0.0) for name in names]
        begin = max((ends.get(one.step.stage, 0.0), *taken))
        ends[one.step.stage] = begin + (one.seconds if one.fate is Fate.RUNS else 0.0)
    return max(ends.values(), default=0.0)


def _fate(
    compared: Sequence[Compared],
    same: Sequence[Step],
    below: Fate,
    fates: Mapping[str, Fate],
) -> Fate:
    step = same[0]
    if step.unknown:
        return Fate.UNKNOWN
    pairs = zip(compared, same, strict=True)
    if any(now.key in _keys(one.record) for one, now in pairs):
        return Fate.CACHED
    if below is Fate.RUNS and not step.linked:
        return Fate.RUNS
    if below is Fate.UNKNOWN and not step.linked:
        return Fate.UNKNOWN
    # BuildKit compares what is taken from a stage by its content, which a step may leave as it is.
    sources = {fates.get(name, Fate.CACHED) for name in _stages(step)}
    if sources <= {Fate.CACHED} or not _differs_by_stages_alone(compared, same):
        return Fate.RUNS
    return Fate.UNKNOWN


def _differs_by_stages_alone(compared: Sequence[Compared], same: Sequence[Step]) -> bool:
    for one, now in zip(compared, same, strict=True):
        then = counterpart(one.record.recipe, now)
        if then and all(name.startswith(_STAGE) for name in changed(then.parts, now.parts)):
            return True
    return False


def counterpart(then: Recipe, now: Step) -> Step | None:
    """Return the step of a record that a step is compared with.

    It has the same instruction in the same stage; of several, it has the nearest position.
    """
    own = record.part(now.parts[recipe.INSTRUCTION])
    stage = [step for step in then.steps if step.stage == now.stage]
    same = [step for step in stage if step.parts.get(recipe.INSTRUCTION) == own]
    return min(same, key=lambda step: abs(step.position - now.position), default=None)


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the parts in which a step, or an image, differs from a record's."""
    return tuple(
        name
        for name in dict.fromkeys((*now, *then))
        if record.part(now.get(name, "")) != record.part(then.get(name, ""))
    )


def _keys(of: Record) -> Collection[str]:
    return {step.key for step in of.recipe.steps if step.key}


def seconds_of(compared: Sequence[Compared], step: Step) -> float:
    """Return how long a step ran when it last did; 0 if no record has it."""
    for one in compared:
        then = counterpart(one.record.recipe, step)
        ran = one.record.ran.get((then.stage, then.position)) if then else None
        if ran and ran.seconds:
            return ran.seconds
    return 0.0


def _stages(step: Step) -> Iterator[str]:
    """Yield the stages that a step takes something from."""
    return (name.removeprefix(_STAGE) for name in step.parts if name.startswith(_STAGE))


def _fate_of_base(step: Step, fates: Mapping[str, Fate]) -> Fate:
    """Return the fate of the stage that the first step of another one is upon."""
    bases = (name.removeprefix(_BASE) for name in step.parts if name.startswith(_BASE))
    return next((fates[name] for name in bases if name in fates), Fate.CACHED)


def _together(below: Fate, own: Fate) -> Fate:
    if Fate.RUNS in {below, own}:
        return Fate.RUNS
    return Fate.UNKNOWN if Fate.UNKNOWN in {below, own} else Fate.CACHED
