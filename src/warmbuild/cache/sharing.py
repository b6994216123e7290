"""Which images are built in one call, by the steps that their caches share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.cache.cache_plan import CachePlan


def rounds(plans: Sequence[CachePlan]) -> tuple[tuple[int, ...], ...]:
    """Return the calls in their order, each with the indices of the images that it builds.

    Images in one call share equal steps. BuildKit looks a shared step up in the cache of the image
    that came first (`solver.combinedCacheManager`, v0.32.2), and does not find the later steps of
    another one's cache: 10 of 20 rebuilds of two targets missed a step. So images whose caches have
    a step in common are built in separate calls. Images without a cache are built in the last
    call, whose caches hold the shared steps.
    """
    calls: list[list[int]] = []
    cold: list[int] = []
    for number, plan in enumerate(plans):
        if not (plan.read or plan.sources):
            cold.append(number)
            continue
        fitting = (call for call in calls if not any(_share(plans[other], plan) for other in call))
        if (call := next(fitting, None)) is not None:
            call.append(number)
        else:
            calls.append([number])
    *first, last = calls or [[]]
    return tuple(tuple(call) for call in (*first, sorted((*last, *cold))) if call)


def _share(these: CachePlan, those: CachePlan) -> bool:
    """Return whether caches may have a step in common; unknown steps may be."""
    mine, others = _steps(these), _steps(those)
    return mine is None or others is None or not mine.isdisjoint(others)


def _steps(plan: CachePlan) -> set[str] | None:
    """Return the digests of the steps in the caches that are read; None if they are unknown."""
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
