"""Counts the steps that came from a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warmbuild.buildkit.progress import Step


def hit_ratio(steps: Iterable[Step]) -> tuple[int, int, float]:
    """Return (steps cached, steps in all, the first by the second); no step at all is 0."""
    flags = [step.cached for step in steps]
    return sum(flags), len(flags), (sum(flags) / len(flags) if flags else 0.0)
