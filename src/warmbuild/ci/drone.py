"""Drone, and Harness Open Source: their variables, outputs through a file in the workspace.

Variables are those of Drone's "Environment reference", as `environ` of drone/runner-go sets them.
None says which repository a pull request comes from, so that none is trusted; pushes to branches
are. The promotion of a pull request's build is told by its ref alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The variables of a run in Drone, which Woodpecker has under other names."""

    event: str
    branch: str
    default_branch: str
    commit: str
    ref: str
    tag: str
    pull_request: str
    source: str
    target: str
    message: str
    owner: str
    """Whose repository it is."""


def context(ci: str, env: Mapping[str, str], names: Names) -> RunContext:
    """Read what a server of Drone's kind knows about this run from its variables."""

    def told(name: str) -> str:
        return env.get(name, "")

    run = RunContext(
        ci=ci,
        event=told(names.event),
        default_branch=told(names.default_branch),
        commit=told(names.commit),
    )
    # Woodpecker has pull_request_closed and pull_request_metadata, too.
    if run.event.startswith("pull_request"):
        return run.of_pull_request(
            told(names.pull_request),
            source=told(names.source),
            target=told(names.target) or told(names.branch),
            fork=None,
        )
    if tag := told(names.tag):
        return replace(run, tag=tag)
    ref = told(names.ref) or f"refs/heads/{told(names.branch)}"
    return run.pushed(ref, told(names.message), told(names.owner))


_NAME: Final = "drone"
_NAMES: Final = Names(
    event="DRONE_BUILD_EVENT",
    branch="DRONE_BRANCH",
    default_branch="DRONE_REPO_BRANCH",
    commit="DRONE_COMMIT_SHA",
    ref="DRONE_COMMIT_REF",
    tag="DRONE_TAG",
    pull_request="DRONE_PULL_REQUEST",
    source="DRONE_SOURCE_BRANCH",
    # In a pull request.
    target="DRONE_BRANCH",
    message="DRONE_COMMIT_MESSAGE",
    owner="DRONE_REPO_OWNER",
)
PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("DRONE") == "true",
    context=lambda env, _directory, _read_text: context(_NAME, env, _NAMES),
    # The name that Drone looks for by itself.
    pipeline_file=lambda _env: ".drone.yml",
    publish=variables.publish,
    output_files=variables.output_files,
)
