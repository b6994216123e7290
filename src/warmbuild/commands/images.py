"""The images of a run, one or a target of a file each, and their plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.bake import bake_file, targets
from warmbuild.cache.permission import Facts
from warmbuild.errors import InputError, InputProblem
from warmbuild.frozen import frozen
from warmbuild.image import tags
from warmbuild.plan import making
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.builder import environment, private_directory
    from warmbuild.buildkit import answers
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.process import Runner
    from warmbuild.run_context import RunContext
    from warmbuild.trust import Trust
else:
    # Only bake and compose files need these.
    environment = lazy.module("warmbuild.builder.environment")
    private_directory = lazy.module("warmbuild.builder.private_directory")
    answers = lazy.module("warmbuild.buildkit.answers")

# Variables that buildx itself needs.
_OF_BUILDX: Final = ("PATH", "HOME", "TMPDIR", "DOCKER_CONFIG", "BUILDX_CONFIG")


@frozen
class Image:
    """One image of a run, and what its plan is decided from."""

    inputs: Inputs  # The inputs of the run, with the target's laid over
    context: RunContext
    facts: Facts
    target: Target | None = None  # Its target, if files define the images


def images(
    inputs: Inputs, context: RunContext, env: Mapping[str, str], runner: Runner, log: Log
) -> Sequence[Image]:
    """Return one image for each target of bake and compose files, or one for the inputs alone.

    The rules for tags are applied here, once a run. The log hides the secrets of targets.
    """
    facts = Facts(
        applied=tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun),
        variables=frozenset(name for name, value in env.items() if value),
    )
    if not inputs.bake_files and not inputs.compose_files:
        return (Image(inputs=inputs, context=context, facts=facts),)
    found = []
    for target in _read_files(inputs, context.trust, env, runner):
        log.hide(filter(None, targets.secrets(target, env)))
        own = targets.inputs(inputs, context, facts.applied, target)
        found.append(Image(inputs=own, context=context, facts=facts, target=target))
    return found


def decide(image: Image, *, has_image_store: bool = True) -> BuildPlan:
    """Return the plan of an image."""
    facts = replace(image.facts, has_image_store=has_image_store)
    if image.target is None:
        return making.decide(image.inputs, image.context, facts)
    return targets.planned(image.inputs, image.context, facts, image.target)


def _read_files(
    inputs: Inputs, trust: Trust, env: Mapping[str, str], runner: Runner
) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in.

    Raises InputError if it cannot, or if an untrusted file uses a path outside of the checkout.
    """
    given = [("bake-files", path) for path in inputs.bake_files]
    given += [("compose-files", path) for path in inputs.compose_files]
    missing = [
        InputProblem(name=name, text=f"there is no file {path!r}.")
        for name, path in given
        if not Path(path).is_file()
    ]
    if missing:
        raise InputError(missing)
    with private_directory.private(env, (), ()) as private:
        child = environment.environment(env, private)
        if trust.refuses(Right.READ_ENVIRONMENT):
            # A file could copy any variable to where its own commands read it.
            child = {name: child[name] for name in _OF_BUILDX if name in child}
        values = dict(item.split("=", 1) for item in inputs.vars)
        program = environment.program(env)
        buildx = environment.Buildx(program=program, env=child | values, runner=runner)
        files = (*inputs.compose_files, *inputs.bake_files)
        done = buildx.run(bake_file.resolve(files, inputs.targets, inputs.set))
    name = "bake-files" if inputs.bake_files else "compose-files"
    if done.code:
        text = f"cannot be read: {answers.error(done.output).rstrip('.')}."
        raise InputError([InputProblem(name=name, text=text)])
    try:
        found = targets.read(done.output)
    except ValueError as error:
        text = f"cannot be read by this buildx: {error}."
        raise InputError([InputProblem(name=name, text=text)]) from error
    if untrusted := trust.refuses(Right.LEAVE_CHECKOUT):
        _check_confined(found, name, untrusted)
    return found


def _check_confined(found: Sequence[Target], name: str, untrusted: str) -> None:
    """Raise InputError for paths outside of the checkout; `name` is the input of the files."""
    here = Path.cwd().resolve()
    problems = [
        InputProblem(
            name=name,
            text=f"the target {target.name} uses {path!r}, which lies outside of this directory, "
            f"and {untrusted}.",
        )
        for target in found
        for path in dict.fromkeys(targets.paths(target))
        if not Path(path).resolve().is_relative_to(here)
    ]
    if problems:
        raise InputError(problems)
