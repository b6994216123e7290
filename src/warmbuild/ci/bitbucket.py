"""Bitbucket Pipelines: default variables, outputs through the file of a step's output variables.

Variables are those of Atlassian's "Variables and secrets". The pull request of a fork starts no
pipeline ("Pipeline start conditions", BCLOUD-13162), so that each is trusted; a fork's own
pipelines are at home in the fork. The default branch is not told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "bitbucket"


def _context(env: Mapping[str, str], _directory: str, _read_text: ReadText) -> RunContext:
    """Read what Bitbucket knows about this run from its variables."""
    tag, branch = env.get("BITBUCKET_TAG", ""), env.get("BITBUCKET_BRANCH", "")
    run = RunContext(ci=_NAME, commit=env.get("BITBUCKET_COMMIT", ""), tag=tag)
    if number := env.get("BITBUCKET_PR_ID"):
        target = env.get("BITBUCKET_PR_DESTINATION_BRANCH", "")
        return run.of_pull_request(number, source=branch, target=target, fork=False)
    return run if tag else run.on_branch(branch)


def _publish(env: Mapping[str, str], outputs: Mapping[str, str], _summary: str) -> None:
    """Append to the file of variables, of which a step hands on those that it names."""
    if path := env.get("BITBUCKET_PIPELINES_VARIABLES_PATH"):
        variables.write(Path(path), variables.lines(outputs), append=True)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: "BITBUCKET_BUILD_NUMBER" in env,
    context=_context,
    # The one place that Bitbucket reads pipelines from.
    pipeline_file=lambda _env: "bitbucket-pipelines.yml",
    publish=_publish,
)
