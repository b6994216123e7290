"""Plans as tests need them: all of the decisions, with what a run would know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.bake import targets
from warmbuild.cache.permission import Facts
from warmbuild.image import tags
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Collection

    from warmbuild.bake.targets import Target
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.run_context import RunContext


def planned(
    inputs: Inputs,
    context: RunContext,
    *,
    variables: Collection[str] | None = None,
    has_image_store: bool = True,
) -> BuildPlan:
    """Return the plan of one image."""
    return making.decide(inputs, context, known(inputs, context, variables, has_image_store))


def target_planned(
    own: Inputs, context: RunContext, target: Target, *, variables: Collection[str] | None = None
) -> BuildPlan:
    """Return the plan of a target, of its own inputs."""
    return targets.planned(own, context, known(own, context, variables), target)


def cache_of(
    inputs: Inputs, context: RunContext, variables: Collection[str] | None = None
) -> CachePlan:
    """Return what the caches of one image do."""
    return planned(inputs, context, variables=variables).cache


def known(
    inputs: Inputs,
    context: RunContext,
    variables: Collection[str] | None = None,
    has_image_store: bool = True,  # noqa: FBT001, FBT002 (as the fixtures have it)
) -> Facts:
    """Return what a run knows beside inputs and context."""
    return Facts(
        applied=tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun),
        variables=None if variables is None else frozenset(variables),
        has_image_store=has_image_store,
    )
