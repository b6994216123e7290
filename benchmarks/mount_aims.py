"""What the cache mounts of warmbuild have to reach, by the samples of `make bench-edit`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strategies import IDEAL, ONE_REF, WITHOUT_MOUNTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from samples import Sample

_OURS: Final = "warmbuild"
# By how much an edit may take longer than on the builder that stays.
_EDIT: Final = 4.0
# The share that is left of what the builder that stays gains.
_GAIN: Final = 0.6
# By how much a build may take longer than without its mounts.
_SLOWER: Final = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Samples of one condition, of projects with cache mounts."""

    samples: Sequence[Sample]

    def median(self, project: str, kind: str, strategy: str) -> float | None:
        """Return the median of a strategy's seconds; None if it was not measured."""
        of = (project, kind, strategy)
        found = [one.seconds for one in self.samples if (one.project, one.kind, one.strategy) == of]
        return statistics.median(found) if found else None


def text(samples: Sequence[Sample], projects: Sequence[str]) -> str:
    """Return a Markdown list of the aims for each condition; `projects` have cache mounts."""
    own = [one for one in samples if one.project in projects]
    parts = []
    for condition in dict.fromkeys(one.condition for one in own if one.number):
        taken = _Taken(
            samples=[one for one in own if (one.condition, one.number > 0) == (condition, True)]
        )
        lines = [_edit(taken), _dependency(taken), _unchanged(taken), *_slower(taken)]
        parts.append("\n".join([f"**Aims of cache mounts** ({condition})", "", *lines]))
    return "\n\n".join(parts)


def _edit(taken: _Taken) -> str:
    aim = f"An edit of go-mounts takes at most {_EDIT:g} times what the builder that stays takes"
    ours = taken.median("go-mounts", "edit", _OURS)
    ideal = taken.median("go-mounts", "edit", IDEAL)
    if ours is None or ideal is None:
        return _line(aim, None)
    return _line(aim, ours <= _EDIT * ideal, f"{ours:.2f} s by {ideal:.2f} s, {ours / ideal:.2f}")


def _dependency(taken: _Taken) -> str:
    """Compare with the same change on a fresh builder without mounts, by bare commands."""
    aim = (
        f"A dependency change of node-mounts keeps {_percent(_GAIN)} of what the builder that "
        "stays gains over a fresh one without mounts"
    )
    kind = "dependency change"
    cold, ours, ideal = (
        taken.median("node-mounts", kind, strategy) for strategy in (ONE_REF, _OURS, IDEAL)
    )
    if cold is None or ours is None or ideal is None:
        return _line(aim, None)
    figures = [f"{ours:.1f} s between {cold:.1f} s and {ideal:.1f} s, {_share(cold, ours, ideal)}"]
    if first := taken.median("node-mounts", "first", ONE_REF):
        figures.append(f"by the first build, {first:.1f} s, {_share(first, ours, ideal)}")
    return _line(aim, cold - ours >= _GAIN * (cold - ideal), "; ".join(figures))


def _share(cold: float, ours: float, ideal: float) -> str:
    return _percent((cold - ours) / (cold - ideal)) if cold > ideal else "nothing to gain"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _unchanged(taken: _Taken) -> str:
    aim = "An unchanged build moves no byte of a mount"
    built = [one for one in taken.samples if (one.kind, one.strategy) == ("unchanged", _OURS)]
    if not built:
        return _line(aim, None)
    most = max(one.carried for one in built)
    return _line(aim, not most, f"{most} bytes at most, of {len(built)} builds")


def _slower(taken: _Taken) -> Iterator[str]:
    """Yield the aim, and each kind of build that misses it."""
    aim = f"No build takes more than {_percent(_SLOWER - 1)} longer than without its mounts"
    ratios = {}
    for project, kind in dict.fromkeys((one.project, one.kind) for one in taken.samples):
        ours = taken.median(project, kind, _OURS)
        without = taken.median(project, kind, WITHOUT_MOUNTS)
        if ours is not None and without:
            ratios[f"{project}, {kind}: {ours:.2f} s by {without:.2f} s"] = ours / without
    if not ratios:
        yield _line(aim, None)
        return
    missed = {name: ratio for name, ratio in ratios.items() if ratio > _SLOWER}
    figures = f"{len(missed)} of {len(ratios)} kinds do, at most {max(ratios.values()):.2f} times"
    yield _line(aim, not missed, figures)
    for name, ratio in missed.items():
        yield f"  - {name}, {ratio:.2f} times"


def _line(aim: str, is_met: bool | None, figures: str = "") -> str:  # noqa: FBT001
    verdict = "not measured" if is_met is None else "met" if is_met else "missed"
    return f"- {aim}: {verdict}" + (f" ({figures})" if figures else "")
