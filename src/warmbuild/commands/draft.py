"""What is known of a run so far, for a run that fails or is stopped before its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from warmbuild.build import outcomes
from warmbuild.build.outcomes import Outcome
from warmbuild.errors import Stopped
from warmbuild.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.build.timeline import Call
    from warmbuild.buildkit.progress import Progress, Step
    from warmbuild.errors import WarmbuildError
    from warmbuild.plan.build_plan import BuildPlan


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a run notes while it goes on."""

    decided: Sequence[BuildPlan] = ()
    calls: list[Call] = field(default_factory=list)  # every call of buildx that has ended
    outcome: Outcome | None = None  # once images are out


def failed(draft: Draft, error: WarmbuildError) -> Outcome:
    """Return what a run did before an error."""
    builds = [call.progress for call in draft.calls if call.phase is not Phase.CACHE]
    for earlier in builds[:-1]:
        builds[-1].goes_on(earlier)
    last = builds[-1] if builds else None
    failure = last.failure() if last else None
    return replace(
        _known(draft, last),
        error=str(error),
        error_class=type(error).__name__,
        is_stopped=isinstance(error, Stopped),
        failure=failure if failure and failure.title else None,
    )


def _known(draft: Draft, last: Progress | None) -> Outcome:
    """Return what became of images: of those that are out, and of those that are not."""
    out = draft.outcome
    if out and not out.targets:
        return out
    done = {one.name: one for one in out.targets} if out else {}
    images = [
        done.get(plan.name) or _begun(plan, last) for plan in draft.decided if not plan.linked
    ]
    if not images:
        return out or Outcome(metadata="{}", notes=())
    if not images[0].name:
        return replace(images[0], image=draft.decided[0])
    steps = {step.title: step for step in (*(out.steps if out else ()), *_steps(last))}
    metadata = out.metadata if out else "{}"
    return outcomes.together(images, metadata=metadata, steps=tuple(steps.values()))


def _begun(plan: BuildPlan, progress: Progress | None) -> Outcome:
    """Return what became of an image that is not out."""
    return Outcome(
        name=plan.name,
        metadata="{}",
        steps=_steps(progress.of(plan.name) if progress else None),
        notes=(*plan.notes, *plan.cache.notes),
    )


def _steps(progress: Progress | None) -> tuple[Step, ...]:
    return progress.steps() if progress else ()
