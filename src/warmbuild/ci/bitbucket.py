"""Bitbucket Pipelines: default variables, outputs through the file of a step's output variables.

Variables are those of Atlassian's "Variables and secrets". The pull request of a fork starts no
pipeline ("Pipeline start conditions", BCLOUD-13162), so that each is trusted; a fork's own
pipelines are at home in the fork. The default branch is not told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "bitbucket"


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return "BITBUCKET_BUILD_NUMBER" in env


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Bitbucket knows about this run from its variables."""
    tag, branch = env.get("BITBUCKET_TAG", ""), env.get("BITBUCKET_BRANCH", "")
    run = RunContext(ci=NAME, commit=env.get("BITBUCKET_COMMIT", ""), tag=tag)
    if number := env.get("BITBUCKET_PR_ID"):
        target = env.get("BITBUCKET_PR_DESTINATION_BRANCH", "")
        return run.of_pull_request(number, source=branch, target=target, fork=False)
    return run if tag else run.on_branch(branch)


known_inputs = plain.known_inputs
inert = plain.inert
open_group = plain.open_group
close_group = plain.close_group
warning = plain.warning
fail = plain.fail
mask = plain.mask
later_file = plain.later_file
publish_findings = plain.publish_findings
output_files = plain.output_files


def publish(env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:  # noqa: ARG001
    """Append to the file of variables, of which a step hands on those that it names."""
    if path := env.get("BITBUCKET_PIPELINES_VARIABLES_PATH"):
        variables.write(Path(path), variables.lines(outputs), append=True)


def pipeline_file(env: Mapping[str, str]) -> str:  # noqa: ARG001
    """Return the one place that Bitbucket reads pipelines from."""
    return "bitbucket-pipelines.yml"
