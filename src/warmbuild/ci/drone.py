"""Drone, and Harness Open Source: their variables, outputs through a file in the workspace.

The variables are documented in Drone's "Environment reference" and set by `environ` of
drone/runner-go. None says which repository a pull request comes from, so no pull request is
trusted; pushes to branches are. Only the ref shows that a promotion is of a pull request's build.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider
from warmbuild.frozen import frozen
from warmbuild.run_context import RunContext


@frozen
class Names:
    """The names of the variables, which differ between Drone and Woodpecker."""

    event: str
    branch: str
    default_branch: str
    commit: str
    ref: str
    tag: str
    pull_request: str
    source_branch: str
    target_branch: str
    message: str
    owner: str  # of the repository


def context(ci: str, trusted: frozenset[str], env: Environment, names: Names) -> RunContext:
    """Read what Drone or Woodpecker knows about this run; it trusts these events."""

    def value(name: str) -> str:
        return env.get(name, "")

    run = RunContext(
        ci=ci,
        event=value(names.event),
        trust=trust.of_event(value(names.event), trusted, variable=names.event),
        default_branch=value(names.default_branch),
        commit=value(names.commit),
    )
    # Woodpecker also has pull_request_closed and pull_request_metadata.
    if run.event.startswith("pull_request"):
        return run.of_pull_request(
            value(names.pull_request),
            source=value(names.source_branch),
            target=value(names.target_branch) or value(names.branch),
            fork=None,
        )
    if tag := value(names.tag):
        return replace(run, tag=tag)
    ref = value(names.ref) or f"refs/heads/{value(names.branch)}"
    return run.pushed(ref, value(names.message), value(names.owner))


_NAME: Final = "drone"
_TRUSTED: Final = frozenset(
    ("push", "tag", "promote", "rollback", "cron", "custom", "pull_request")
)
_NAMES: Final = Names(
    event="DRONE_BUILD_EVENT",
    branch="DRONE_BRANCH",
    default_branch="DRONE_REPO_BRANCH",
    commit="DRONE_COMMIT_SHA",
    ref="DRONE_COMMIT_REF",
    tag="DRONE_TAG",
    pull_request="DRONE_PULL_REQUEST",
    source_branch="DRONE_SOURCE_BRANCH",
    target_branch="DRONE_BRANCH",  # in a pull request
    message="DRONE_COMMIT_MESSAGE",
    owner="DRONE_REPO_OWNER",
)
PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("DRONE") == "true",
    context=lambda env, _directory, _read_text: context(_NAME, _TRUSTED, env, _NAMES),
    pipeline_file=lambda _env: ".drone.yml",  # the name that Drone looks for by default
    publish=variables.publish,
    output_files=variables.output_files,
)
