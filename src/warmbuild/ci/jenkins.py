"""Jenkins: the variables of a multibranch pipeline, or of the git plugin alone.

CHANGE_ID, CHANGE_TARGET, CHANGE_BRANCH and CHANGE_FORK are set by the branch API plugin in the
builds of a change request (`BranchNameContributor` of jenkinsci/branch-api-plugin): CHANGE_FORK
where it comes from a fork, CHANGE_BRANCH by every branch source that can tell. BRANCH_IS_PRIMARY
is true on the default branch, and not set on others. A pipeline of another kind has GIT_BRANCH,
where a pull request is a ref such as origin/pr/7/merge and nobody says whose it is.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "jenkins"
_PULL: Final = re.compile(r"(?:pr|pull|merge-requests)/(?P<number>\d+)(?:/.*)?")


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it; JENKINS_URL is missing where nobody has set it up."""
    return "JENKINS_URL" in env or "JENKINS_HOME" in env


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what Jenkins knows about this run from its variables."""
    run = RunContext(ci=NAME, commit=env.get("GIT_COMMIT", ""), tag=env.get("TAG_NAME", ""))
    if change := env.get("CHANGE_ID"):
        fork, source = bool(env.get("CHANGE_FORK")), env.get("CHANGE_BRANCH", "")
        return run.of_pull_request(
            change,
            source=source,
            target=env.get("CHANGE_TARGET", ""),
            fork=fork if fork or source else None,
        )
    if run.tag:
        return run
    branch = env.get("BRANCH_NAME", "") or _checked_out(env.get("GIT_BRANCH", ""))
    if not env.get("BRANCH_NAME") and (pull := _PULL.fullmatch(branch)):
        return run.of_pull_request(pull["number"], source="", target="", fork=None)
    is_default = env.get("BRANCH_IS_PRIMARY") == "true"
    return replace(run, default_branch=branch if is_default else "").on_branch(branch)


def _checked_out(name: str) -> str:
    """Return the branch that the git plugin has checked out, of origin/NAME or NAME."""
    return "" if name == "detached" else name.removeprefix("refs/remotes/").removeprefix("origin/")


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
    """Return the name that Jenkins looks for by itself."""
    return "Jenkinsfile"
