"""The outcome as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.measure import Measure
from warmbuild.report.plain_text import hit_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.phases import Phase

# The parts of which BuildKit counts bytes: layers that are pulled, and contexts that are sent.
_COUNTED: Final = ("sha256:", "transferring ")


def measures(done: Outcome) -> Sequence[Measure]:
    """Return the numbers of a run; bytes only of the phases for which BuildKit tells them."""
    hits, steps, ratio = hit_ratio(done.steps)
    phases = done.timeline.phases
    return (
        Measure(name="seconds", value=done.seconds),
        Measure(name="steps", value=steps),
        Measure(name="steps_cached", value=hits),
        Measure(name="hit_ratio", value=ratio),
        *(Measure(name="phase_seconds", phase=one.value, value=phases[one]) for one in phases),
        *(
            Measure(name="phase_bytes", phase=one.value, value=size)
            for one, size in _bytes(done).items()
        ),
    )


def _bytes(done: Outcome) -> Mapping[Phase, int]:
    """Return how much each phase transferred; a part that two bars share counts once."""
    sizes = {
        (bar.phase, bar.number, part.name): part.size
        for bar in done.timeline.bars
        for part in bar.parts
        if part.size and part.name.startswith(_COUNTED)
    }
    found: dict[Phase, int] = {}
    for (phase, _, _), size in sizes.items():
        found[phase] = found.get(phase, 0) + size
    return found
