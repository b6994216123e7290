"""The calls of buildx that carry out a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild.cache import packing, records
from warmbuild.image import attestations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.cache.records import Records
    from warmbuild.plan.build_plan import BuildPlan


def rounds(plans: Sequence[CachePlan]) -> tuple[tuple[int, ...], ...]:
    """Return the calls in their order, each with the indices of the images that it builds.

    Images in one call share equal steps. If BuildKit may lose steps of their caches then, they are
    built in separate calls: in one, 10 of 20 rebuilds of two targets missed a step. Images without
    a cache are built in the last call, whose caches hold the shared steps; they read those.
    """
    calls: list[list[int]] = []
    cold: list[int] = []
    for number, plan in enumerate(plans):
        if not (plan.read or plan.sources):
            cold.append(number)
            continue
        fitting = (
            call for call in calls if not any(_lose_steps(plans[other], plan) for other in call)
        )
        if (call := next(fitting, None)) is not None:
            call.append(number)
        else:
            calls.append([number])
    *first, last = calls or [[]]
    return tuple(tuple(call) for call in (*first, sorted((*last, *cold))) if call)


def image_alone(plan: BuildPlan) -> BuildPlan:
    """Return a build without the export of its cache, unless the cache lies in the image."""
    if plan.cache.backend.lies_in_image:
        return plan
    return replace(plan, cache=replace(plan.cache, write=None, destinations=()))


def cache_alone(plan: BuildPlan) -> BuildPlan:
    """Return the export of a build's cache, for a builder that has just made its image."""
    output = packing.of_export_alone(plan.cache)
    return replace(_again(plan), push=False, load=False, tags=(), outputs=(output,))


def image_first(plan: BuildPlan) -> BuildPlan:
    """Return the first call of a build: the image alone if its cache is exported after it."""
    return image_alone(plan) if plan.cache.after else plan


def writes(plan: BuildPlan) -> bool:
    """Return whether a build has a cache to write."""
    return bool(plan.cache.write or plan.cache.destinations)


def parts(plans: Sequence[BuildPlan]) -> tuple[tuple[BuildPlan, ...], ...]:
    """Return the calls that carry out several builds, in their order, each with its builds."""
    calls = [tuple(map(image_first, plans))]
    apart = [part for plan in plans for part in by_platform(plan)]
    if apart:
        calls += [(cache_alone(part),) for part in apart]
    elif any(map(_exports_after, plans)):
        calls.append(tuple(export_alone(plan, wanted=_exports_after(plan)) for plan in plans))
    return (*calls, *((stage,) for plan in plans for stage in stages(plan)))


def by_platform(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return a build as one for each platform that exports its own cache, if they do."""
    return tuple(
        replace(
            plan, platforms=(item.platform,), cache=replace(plan.cache, write=item, platforms=())
        )
        for item in plan.cache.platforms
    )


def export_alone(plan: BuildPlan, *, wanted: bool) -> BuildPlan:
    """Return a build's part in a call that exports caches; if not `wanted`, others depend on it."""
    return cache_alone(plan if wanted else image_alone(plan))


def stages(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return the builds that push the stages of an inline cache as images of their own."""
    again = _again(plan)
    return tuple(
        replace(
            again,
            cache=replace(again.cache, write=item, stages=()),
            stage=item.stage,
            tags=(),
            load=False,
            attests=(attestations.NO_PROVENANCE,),
            default_attests=(),
            outputs=(),
            push=True,
        )
        for item in plan.cache.stages
    )


def _lose_steps(these: CachePlan, those: CachePlan) -> bool:
    """Return whether steps of caches may be lost in one call; unknown ones may be."""
    mine, others = _records(these), _records(those)
    return mine is None or others is None or records.lose_steps(mine, others)


def _records(plan: CachePlan) -> Records | None:
    """Return the records of the caches that are read; None if they are unknown."""
    if plan.sources or any(read.found is None for read in plan.read):
        return None
    return records.joined(cache for read in plan.read if read.found for cache in read.found.records)


def _exports_after(plan: BuildPlan) -> bool:
    return plan.cache.after and not plan.cache.backend.lies_in_image and writes(plan)


def _again(plan: BuildPlan) -> BuildPlan:
    """Return a build that finds all of its steps in the builder, as they ran there.

    The builder still reads layers that it does not hold from the cache that named them. If steps
    had to run in any case, that cache is left out, because its results of them differ.
    """
    is_forced = plan.no_cache or bool(plan.no_cache_filters)
    cache = replace(plan.cache, read=(), sources=()) if is_forced else plan.cache
    return replace(plan, cache=cache, times=(), pull=False, no_cache=False, no_cache_filters=())
