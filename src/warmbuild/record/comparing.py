"""Why steps were not cached, by the records beside the caches that a build reads."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

from warmbuild.record import reordering
from warmbuild.record.cause import Cause, Kind, shown
from warmbuild.record.differences import Case
from warmbuild.record.miss import Miss

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from warmbuild.record.differences import Against, Build
    from warmbuild.record.recipe import Step
    from warmbuild.record.record import Ran

# Characters of an instruction.
_LONGEST: Final = 200
_FILTERED: Final = Cause(kind=Kind.NO_CACHE, text="no-cache-filters names its stage")
_UNTOLD: Final = Cause(kind=Kind.NO_RECORD, text="no record of an earlier build was read")


def misses(
    build: Build,
    against: Sequence[Against],
    ran: Mapping[tuple[str, int], Ran],
    *,
    ignored: Collection[str] = (),
    otherwise: Sequence[Cause] = (),
) -> tuple[Miss, ...]:
    """Return the first missed step of each stage.

    `against` are the records, near before far; none if no cache is read. `ran` is what became of
    the steps, by stage and position. `ignored` are the stages that no cache is used for, and
    `otherwise` is why other caches are not read, or say nothing.
    """
    stages: dict[str, list[Step]] = {}
    for step in build.recipe.steps:
        stages.setdefault(step.stage, []).append(step)
    rest = {name: _from_first(steps, ran) for name, steps in stages.items()}
    missed = {name: steps for name, steps in rest.items() if steps}
    found = []
    for name, steps in missed.items():
        causes: Sequence[Cause] = otherwise or [_UNTOLD]
        saving = None
        if name in ignored:
            causes = [_FILTERED]
        elif against:
            nearest = max(against, key=lambda one: _common(one, name))
            case = Case(build, nearest, frozenset(missed), name, len(stages[name]) - len(steps))
            causes = _with_others(case.causes, otherwise)
            saving = reordering.saving(case, ran)
        miss = Miss(
            stage=shown(name),
            line=steps[0].line,
            step=shown(steps[0].title, _LONGEST),
            causes=tuple(causes),
            seconds=sum(ran[_key(step)].seconds for step in steps if _has_run(step, ran)),
            saving=saving,
        )
        found.append(miss)
    return tuple(found)


def _key(step: Step) -> tuple[str, int]:
    return step.stage, step.position


def _has_run(step: Step, ran: Mapping[tuple[str, int], Ran]) -> bool:
    done = ran.get(_key(step))
    return done is not None and not done.cached


def _from_first(steps: Sequence[Step], ran: Mapping[tuple[str, int], Ran]) -> Sequence[Step]:
    """Return the steps of a stage from the first missed one on."""
    at = next((at for at, step in enumerate(steps) if _has_run(step, ran)), len(steps))
    return steps[at:]


def _common(against: Against, stage: str) -> int:
    """Return with how many steps of a stage a record begins alike."""
    keys = {step.key for step in against.compared.record.recipe.steps}
    own = (step for step in against.compared.now.steps if step.stage == stage)
    return len(list(takewhile(lambda step: step.key and step.key in keys, own)))


def _with_others(causes: Sequence[Cause], otherwise: Sequence[Cause]) -> Sequence[Cause]:
    """Return causes with what is known of other caches; that a branch has none yet says nothing."""
    others = [one for one in otherwise if one.kind is not Kind.MISSING]
    if causes[0].kind is Kind.UNEXPLAINED:
        return others or causes
    told = (one for one in others if one.kind is not Kind.NO_RECORD)
    return list(dict.fromkeys((*causes, *told)))
