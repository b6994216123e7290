"""Bamboo: build-specific variables, outputs through a file for its inject-variables task.

The variables are documented in Atlassian's "Bamboo variables"; their dots are underscores in the
environment of a script. Bamboo does not name the tag, the default branch, or the repository that a
pull request comes from. A plan with `accept-fork: true` takes pull requests of forks, so plan
branches made for pull requests are not trusted; plan branches made for branches are.
"""

from __future__ import annotations

from typing import Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider
from warmbuild.run_context import RunContext

_NAME: Final = "bamboo"


def _context(env: Environment, *_: object) -> RunContext:
    run = RunContext(
        ci=_NAME, commit=env.get("bamboo_planRepository_revision", ""), trust=trust.TRUSTED
    )
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
    pipeline_file=lambda _env: "bamboo-specs/bamboo.yml",  # the place of YAML specs
    publish=variables.publish,
    output_files=variables.output_files,
)
