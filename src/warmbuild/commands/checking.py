"""Checks that what inputs name is there, before anything is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild.builder import node_certificates
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import build_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


def check(inputs: Inputs, env: Mapping[str, str], decided: Sequence[BuildPlan]) -> None:
    """Raise InputError for every file and variable that an input names and that is not there."""
    problems = [
        *_of_files(inputs),
        *_of_variables(inputs, env),
        *_of_context(inputs, decided),
        *_of_written_files(inputs),
    ]
    if problems:
        raise InputError(problems)


def _of_files(inputs: Inputs) -> Iterator[InputProblem]:
    wanted = [("buildkitd-config", inputs.buildkitd_config)]
    wanted += [("secret-files", secret.path) for secret in inputs.secrets]
    for name, path in wanted:
        if path and not Path(path).is_file():
            yield InputProblem(name=name, text=f"there is no file {path!r}.")


def _of_variables(inputs: Inputs, env: Mapping[str, str]) -> Iterator[InputProblem]:
    for secret in inputs.secrets:
        if secret.variable and secret.variable not in env:
            text = f"the environment variable {secret.variable!r} is not set."
            yield InputProblem(name="secret-envs", text=text)
    endpoints = [inputs.endpoint, *(node.endpoint for node in inputs.append)]
    given = node_certificates.certificates(env)
    for variable, text in node_certificates.misfits(inputs.driver, endpoints, given).items():
        yield InputProblem(name=variable, text=text)


def _of_context(inputs: Inputs, decided: Sequence[BuildPlan]) -> Iterator[InputProblem]:
    """Check context and Dockerfile; those of a target are buildx's to report."""
    if any(one.name or build_context.is_remote(one.context) for one in decided):
        return
    context = Path(decided[0].context)
    # BuildKit takes the name in lower case too.
    usual = (context / "Dockerfile", context / "dockerfile")
    files = (Path(inputs.file),) if inputs.file else usual
    if not context.is_dir():
        yield InputProblem(name="context", text=f"there is no directory {str(context)!r} here.")
    elif not any(path.is_file() for path in files):
        yield InputProblem(name="file", text=f"there is no file {inputs.file or str(usual[0])!r}.")


def _of_written_files(inputs: Inputs) -> Iterator[InputProblem]:
    for name, path in (("output-file", inputs.output_file), ("summary-file", inputs.summary_file)):
        if path and not os.access(Path(path).absolute().parent, os.W_OK):
            yield InputProblem(name=name, text=f"{path!r} cannot be written.")
