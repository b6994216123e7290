"""The images of a run, one or a target of a file each, and their plans."""

from __future__ import annotations

from dataclasses import dataclass
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
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.process import Runner
    from warmbuild.run_context import RunContext
else:
    bake_files = lazy.module("warmbuild.commands.bake_files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of a run."""

    inputs: Inputs  # The inputs of the run, with the target's laid over
    target: Target | None = None  # Its target, if files define the images


def targets_of(
    inputs: Inputs, untrusted: str, env: Mapping[str, str], runner: Runner, log: Log
) -> Sequence[Target]:
    """Return the targets of bake and compose files, and hide their secrets in the log."""
    if not inputs.bake_files and not inputs.compose_files:
        return ()
    found = bake_files.targets_of(inputs, untrusted, env, runner)
    for target in found:
        log.hide(filter(None, targets.secrets(target, env)))
    return found


def images(
    inputs: Inputs, context: RunContext, applied: Tags, found: Sequence[Target]
) -> Sequence[Image]:
    """Return one image for each target, or one for the inputs alone."""
    return [
        Image(inputs=targets.inputs(inputs, context, applied, target), target=target)
        for target in found
    ] or [Image(inputs=inputs)]


def known(inputs: Inputs, context: RunContext, env: Mapping[str, str]) -> Known:
    """Return the facts for all plans of a run; the rules for tags are applied here, once."""
    return Known(
        applied=tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun),
        variables=frozenset(name for name, value in env.items() if value),
    )


def decide(image: Image, context: RunContext, known: Known) -> BuildPlan:
    """Return the plan of an image."""
    if image.target is None:
        return making.decide(image.inputs, context, known)
    return targets.planned(image.inputs, context, known, image.target)
