"""Jenkins: the variables of a multibranch pipeline, or of the git plugin alone.

The branch API plugin (`BranchNameContributor` of jenkinsci/branch-api-plugin) sets CHANGE_ID,
CHANGE_TARGET, CHANGE_BRANCH and CHANGE_FORK in builds of a change request: CHANGE_FORK if it comes
from a fork, CHANGE_BRANCH if the branch source knows it. BRANCH_IS_PRIMARY is true on the default
branch, and not set on others. Another kind of pipeline has GIT_BRANCH: a pull request is a ref such
as origin/pr/7/merge, and nothing shows whether it comes from a fork. The same holds in a container
that has a change request's BRANCH_NAME, such as PR-7, without its CHANGE_ID.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider
from warmbuild.run_context import RunContext

_NAME: Final = "jenkins"
_PULL: Final = re.compile(r"(?:pr|pull|merge-requests)/(?P<number>\d+)(?:/.*)?")
_CHANGE: Final = re.compile(r"(?:PR|MR)-(?P<number>\d+)(?:-head|-merge)?")


def _context(env: Environment, *_: object) -> RunContext:
    run = RunContext(
        ci=_NAME,
        commit=env.get("GIT_COMMIT", ""),
        tag=env.get("TAG_NAME", ""),
        trust=trust.TRUSTED,
    )
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
    named, checked_out = env.get("BRANCH_NAME", ""), _checked_out(env.get("GIT_BRANCH", ""))
    branch = named or checked_out
    if pull := (_CHANGE.fullmatch(named) if named else _PULL.fullmatch(checked_out)):
        return run.of_pull_request(pull["number"], source="", target="", fork=None)
    is_default = env.get("BRANCH_IS_PRIMARY") == "true"
    return replace(run, default_branch=branch if is_default else "").on_branch(branch)


def _checked_out(name: str) -> str:
    """Return the branch of the git plugin's origin/NAME or NAME."""
    return "" if name == "detached" else name.removeprefix("refs/remotes/").removeprefix("origin/")


PROVIDER: Final = Provider(
    name=_NAME,
    # JENKINS_URL is missing until an administrator sets it.
    detect=lambda env: "JENKINS_URL" in env or "JENKINS_HOME" in env,
    context=_context,
    pipeline_file=lambda _env: "Jenkinsfile",  # the name that Jenkins looks for by default
    publish=variables.publish,
    output_files=variables.output_files,
)
