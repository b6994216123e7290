"""Bitbucket Pipelines: default variables, outputs through the file of a step's output variables.

The variables are documented in Atlassian's "Variables and secrets". A fork's pull request starts no
pipeline here ("Pipeline start conditions", BCLOUD-13162), so every pull request is trusted; a
fork's own pipelines run in the fork. Bitbucket does not name the default branch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = "bitbucket"


def _context(env: Environment, *_: object) -> RunContext:
    tag, branch = env.get("BITBUCKET_TAG", ""), env.get("BITBUCKET_BRANCH", "")
    run = RunContext(ci=_NAME, commit=env.get("BITBUCKET_COMMIT", ""), tag=tag, trust=trust.TRUSTED)
    if number := env.get("BITBUCKET_PR_ID"):
        target_branch = env.get("BITBUCKET_PR_DESTINATION_BRANCH", "")
        return run.of_pull_request(number, source=branch, target=target_branch, fork=False)
    return run if tag else run.on_branch(branch)


def _publish(env: Environment, outputs: Mapping[str, str]) -> None:
    """Append to the file of variables; the step passes on the variables that it names."""
    if path := env.get("BITBUCKET_PIPELINES_VARIABLES_PATH"):
        variables.write(Path(path), variables.lines(outputs), append=True)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: "BITBUCKET_BUILD_NUMBER" in env,
    context=_context,
    pipeline_file=lambda _env: "bitbucket-pipelines.yml",  # the only place possible
    publish=_publish,
)
