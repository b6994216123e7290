"""Bamboo: build-specific variables, outputs through a file for its inject-variables task.

Variables are those of Atlassian's "Bamboo variables", whose dots are underscores in the
environment of a script. There is none for a tag, for the default branch, or for the repository
that a pull request comes from (plans take those of forks where they say `accept-fork: true`), so
the plan branches that are made for pull requests are not trusted; those made for branches are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "bamboo"


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return "bamboo_buildKey" in env


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Bamboo knows about this run from its variables."""
    run = RunContext(ci=NAME, commit=env.get("bamboo_planRepository_revision", ""))
    branch = env.get("bamboo_planRepository_branchName", "")
    if number := env.get("bamboo_repository_pr_key"):
        return run.of_pull_request(
            number,
            source=env.get("bamboo_repository_pr_sourceBranch", "") or branch,
            target=env.get("bamboo_repository_pr_targetBranch", ""),
            fork=None,
        )
    return run.on_branch(branch)


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
    """Return the place of YAML specs that are kept in the repository."""
    return "bamboo-specs/bamboo.yml"
