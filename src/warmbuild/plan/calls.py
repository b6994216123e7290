"""The calls of buildx that a plan is carried out in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.plan.build_plan import BuildPlan


def image_alone(plan: BuildPlan) -> BuildPlan:
    """Return the same build without the export of its cache, unless that lies in the image."""
    if plan.cache.backend.lies_in_image:
        return plan
    return replace(plan, cache=replace(plan.cache, write=None, destinations=()))


def cache_alone(plan: BuildPlan) -> BuildPlan:
    """Return the export of a build's cache, for a builder that has just made its image."""
    return replace(_again(plan), push=False, load=False, tags=(), outputs=("type=cacheonly",))


def image_first(plan: BuildPlan) -> BuildPlan:
    """Return what a build begins with: the image alone where its cache is written after it."""
    return image_alone(plan) if plan.cache.after else plan


def exports_after(plan: BuildPlan) -> bool:
    """Say whether a build has a cache to write once its image is out."""
    cache = plan.cache
    return cache.after and not cache.backend.lies_in_image and writes(plan)


def writes(plan: BuildPlan) -> bool:
    """Say whether a build has a cache to write."""
    return bool(plan.cache.write or plan.cache.destinations)


def parts(plans: Sequence[BuildPlan]) -> tuple[tuple[BuildPlan, ...], ...]:
    """Return the calls that builds are carried out in, in their order, each with its builds."""
    calls = [tuple(map(image_first, plans))]
    apart = [part for plan in plans for part in by_platform(plan)]
    if apart:
        calls += [(cache_alone(part),) for part in apart]
    elif any(map(exports_after, plans)):
        calls.append(tuple(export_alone(plan, wanted=exports_after(plan)) for plan in plans))
    return (*calls, *((stage,) for plan in plans for stage in stages(plan)))


def by_platform(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return a build as one of each platform whose cache is written apart; none where none is."""
    return tuple(
        replace(
            plan,
            platforms=(item.platform,),
            cache=replace(plan.cache, write=item, platforms=()),
        )
        for item in plan.cache.platforms
    )


def export_alone(plan: BuildPlan, *, wanted: bool) -> BuildPlan:
    """Return a build's part in a call that writes caches: its own, or what others are made of."""
    return cache_alone(plan if wanted else image_alone(plan))


def stages(plan: BuildPlan) -> tuple[BuildPlan, ...]:
    """Return the builds that push the stages of an inline cache as images of their own."""
    return tuple(
        replace(
            again,
            cache=replace(again.cache, write=stage, stages=()),
            target=stage.stage,
            tags=(),
            load=False,
            attests=("type=provenance,disabled=true",),
            default_attests=(),
            outputs=(),
            push=True,
        )
        for again in [_again(plan)]
        for stage in plan.cache.stages
    )


def _again(plan: BuildPlan) -> BuildPlan:
    """Return a build that finds all of its steps in the builder, as they ran there.

    Layers that the builder only knows of are still read from the cache that named them. Where
    steps had to run in any case that cache is left out, for it has others' results of them.
    """
    is_forced = plan.no_cache or bool(plan.no_cache_filters)
    cache = replace(plan.cache, read=(), sources=()) if is_forced else plan.cache
    return replace(plan, cache=cache, pull=False, no_cache=False, no_cache_filters=())
