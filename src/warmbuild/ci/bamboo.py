"""Bamboo: build-specific variables, outputs through a file for its inject-variables task.

Variables are those of Atlassian's "Bamboo variables", whose dots are underscores in the
environment of a script. There is none for a tag, for the default branch, or for the repository
that a pull request comes from (plans take those of forks where they say `accept-fork: true`), so
the plan branches that are made for pull requests are not trusted; those made for branches are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.ci import variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "bamboo"


def _context(env: Mapping[str, str], _directory: str, _read_text: ReadText) -> RunContext:
    """Read what Bamboo knows about this run from its variables."""
    run = RunContext(ci=_NAME, commit=env.get("bamboo_planRepository_revision", ""))
    branch = env.get("bamboo_planRepository_branchName", "")
    if number := env.get("bamboo_repository_pr_key"):
        return run.of_pull_request(
            number,
            source=env.get("bamboo_repository_pr_sourceBranch", "") or branch,
            target=env.get("bamboo_repository_pr_targetBranch", ""),
            fork=None,
        )
    return run.on_branch(branch)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: "bamboo_buildKey" in env,
    context=_context,
    # The place of YAML specs that are kept in the repository.
    pipeline_file=lambda _env: "bamboo-specs/bamboo.yml",
    publish=variables.publish,
    output_files=variables.output_files,
)
