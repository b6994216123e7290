"""CircleCI: built-in variables, outputs for the job's later steps through BASH_ENV.

The variables are documented in CircleCI's "Project values and variables". It sets CIRCLE_PR_* only
for pull requests of forks, and builds those only if the project allows it ("Build pull requests
from forked repositories"), on a branch named pull/N. Every other pipeline is one of a branch or a
tag, even if that branch has a pull request. CircleCI names neither the target branch nor the
default branch. Pipelines of the GitHub App, of GitLab and of Bitbucket Data Center build no fork.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = "circleci"
_FORKS: Final = ("CIRCLE_PR_NUMBER", "CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME")
_FORKS_BRANCH: Final = re.compile(r"pull/(?P<number>\d+)(?:/(?:head|merge))?")


def _context(env: Environment, *_: object) -> RunContext:
    branch = env.get("CIRCLE_BRANCH", "")
    run = RunContext(
        ci=_NAME,
        commit=env.get("CIRCLE_SHA1", ""),
        tag=env.get("CIRCLE_TAG", ""),
        trust=trust.TRUSTED,
    )
    pull = _FORKS_BRANCH.fullmatch(branch)
    if pull or any(env.get(name) for name in _FORKS):
        number = env.get("CIRCLE_PR_NUMBER", "") or (pull["number"] if pull else "")
        return run.of_pull_request(number, source="" if pull else branch, target="", fork=True)
    return run if run.tag else run.on_branch(branch)


def _publish(env: Environment, outputs: Mapping[str, str]) -> None:
    """Append to the script that the shell of every later step runs first."""
    if path := env.get("BASH_ENV"):
        variables.write(Path(path), variables.lines(outputs, before="export "), append=True)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("CIRCLECI") == "true",
    context=_context,
    pipeline_file=lambda _env: ".circleci/config.yml",  # the only place possible
    publish=_publish,
)
