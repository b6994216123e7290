"""Which steps of a build will run, by the records beside the caches that it reads."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record import recipe, record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from warmbuild.record.recipe import Recipe, Step
    from warmbuild.record.record import Record

# Parts that may have another digest and the same content, which is what BuildKit compares.
_SOURCES: Final = (f"{recipe.STAGE} ", f"{recipe.IMAGE} ")
_BASE: Final = f"{recipe.BASE} "
_ROOT: Final = (recipe.PLATFORMS, recipe.SYNTAX)


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

    A step is unknown if only BuildKit knows what it is made of. It is also unknown if it differs
    from that of a record by nothing but images or stages that it is upon or takes something from:
    BuildKit compares their content, which may be the same. What is upon a step for which no cache
    is used is unknown too: BuildKit takes some of it from a cache. An edit of the Dockerfile that
    means the same to BuildKit, such as another order of mounts, counts as an edit.
    """
    if not compared:
        return ()
    built = compared[0].now.built
    known = [_known(one.record) for one in compared]
    fates: dict[str, Fate] = {}  # Of stages, by their names
    redone: set[str] = set()  # Stages with something of which no cache is used
    found: list[Forecast] = []
    for number, step in enumerate(compared[0].now.steps):
        pairs = [(then, one.now.steps[number]) for then, one in zip(known, compared, strict=True)]
        below = fates.get(step.stage) or _fate_of_base(known, step, fates)
        fate = _fate(pairs, below)
        if not redone.isdisjoint((step.stage, *_sources(step))):
            redone.add(step.stage)
            fate = Fate.UNKNOWN if fate is Fate.CACHED else fate
        if step.stage in ignored and not step.title.startswith("WORKDIR "):
            redone.add(step.stage)
            fate = Fate.RUNS
        fates[step.stage] = _together(below, fate)
        if (fate is Fate.RUNS and not is_complete) or (is_least and step.stage not in built):
            fate = Fate.UNKNOWN
        found.append(Forecast(step=step, fate=fate, seconds=seconds_of(compared, step)))
    return tuple(found)


def seconds(steps: Sequence[Forecast]) -> float:
    """Return about how long the steps that run take, with stages beside each other."""
    ends: dict[str, float] = {}
    for one in steps:
        taken = [ends.get(name, 0.0) for name in _sources(one.step)]
        begin = max((ends.get(one.step.stage, 0.0), *taken))
        ends[one.step.stage] = begin + (one.seconds if one.fate is Fate.RUNS else 0.0)
    return max(ends.values(), default=0.0)


@frozen
class _Known:
    """What a record has of steps."""

    keys: Collection[str]
    owns: Mapping[str, bool]  # whether a step is unknown, by what is surely compared
    roots: Collection[Sequence[str]]


def _known(of: Record) -> _Known:
    owns: dict[str, bool] = {}
    for step in of.recipe.steps:
        owns[step.own] = owns.get(step.own, False) or bool(step.unknown)
    return _Known(
        keys={step.key for step in of.recipe.steps if step.key},
        owns=owns,
        roots={_root(step) for step in of.recipe.steps},
    )


def _fate(pairs: Sequence[tuple[_Known, Step]], below: Fate) -> Fate:
    """Return what becomes of a step, by each record and the step with the salt of that."""
    step = pairs[0][1]
    if any(now.key in then.keys for then, now in pairs):
        return Fate.CACHED
    alike = [then.owns[now.own] for then, now in pairs if now.own in then.owns]
    if not alike:
        return Fate.RUNS
    if below is not Fate.CACHED and not step.linked:
        return below
    takes = any(name.startswith(_SOURCES) for name in step.parts)
    is_open = step.linked or takes or step.unknown or any(alike)
    return Fate.UNKNOWN if is_open else Fate.RUNS


def counterpart(then: Recipe, now: Step) -> Step | None:
    """Return the step of a record that a step is compared with.

    It has the same instruction in the same stage; of several, it has the nearest position.
    """
    own = _instruction(now)
    stage = (step for step in then.steps if step.stage == now.stage)
    same = (step for step in stage if _instruction(step) == own)
    return min(same, key=lambda step: abs(step.position - now.position), default=None)


def _instruction(step: Step) -> str:
    return record.part(step.parts.get(recipe.INSTRUCTION, ""))


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the parts in which a step, or an image, differs from a record's."""
    return tuple(
        name
        for name in dict.fromkeys((*now, *then))
        if record.part(now.get(name, "")) != record.part(then.get(name, ""))
    )


def seconds_of(compared: Sequence[Compared], step: Step) -> float:
    """Return how long a step ran when it last did; 0 if no record has it."""
    for one in compared:
        then = counterpart(one.record.recipe, step)
        ran = one.record.ran.get((then.stage, then.position)) if then else None
        if ran and ran.seconds:
            return ran.seconds
    return 0.0


def _sources(step: Step) -> Sequence[str]:
    """Return the names of what a step is upon or takes something from: stages and images."""
    sources = (*_SOURCES, _BASE)
    return [name.partition(" ")[2] for name in step.parts if name.startswith(sources)]


def _fate_of_base(known: Sequence[_Known], step: Step, fates: Mapping[str, Fate]) -> Fate:
    """Return the fate of what the first step of a stage is upon: another stage, or an image."""
    bases = [name.removeprefix(_BASE) for name in step.parts if name.startswith(_BASE)]
    if found := next((fates[name] for name in bases if name in fates), None):
        return found
    is_known = bases and any(_root(step) in one.roots for one in known)
    return Fate.CACHED if is_known else Fate.UNKNOWN


def _root(step: Step) -> tuple[str, ...]:
    """Return the digests of what the first step of a stage is upon; none of any other step."""
    parts = (part for name, part in step.parts.items() if name in _ROOT or name.startswith(_BASE))
    return tuple(map(record.part, parts))


def _together(below: Fate, own: Fate) -> Fate:
    if Fate.RUNS in {below, own}:
        return Fate.RUNS
    return Fate.UNKNOWN if Fate.UNKNOWN in {below, own} else Fate.CACHED
