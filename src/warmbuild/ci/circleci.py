"""CircleCI: built-in variables, outputs for the job's later steps through BASH_ENV.

Variables are those of CircleCI's "Project values and variables", which has CIRCLE_PR_* for pull
requests of forks alone; those are built where the project asks for it ("Build pull requests from
forked repositories"), on a branch called pull/N. Every other pipeline is one of a branch or a tag,
whether that branch has a pull request or not: neither its target nor the default branch is told.
Pipelines of the GitHub App, of GitLab and of Bitbucket Data Center build no fork.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "circleci"
_FORKS: Final = ("CIRCLE_PR_NUMBER", "CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME")
_FORKS_BRANCH: Final = re.compile(r"pull/(?P<number>\d+)(?:/(?:head|merge))?")


def _context(env: Mapping[str, str], _directory: str, _read_text: ReadText) -> RunContext:
    """Read what CircleCI knows about this run from its variables."""
    branch = env.get("CIRCLE_BRANCH", "")
    run = RunContext(ci=_NAME, commit=env.get("CIRCLE_SHA1", ""), tag=env.get("CIRCLE_TAG", ""))
    pull = _FORKS_BRANCH.fullmatch(branch)
    if pull or any(env.get(name) for name in _FORKS):
        number = env.get("CIRCLE_PR_NUMBER", "") or (pull["number"] if pull else "")
        return run.of_pull_request(number, source="" if pull else branch, target="", fork=True)
    return run if run.tag else run.on_branch(branch)


def _publish(env: Mapping[str, str], outputs: Mapping[str, str], _summary: str) -> None:
    """Append to the script that the shell of every later step starts with."""
    if path := env.get("BASH_ENV"):
        variables.write(Path(path), variables.lines(outputs, before="export "), append=True)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("CIRCLECI") == "true",
    context=_context,
    # The place that CircleCI reads its configuration from.
    pipeline_file=lambda _env: ".circleci/config.yml",
    publish=_publish,
)
