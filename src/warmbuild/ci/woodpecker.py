"""Woodpecker: its built-in variables, outputs through a file in the workspace.

The variables are documented in Woodpecker's "Environment variables" and set by `Environ` in
pipeline/frontend/metadata of woodpecker-ci/woodpecker. They mean what Drone's mean, because
Woodpecker is a fork of Drone. Only the ref shows that a deployment is of a pull request. Many names
are also GitLab's, so only CI=woodpecker tells the two apart.
"""

from __future__ import annotations

from typing import Final

from warmbuild.ci import drone, variables
from warmbuild.ci.provider import Provider

_NAME: Final = "woodpecker"
_TRUSTED: Final = frozenset(
    ("push", "tag", "release", "deployment", "cron", "manual", "pull_request")
)
_NAMES: Final = drone.Names(
    event="CI_PIPELINE_EVENT",
    branch="CI_COMMIT_BRANCH",
    default_branch="CI_REPO_DEFAULT_BRANCH",
    commit="CI_COMMIT_SHA",
    ref="CI_COMMIT_REF",
    tag="CI_COMMIT_TAG",
    pull_request="CI_COMMIT_PULL_REQUEST",
    source_branch="CI_COMMIT_SOURCE_BRANCH",
    target_branch="CI_COMMIT_TARGET_BRANCH",
    message="CI_COMMIT_MESSAGE",
    owner="CI_REPO_OWNER",
)
PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("CI") == _NAME,
    context=lambda env, _directory, _read_text: drone.context(_NAME, _TRUSTED, env, _NAMES),
    pipeline_file=lambda _env: ".woodpecker.yaml",  # the place of a pipeline with one workflow
    publish=variables.publish,
    output_files=variables.output_files,
)
