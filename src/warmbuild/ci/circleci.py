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

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext

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
    pull = _FORKS_BRANCH.fullmatch(branch)
    if pull or any(env.get(name) for name in _FORKS):
        number = env.get("CIRCLE_PR_NUMBER", "") or (pull["number"] if pull else "")
        return run.of_pull_request(number, source="" if pull else branch, target="", fork=True)
    return run if run.tag else run.on_branch(branch)


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
