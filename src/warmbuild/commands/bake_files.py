"""Reads bake and compose files: buildx resolves them, and says which targets there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.bake import bake_file, targets
from warmbuild.builder import environment, private_directory
from warmbuild.builder.environment import Buildx
from warmbuild.buildkit import answers
from warmbuild.errors import InputError, InputProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.inputs.values import Inputs
    from warmbuild.process import Runner

# What buildx needs to read files.
_OF_BUILDX: Final = ("PATH", "HOME", "TMPDIR", "DOCKER_CONFIG", "BUILDX_CONFIG")


def targets_of(
    inputs: Inputs, untrusted: str, env: Mapping[str, str], runner: Runner
) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in.

    Raises InputError if it cannot, or if a file that a stranger wrote reaches out of the checkout.
    """
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
        found = targets.read(done.output)
    except ValueError as error:
        text = f"cannot be read by this buildx: {error}."
        raise InputError([InputProblem(name=_files_input(inputs), text=text)]) from error
    if untrusted:
        _check_confined(found, inputs, untrusted)
    return found


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
