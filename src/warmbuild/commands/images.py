"""The images of a run, one or a target of a file each, and their plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, signals
from warmbuild.bake import bake_file, targets
from warmbuild.cache.permission import Facts
from warmbuild.commands import confidential
from warmbuild.errors import InputError, InputProblem
from warmbuild.frozen import frozen
from warmbuild.image import tags
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.commands import build_file, definitions
    from warmbuild.commands.run import Run
    from warmbuild.inputs.values import Inputs
    from warmbuild.mounts import Mounts
    from warmbuild.plan import laziness
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project import dockerfile
    from warmbuild.run_context import RunContext
else:
    # Only bake and compose files need this.
    definitions = lazy.module("warmbuild.commands.definitions")
    # Only `lazy` needs these.
    build_file = lazy.module("warmbuild.commands.build_file")
    laziness = lazy.module("warmbuild.plan.laziness")
    dockerfile = lazy.module("warmbuild.project.dockerfile")

# How long the rules for tags may take, in seconds: their patterns may try every way to match.
_PATTERN_TIMEOUT: Final = 5.0


@frozen
class Image:
    """One image of a run, and what its plan is decided from."""

    inputs: Inputs  # The inputs of the run, with the target's laid over
    context: RunContext
    facts: Facts
    target: Target | None = None  # Its target, if files define the images


def images(run: Run, mounts: Mounts) -> Sequence[Image]:
    """Return one image for each target of bake and compose files, or one for the inputs alone.

    The rules for tags are applied here, once a run. The log hides the secrets of targets. `mounts`
    are what the paths in the files have to be in.
    """
    inputs, context, env, log = run.inputs, run.context, run.env, run.log
    try:
        with signals.limited(_PATTERN_TIMEOUT):
            applied = tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun)
    except TimeoutError as error:
        text = (
            f"a pattern takes more than {_PATTERN_TIMEOUT:.0f} s; write it without nested repeats."
        )
        raise InputError([InputProblem(name="tags", text=text)]) from error
    facts = Facts(
        applied=applied,
        variables=frozenset(name for name, value in env.items() if value),
    )
    if not inputs.has_files:
        return (Image(inputs=inputs, context=context, facts=facts),)
    secret = definitions.token(inputs, context, env)
    log.hide([secret.value] if secret else ())
    read = definitions.read(run, mounts, applied)
    if secret and not any(one.id == secret.id for one in inputs.secrets):
        # The contexts may be in the same repository.
        inputs = replace(inputs, secrets=(*inputs.secrets, secret))
    found = []
    for target in read:
        log.hide(targets.secrets(target, env))
        for path in targets.secret_files(target):
            confidential.hide_file(path, log)
        own = targets.inputs(inputs, context, facts.applied, target)
        found.append(Image(inputs=own, context=context, facts=facts, target=target))
    return found


def decide(wanted: Sequence[Image], *, has_image_store: bool = True) -> Sequence[BuildPlan]:
    """Return the plans of images; without `lazy`, and with a note of why, if it has no effect."""
    found = [_decided(image, has_image_store=has_image_store) for image in wanted]
    if not (wanted[0].inputs.lazy and found[0].makes_an_image):
        return found
    why = laziness.why_not(wanted[0].inputs)
    if not why and len(found) > 1:
        why = "the images share a builder, which cannot use packed layers again in another call"
    if not (why := why or _stages_apart(found[0])):
        return found
    note = f"lazy has no effect: {why}"
    packed = [replace(image, inputs=replace(image.inputs, lazy=False)) for image in wanted]
    found = [_decided(image, has_image_store=has_image_store) for image in packed]
    return [one if one.linked else replace(one, notes=(*one.notes, note)) for one in found]


def _stages_apart(decided: BuildPlan) -> str:
    """Return why the stages of a build keep layers from staying packed, or an empty text."""
    found = build_file.read(decided)
    file = found.parsed(build_file.given(decided, {}))
    built = dockerfile.built_stage(file, decided.stage)
    if built is None:
        return found.why or "the Dockerfile has no stage of that name"
    return laziness.stages_apart(file, built)


def _decided(image: Image, *, has_image_store: bool) -> BuildPlan:
    facts = replace(image.facts, has_image_store=has_image_store)
    if image.target is None:
        return making.decide(image.inputs, image.context, facts)
    return targets.planned(image.inputs, image.context, facts, image.target)


def without(
    wanted: Sequence[Image], decided: Sequence[BuildPlan], names: Collection[str]
) -> Sequence[Image]:
    """Return images without the targets of these names, of which others may still be made."""
    left = [plan for plan in decided if plan.name not in names]
    parts = {name for plan in left for name in bake_file.parts(plan, decided)}
    found = []
    for image, plan in zip(wanted, decided, strict=True):
        if plan.name not in names:
            found.append(image)
        elif plan.name in parts and image.target:
            target, own = replace(image.target, linked=True), targets.as_part(image.inputs)
            found.append(replace(image, target=target, inputs=own))
    return found


def variables(decided: Sequence[BuildPlan]) -> frozenset[str]:
    """Return the variables of the environment that inputs name for builds."""
    named = {secret.variable for one in decided for secret in one.secrets}
    named |= {item for one in decided for item in one.build_args if "=" not in item}
    return frozenset(named)
