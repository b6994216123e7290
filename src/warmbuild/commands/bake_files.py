"""Reads the targets of bake and compose files, as buildx resolves them."""

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

# Variables that buildx itself needs.
_OF_BUILDX: Final = ("PATH", "HOME", "TMPDIR", "DOCKER_CONFIG", "BUILDX_CONFIG")


def targets_of(
    inputs: Inputs, untrusted: str, env: Mapping[str, str], runner: Runner
) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in.

    Raises InputError if it cannot, or if an untrusted file uses a path outside of the checkout.
    """
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
        child = environment.environment(env, private)
        if untrusted:
            # A file could copy any variable to where its own commands read it.
            child = {name: child[name] for name in _OF_BUILDX if name in child}
        child |= dict(item.split("=", 1) for item in inputs.vars)
        buildx = Buildx(program=environment.program(env), env=child, runner=runner)
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
    if untrusted:
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
