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
    from warmbuild.buildkit.progress import Progress
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
    failure = builds[-1].failure() if builds and not draft.outcome else None
    known = draft.outcome or _begun(draft.decided, builds[-1] if builds else None)
    return replace(
        known,
        error=str(error),
        is_stopped=isinstance(error, Stopped),
        failure=failure if failure and failure.title else None,
    )


def _begun(decided: Sequence[BuildPlan], progress: Progress | None) -> Outcome:
    """Return what became of images that are not out."""
    images = [
        Outcome(
            name=plan.name,
            metadata="{}",
            steps=progress.of(plan.name).steps() if progress else (),
            notes=(*plan.notes, *plan.cache.notes),
        )
        for plan in decided
        if not plan.linked
    ]
    if not images:
        return Outcome(metadata="{}", notes=())
    if not images[0].name:
        return replace(images[0], image=decided[0])
    steps = progress.steps() if progress else ()
    return outcomes.together(images, metadata="{}", steps=steps)
