"""The images of a run, one or a target of a file each, and their plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.bake import targets
from warmbuild.image import tags
from warmbuild.plan import making
from warmbuild.plan.making import Known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.commands import bake_files
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.process import Runner
    from warmbuild.run_context import RunContext
else:
    bake_files = lazy.module("warmbuild.commands.bake_files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a run, with what its plan is decided from."""

    inputs: Inputs  # The inputs of the run, with the target's laid over
    context: RunContext
    known: Known
    target: Target | None = None  # Its target, if files define the images


def images(
    inputs: Inputs, context: RunContext, env: Mapping[str, str], runner: Runner, log: Log
) -> Sequence[Image]:
    """Return one image for each target, or one for the inputs alone.

    buildx reads bake and compose files; the log hides the secrets of their targets from then on.
    """
    known = Known(
        applied=tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun),
        variables=frozenset(name for name, value in env.items() if value),
    )
    if not inputs.bake_files and not inputs.compose_files:
        return (Image(inputs=inputs, context=context, known=known),)
    found = bake_files.targets_of(inputs, context.untrusted, env, runner)
    for target in found:
        log.hide(filter(None, targets.secrets(target, env)))
    return [
        Image(
            inputs=targets.inputs(inputs, context, known.applied, target),
            context=context,
            known=known,
            target=target,
        )
        for target in found
    ]


def decide(image: Image, *, has_image_store: bool = True) -> BuildPlan:
    """Return the plan of an image."""
    known = replace(image.known, has_image_store=has_image_store)
    if image.target is None:
        return making.decide(image.inputs, image.context, known)
    return targets.planned(image.inputs, image.context, known, image.target)
