"""Which images a run builds: one, or the targets of bake and compose files, and a plan for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.bake import targets
from warmbuild.cache import policy
from warmbuild.plan import making

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
    """One image of a run."""

    inputs: Inputs
    """The inputs of the run, with what its target says laid over them."""
    target: Target | None = None
    """What a bake or compose file says of it; None if no file is given."""


def images(
    inputs: Inputs, context: RunContext, env: Mapping[str, str], runner: Runner, log: Log
) -> Sequence[Image]:
    """Return the images to build; buildx is started if files have to be read.

    The secrets of their targets are hidden from now on.
    """
    if not inputs.bake_files and not inputs.compose_files:
        return (Image(inputs=inputs),)
    found = bake_files.targets_of(inputs, context.untrusted, env, runner)
    for target in found:
        log.hide(filter(None, targets.secrets(target, env)))
    return [
        Image(inputs=targets.inputs(inputs, context, target), target=target) for target in found
    ]


def decide(image: Image, context: RunContext, env: Mapping[str, str]) -> BuildPlan:
    """Decide how an image is built."""
    set_ones = {name for name, value in env.items() if value}
    decided = policy.decide(image.inputs, context, making.repository(image.inputs))
    cache = policy.with_variables(decided, set_ones)
    if image.target is None:
        return making.make(image.inputs, context, cache)
    return targets.planned(image.inputs, context, cache, image.target)
