"""What a run does with the checkout: reads it for the lints, sets the modes that git stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild.inputs import build_context
from warmbuild.lint import checking, reading
from warmbuild.project import git_modes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan


def with_findings(
    decided: BuildPlan, inputs: Inputs, pipeline_file: str, env: Mapping[str, str]
) -> BuildPlan:
    """Return a plan with what the lints find in its sources, if they are asked for."""
    if not inputs.lint:
        return decided
    sources = reading.read(decided, pipeline_file)
    return replace(decided, findings=checking.check(inputs, decided.run, sources, env))


def normalize_modes(decided: BuildPlan, log: Log) -> None:
    """Set the modes that git stores, and say what was done."""
    if build_context.checkout(decided.context, decided.run):
        log.line("normalize-modes: a git context has the modes that git stores")
        return
    done = None
    if not build_context.is_remote(decided.context):
        done = git_modes.normalize_modes(Path(decided.context))
    if done is None:
        log.warning("normalize-modes sets nothing: the context lies in no work tree of git")
        return
    log.line(
        f"normalize-modes: {done.files} files and {done.directories} directories were set to the "
        "modes that git stores"
    )
    if done.failed:
        log.warning(f"normalize-modes: {done.failed} modes could not be set")
