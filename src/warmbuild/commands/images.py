"""Which images a run builds: one, or the targets of bake and compose files, and a plan for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.bake import bake_file, targets
from warmbuild.builder import environment, private_directory
from warmbuild.builder.environment import Buildx
from warmbuild.buildkit import answers
from warmbuild.cache import policy
from warmbuild.errors import InputError, InputProblem
from warmbuild.plan import making

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.process import Runner
    from warmbuild.run_context import RunContext

# What buildx needs to read files.
_OF_BUILDX: Final = ("PATH", "HOME", "TMPDIR", "DOCKER_CONFIG", "BUILDX_CONFIG")


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
    found = _resolved(inputs, context.untrusted, env, runner)
    if context.untrusted:
        _check_confined(found, inputs, context.untrusted)
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


def _resolved(
    inputs: Inputs, untrusted: str, env: Mapping[str, str], runner: Runner
) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in."""
    files = (*inputs.compose_files, *inputs.bake_files)
    missing = [
        InputProblem(name=name, text=f"there is no file {path!r}.")
        for name, paths in (
            ("bake-files", inputs.bake_files),
            ("compose-files", inputs.compose_files),
        )
        for path in paths
        if not Path(path).is_file()
    ]
    if missing:
        raise InputError(missing)
    with private_directory.private(env, (), ()) as private:
        values = dict(item.split("=", 1) for item in inputs.vars)
        child = environment.environment(env, private)
        if untrusted:
            # A file may put all of the environment where its own commands read it.
            child = {name: child[name] for name in _OF_BUILDX if name in child}
        buildx = Buildx(program=environment.program(env), env=child | values, runner=runner)
        done = buildx.run(bake_file.resolve(files, inputs.targets, inputs.set))
    if done.code:
        text = f"cannot be read: {answers.error(done.output).rstrip('.')}."
        raise InputError([InputProblem(name=_files_input(inputs), text=text)])
    try:
        return targets.read(done.output)
    except ValueError as error:
        text = f"cannot be read by this buildx: {error}."
        raise InputError([InputProblem(name=_files_input(inputs), text=text)]) from error


def _check_confined(found: Sequence[Target], inputs: Inputs, untrusted: str) -> None:
    """Raise InputError if a file that a stranger wrote reaches out of the checkout."""
    here = Path.cwd().resolve()
    problems = [
        InputProblem(
            name=_files_input(inputs),
            text=f"the target {target.name} takes {path!r}, which lies outside of this directory, "
            f"and {untrusted}.",
        )
        for target in found
        for path in dict.fromkeys(targets.paths(target))
        if not Path(path).resolve().is_relative_to(here)
    ]
    if problems:
        raise InputError(problems)


def _files_input(inputs: Inputs) -> str:
    return "bake-files" if inputs.bake_files else "compose-files"
