"""Steps, and why they run, as JSON: a public contract, see docs/explain.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.record.miss import Miss
    from warmbuild.record.predicting import Forecast


def steps(found: Sequence[Forecast]) -> Sequence[Mapping[str, object]]:
    """Return what becomes of steps, in the order of the Dockerfile."""
    return [
        {
            "stage": one.step.stage,
            "position": one.step.position,
            "line": one.step.line,
            "instruction": one.step.title,
            "fate": one.fate.value,
            "seconds": round(one.seconds, 1),
        }
        for one in found
    ]


def misses(found: Sequence[Miss]) -> Sequence[Mapping[str, object]]:
    """Return the first missed step of each stage, with the causes."""
    return [
        {
            "stage": one.stage,
            "line": one.line,
            "instruction": one.step,
            "seconds": round(one.seconds, 1),
            "causes": [
                {"kind": cause.kind.value, "text": cause.text, "names": cause.names}
                for cause in one.causes
            ],
            "saving": (
                {"text": one.saving.text, "seconds": round(one.saving.seconds, 1)}
                if one.saving
                else None
            ),
        }
        for one in found
    ]
