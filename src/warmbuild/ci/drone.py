"""Drone, and Harness Open Source: their variables, outputs through a file in the workspace.

Variables are those of Drone's "Environment reference", as `environ` of drone/runner-go sets them.
None says which repository a pull request comes from, so that none is trusted; pushes to branches
are. The promotion of a pull request's build is told by its ref alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext, merged_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "drone"


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return env.get("DRONE") == "true"


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Drone knows about this run from its variables.

    In a pull request DRONE_BRANCH is its target.
    """
    branch = env.get("DRONE_BRANCH", "")
    run = RunContext(
        ci=NAME,
        event=env.get("DRONE_BUILD_EVENT", ""),
        default_branch=env.get("DRONE_REPO_BRANCH", ""),
        commit=env.get("DRONE_COMMIT_SHA", ""),
    )
    if run.event == "pull_request":
        return run.of_pull_request(
            env.get("DRONE_PULL_REQUEST", ""),
            source=env.get("DRONE_SOURCE_BRANCH", ""),
            target=branch,
            fork=None,
        )
    if tag := env.get("DRONE_TAG"):
        return replace(run, tag=tag)
    found = run.at(env.get("DRONE_COMMIT_REF", "") or f"refs/heads/{branch}")
    merged = merged_branch(env.get("DRONE_COMMIT_MESSAGE", ""), env.get("DRONE_REPO_OWNER", ""))
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
    """Return the name that Drone looks for by itself."""
    return ".drone.yml"
