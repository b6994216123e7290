"""Which images are built in one call, by the steps that their caches share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.cache.cache_plan import CachePlan


def rounds(plans: Sequence[CachePlan]) -> tuple[tuple[int, ...], ...]:
    """Return which of several images are built in one call, and which calls come one by one.

    Images that are built in one call share the steps that are the same. BuildKit looks such a step
    up in the cache of whichever came first (`solver.combinedCacheManager`, v0.32.2), and what lies
    upon it in another one's cache is then not found: 10 of 20 rebuilds of two targets missed a
    step. So images whose caches have a step in common are built one after the other, and those
    without a cache with the last of them, whose cache has what they share.
    """
    found: list[list[int]] = []
    for number, plan in enumerate(plans):
        if not (plan.read or plan.sources):
            continue
        fitting = (one for one in found if not any(_share(plans[other], plan) for other in one))
        if (one := next(fitting, None)) is not None:
            one.append(number)
        else:
            found.append([number])
    warm = {number for one in found for number in one}
    cold = [number for number in range(len(plans)) if number not in warm]
    *first, last = found or [[]]
    return tuple(tuple(one) for one in (*first, sorted((*last, *cold))) if one)


def _share(these: CachePlan, those: CachePlan) -> bool:
    """Say whether caches have a step in common, or cannot be asked whether they have."""
    mine, others = _steps(these), _steps(those)
    return mine is None or others is None or not mine.isdisjoint(others)


def _steps(plan: CachePlan) -> set[str] | None:
    """Return the digests of the steps in the caches that are read; None where nobody knows."""
    if plan.sources or any(read.found is None for read in plan.read):
        return None
    return {
        record.digest
        for read in plan.read
        if read.found
        for cache in read.found.records
        for record in cache.records
        if record.inputs
    }
