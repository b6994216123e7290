"""The checkout of a run: its files are checked, linted, and given the modes that git stores."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild import files, lazy
from warmbuild.bake import bake_file
from warmbuild.errors import InputError, InputProblem
from warmbuild.inputs import build_context
from warmbuild.inputs.checks import nearest
from warmbuild.registry import docker_config

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.builder import environment
    from warmbuild.finding import Finding
    from warmbuild.inputs.values import Inputs
    from warmbuild.lint import case, checking, reading
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.project import git_modes
else:
    environment = lazy.module("warmbuild.builder.environment")
    # Loaded while the builder boots.
    checking = lazy.module("warmbuild.lint.checking")
    case = lazy.module("warmbuild.lint.case")
    reading = lazy.module("warmbuild.lint.reading")
    git_modes = lazy.module("warmbuild.project.git_modes")


def check(
    inputs: Inputs,
    env: Mapping[str, str],
    decided: Sequence[BuildPlan],
    redact: Callable[[str], str],
) -> None:
    """Raise InputError for every missing file and variable that an input names.

    So does every input that cannot be used because another one holds a secret.
    """
    problems = [*_of_files(inputs), *_of_variables(inputs, env), *_of_context(inputs, decided)]
    problems += _of_docker_contexts(inputs, env)
    problems += [
        InputProblem(
            name=name,
            text="conflicts with a secret in another input, such as a password in a URL: that "
            "needs buildx bake, because arguments are not secret, and bake does not support this "
            "one.",
        )
        for name in bake_file.misfits(decided, redact)
    ]
    problems += [*_of_written_files(inputs), *_of_ssh(inputs, env)]
    if problems:
        raise InputError(problems)


def _of_written_files(inputs: Inputs) -> Iterator[InputProblem]:
    for name, path in inputs.written_files:
        if path and (fault := files.unwritable(path)):
            yield InputProblem(name=name, text=fault)


def _of_files(inputs: Inputs) -> Iterator[InputProblem]:
    named = [("buildkitd-config", inputs.buildkitd_config)]
    named += [("secret-files", secret.path) for secret in inputs.secrets]
    for name, path in named:
        if path and (fault := files.fault(path)):
            yield InputProblem(name=name, text=fault)


def _of_docker_contexts(inputs: Inputs, env: Mapping[str, str]) -> Iterator[InputProblem]:
    """Yield the Docker contexts that do not exist, by which inputs or the job name engines."""
    named = [("endpoint", inputs.endpoint)]
    named += [("append", node.endpoint) for node in inputs.append]
    if inputs.driver.endpoint != "optional":
        named = []
    if inputs.driver.runs_on_engine and not env.get("DOCKER_HOST"):
        named += [("DOCKER_CONTEXT", env.get("DOCKER_CONTEXT", ""))]
    known = docker_config.contexts(env)
    for name, context in named:
        if context and "://" not in context and context not in known:
            place = docker_config.user_directory(env) / docker_config.CONTEXTS
            text = f"there is no Docker context {context!r} in {place}.{nearest(context, known)}"
            yield InputProblem(name=name, text=text)


def _of_ssh(inputs: Inputs, env: Mapping[str, str]) -> Iterator[InputProblem]:
    """Yield what buildx refuses of the input ssh: an agent that is not there, or a key."""
    for item in inputs.passed.ssh:
        _, _, paths = item.partition("=")
        agent = env.get("SSH_AUTH_SOCK", "")
        if not paths and not os.path.exists(agent):  # noqa: PTH110 (never raises)
            text = f"{item!r} needs an SSH agent, and SSH_AUTH_SOCK is not set."
            if agent:
                text = (
                    f"{item!r} needs an SSH agent, and there is none at SSH_AUTH_SOCK, {agent!r}."
                )
            yield InputProblem(name="ssh", text=text)
        for path in filter(None, paths.split(",")):
            if not os.path.exists(path):  # noqa: PTH110 (never raises)
                yield InputProblem(name="ssh", text=f"there is no file or socket {path!r}.")


def _of_variables(inputs: Inputs, env: Mapping[str, str]) -> Iterator[InputProblem]:
    for secret in inputs.secrets:
        if secret.variable and secret.variable not in env:
            text = f"the environment variable {secret.variable!r} is not set."
            yield InputProblem(name="secret-envs", text=text)
    used, _ = certificates(inputs, env)
    for variable, text in environment.incomplete(used).items():
        yield InputProblem(name=variable, text=text)


def certificates(
    inputs: Inputs, env: Mapping[str, str]
) -> tuple[Mapping[int, Mapping[str, str]], Collection[str]]:
    """Return the certificates that nodes use, by the node's number, and warnings of the others."""
    found = environment.certificates(env)
    unused = environment.unused(inputs.driver, inputs.endpoints, found)
    return {index: found[index] for index in found.keys() - unused.keys()}, unused.values()


def _of_context(inputs: Inputs, decided: Sequence[BuildPlan]) -> Iterator[InputProblem]:
    """Check context and Dockerfile; buildx reports missing ones of targets."""
    if any(one.name or build_context.is_remote(one.context) for one in decided):
        return
    context = Path(decided[0].context)
    # BuildKit also accepts the name in lower case.
    usual = (context / "Dockerfile", context / "dockerfile")
    faults = [files.fault(path) for path in ((inputs.file,) if inputs.file else usual)]
    if not os.path.isdir(context):  # noqa: PTH112 (never raises)
        yield InputProblem(name="context", text=f"there is no directory {str(context)!r} here.")
    elif all(faults):
        yield InputProblem(name="file", text=faults[0])


def with_findings(
    decided: BuildPlan, inputs: Inputs, pipeline_file: str, env: Mapping[str, str]
) -> BuildPlan:
    """Return a plan with the findings of the lints, if they are on."""
    if not inputs.lint:
        return decided
    sources = reading.read(decided, pipeline_file)
    return replace(decided, findings=checking.check(inputs, decided.run, sources, env))


def later_findings(
    decided: BuildPlan, inputs: Inputs, built: Outcome, pipeline_file: str, env: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Return the findings with what they cost, and what the lints find in what a build did."""
    weighed = tuple(checking.weighed(one, built.steps) for one in decided.findings)
    if not inputs.lint or not built.unpacked:
        return weighed
    sources = reading.read(decided, pipeline_file)
    done = case.Done(steps=built.steps, unpacked=built.unpacked)
    return (*weighed, *checking.check(inputs, decided.run, sources, env, done))


def normalize_modes(decided: BuildPlan, log: Log) -> None:
    """Set the modes that git stores, and log what was done."""
    if build_context.checkout(decided.context, decided.run):
        log.line("normalize-modes: a git context already has the modes that git stores")
        return
    is_here = not build_context.is_remote(decided.context)
    done = git_modes.normalize_modes(Path(decided.context)) if is_here else None
    if done is None:
        log.warning("normalize-modes sets nothing: the context is not in a work tree of git")
        return
    log.line(
        f"normalize-modes: {done.files} files and {done.directories} directories were set to the "
        "modes that git stores"
    )
    if done.failed:
        log.warning(f"normalize-modes: {done.failed} modes could not be set")
