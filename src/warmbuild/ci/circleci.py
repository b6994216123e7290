"""CircleCI: built-in variables, outputs for the job's later steps through BASH_ENV.

Variables are those of CircleCI's "Project values and variables", which has CIRCLE_PR_* for pull
requests of forks alone. "Build pull requests from forked repositories" says that forks are built
where the project asks for it; their branch is then called pull/N. Neither the target nor the
default branch is told, and pipelines of the GitHub App, of GitLab and of Bitbucket Data Center,
which build no fork, are not even told the pull request: those are builds of a branch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "circleci"
_FORKS: Final = ("CIRCLE_PR_NUMBER", "CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME")
_FORKS_BRANCH: Final = re.compile(r"pull/(?P<number>\d+)(?:/(?:head|merge))?")


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return env.get("CIRCLECI") == "true"


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what CircleCI knows about this run from its variables."""
    branch = env.get("CIRCLE_BRANCH", "")
    run = RunContext(ci=NAME, commit=env.get("CIRCLE_SHA1", ""), tag=env.get("CIRCLE_TAG", ""))
    number = env.get("CIRCLE_PULL_REQUEST", "").rpartition("/")[2]
    pull = _FORKS_BRANCH.fullmatch(branch)
    if pull or any(env.get(name) for name in _FORKS):
        number = env.get("CIRCLE_PR_NUMBER", "") or number or (pull["number"] if pull else "")
        return run.of_pull_request(number, source="" if pull else branch, target="", fork=True)
    if run.tag:
        return run
    if number:
        return run.of_pull_request(number, source=branch, target="", fork=False)
    return run.on_branch(branch)


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
    """Append to the script that the shell of every later step starts with."""
    if path := env.get("BASH_ENV"):
        variables.write(Path(path), variables.lines(outputs, before="export "), append=True)


def pipeline_file(env: Mapping[str, str]) -> str:  # noqa: ARG001
    """Return the place that CircleCI reads its configuration from."""
    return ".circleci/config.yml"
