"""Woodpecker: its built-in variables, outputs through a file in the workspace.

Variables are those of Woodpecker's "Environment variables", as `Environ` in
pipeline/frontend/metadata of woodpecker-ci/woodpecker sets them. None says which repository a pull
request comes from, so that none is trusted; pushes to branches are. A deployment of a pull request
is told by its ref alone. Many names are GitLab's too, so that only CI=woodpecker tells the two
apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext, merged_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "woodpecker"


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return env.get("CI") == NAME


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Woodpecker knows about this run from its variables.

    In a pull request CI_COMMIT_BRANCH is its target.
    """
    branch = env.get("CI_COMMIT_BRANCH", "")
    run = RunContext(
        ci=NAME,
        event=env.get("CI_PIPELINE_EVENT", ""),
        default_branch=env.get("CI_REPO_DEFAULT_BRANCH", ""),
        commit=env.get("CI_COMMIT_SHA", ""),
    )
    if run.event.startswith("pull_request"):
        return run.of_pull_request(
            env.get("CI_COMMIT_PULL_REQUEST", ""),
            source=env.get("CI_COMMIT_SOURCE_BRANCH", ""),
            target=env.get("CI_COMMIT_TARGET_BRANCH", "") or branch,
            fork=None,
        )
    if tag := env.get("CI_COMMIT_TAG"):
        return replace(run, tag=tag)
    found = run.at(env.get("CI_COMMIT_REF", "") or f"refs/heads/{branch}")
    merged = merged_branch(env.get("CI_COMMIT_MESSAGE", ""), env.get("CI_REPO_OWNER", ""))
    return replace(found, merged=merged) if found.branch else found


known_inputs = plain.known_inputs
inert = plain.inert
open_group = plain.open_group
close_group = plain.close_group
warning = plain.warning
fail = plain.fail
mask = plain.mask
later_file = plain.later_file
publish = variables.publish
publish_findings = plain.publish_findings
output_files = variables.output_files


def pipeline_file(env: Mapping[str, str]) -> str:  # noqa: ARG001
    """Return the place of a pipeline of one workflow."""
    return ".woodpecker.yaml"
