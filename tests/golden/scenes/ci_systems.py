"""A run on each CI system: what is known of it, and what it may do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.golden import machine
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
_HERE: Final = {"full_name": "me/app", "default_branch": "main"}
_FORK: Final = {"full_name": "stranger/app"}


def _pull(repository: dict[str, str]) -> dict[str, object]:
    return {
        "number": 7,
        "head": {"ref": "feature", "repo": repository},
        "base": {"ref": "main", "repo": _HERE},
    }


def _after(event: str, branch: str) -> dict[str, object]:
    run = {"event": event, "head_branch": branch, "head_sha": "b" * 40, "head_repository": _HERE}
    return {"workflow_run": run}


_GITHUB: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "me/app",
    "GITHUB_EVENT_PATH": "event.json",
    "GITHUB_ACTOR": "me",
    "GITHUB_SHA": COMMIT,
}
_GITLAB: Final = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_SHA": COMMIT}
_MERGE_REQUEST: Final = _GITLAB | {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
    "CI_PROJECT_ID": "1",
}
# GitHub: the event, the ref, and the payload beside the repository.
_EVENTS: Final[dict[str, tuple[str, str, dict[str, object]]]] = {
    "a push to the default branch": ("push", "refs/heads/main", {}),
    "a push to another branch": ("push", "refs/heads/feature", {}),
    "a push of a merge": (
        *("push", "refs/heads/main"),
        {
            "head_commit": {
                "message": "Merge pull request #7 from me/feature",
                "timestamp": "2026-01-01T00:59:58+01:00",
            }
        },
    ),
    "a tag": ("push", "refs/tags/v1.2.3", {"base_ref": "refs/heads/main"}),
    "a pull request": ("pull_request", "refs/pull/7/merge", {"pull_request": _pull(_HERE)}),
    "a pull request of a fork": (
        *("pull_request", "refs/pull/7/merge"),
        {"pull_request": _pull(_FORK)},
    ),
    "a pull request's target": (
        *("pull_request_target", "refs/heads/main"),
        {"pull_request": _pull(_HERE)},
    ),
    "a merge queue": (
        "merge_group",
        f"refs/heads/gh-readonly-queue/main/pr-7-{COMMIT}",
        {"merge_group": {"base_ref": "refs/heads/main"}},
    ),
    "a comment": ("issue_comment", "refs/heads/main", {"issue": {"number": 7}}),
    "a comment on a commit": ("discussion_comment", "refs/heads/main", {}),
    "an issue": ("issues", "refs/heads/main", {}),
    "a discussion": ("discussion", "refs/heads/main", {}),
    "a schedule": ("schedule", "refs/heads/main", {}),
    "an event that nobody lists": ("watch", "refs/heads/main", {}),
    "a push whose payload has an issue": ("push", "refs/heads/main", {"issue": {"number": 7}}),
    "a deployment of a commit": ("deployment", "", {}),
    "a pull request from the default branch": (
        *("pull_request", "refs/pull/7/merge"),
        {"pull_request": _pull(_HERE) | {"head": {"ref": "main", "repo": _HERE}}},
    ),
    "a workflow after a workflow": ("workflow_run", "refs/heads/main", _after("workflow_run", "x")),
    "a workflow after a tag called main": (
        *("workflow_run", "refs/heads/main"),
        _after("push", "main"),
    ),
    "a branch called cache-main": ("push", "refs/heads/cache-main", {}),
}
_OTHERS: Final[dict[str, dict[str, str]]] = {
    "GitLab, a branch": _GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"},
    "GitLab, a branch, and a container that is not told why": _GITLAB | {"CI_COMMIT_BRANCH": "x"},
    "GitLab, a tag": _GITLAB | {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1.2.3"},
    "GitLab, a merge request": _MERGE_REQUEST,
    "GitLab, a merge request of a fork": (
        _MERGE_REQUEST | {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}
    ),
    "GitLab, a merge train": _MERGE_REQUEST | {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"},
    "CircleCI, a branch": {"CIRCLECI": "true", "CIRCLE_BRANCH": "feature"},
    "CircleCI, a tag": {"CIRCLECI": "true", "CIRCLE_TAG": "v1.2.3"},
    "CircleCI, a commit on no branch": {"CIRCLECI": "true", "CIRCLE_SHA1": COMMIT},
    "CircleCI, a pull request of a fork": {"CIRCLECI": "true", "CIRCLE_BRANCH": "pull/7"},
    "Azure Pipelines, a pull request": {
        "TF_BUILD": "True",
        "BUILD_REASON": "PullRequest",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature",
        "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
        "SYSTEM_PULLREQUEST_ISFORK": "False",
    },
    "Azure Pipelines, a pull request by hand": {
        "TF_BUILD": "True",
        "BUILD_SOURCEBRANCH": "refs/pull/7/merge",
    },
    "Bitbucket, a pull request": {
        "BITBUCKET_BUILD_NUMBER": "1",
        "BITBUCKET_BRANCH": "feature",
        "BITBUCKET_PR_ID": "7",
        "BITBUCKET_PR_DESTINATION_BRANCH": "main",
    },
    "Buildkite, a pull request of a fork": {
        "BUILDKITE": "true",
        "BUILDKITE_BRANCH": "stranger:feature",
        "BUILDKITE_PULL_REQUEST": "7",
        "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
        "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
    },
    "Bamboo, a pull request": {
        "bamboo_buildKey": "A-B-C",
        "bamboo_repository_pr_key": "7",
        "bamboo_repository_pr_sourceBranch": "feature",
        "bamboo_repository_pr_targetBranch": "main",
    },
    "Woodpecker, a pull request": {
        "CI": "woodpecker",
        "CI_PIPELINE_EVENT": "pull_request",
        "CI_COMMIT_PULL_REQUEST": "7",
        "CI_COMMIT_SOURCE_BRANCH": "feature",
        "CI_COMMIT_TARGET_BRANCH": "main",
        "CI_REPO_DEFAULT_BRANCH": "main",
    },
    "Drone, a pull request": {
        "DRONE": "true",
        "DRONE_BUILD_EVENT": "pull_request",
        "DRONE_PULL_REQUEST": "7",
        "DRONE_SOURCE_BRANCH": "feature",
        "DRONE_BRANCH": "main",
        "DRONE_REPO_BRANCH": "main",
    },
    "Jenkins, a pull request": {
        "JENKINS_URL": "https://jenkins.example.com",
        "CHANGE_ID": "7",
        "CHANGE_BRANCH": "feature",
        "CHANGE_TARGET": "main",
    },
    "Jenkins, a pull request of which little is known": {
        "JENKINS_URL": "https://jenkins.example.com",
        "CHANGE_ID": "7",
    },
    "Gitea, a branch": {
        "GITEA_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/feature",
    },
}
_LAPTOP: Final = {
    ".git/HEAD": "ref: refs/heads/feature\n",
    ".git/refs/heads/feature": f"{COMMIT}\n",
    ".git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
}


def github(event: str, *, actor: str = "me") -> tuple[dict[str, str], dict[str, str]]:
    """Return environment and files of an event on GitHub."""
    name, ref, payload = _EVENTS[event]
    env = _GITHUB | {"GITHUB_EVENT_NAME": name, "GITHUB_REF": ref, "GITHUB_ACTOR": actor}
    return env, {"event.json": json.dumps({"repository": _HERE} | payload)}


def _scenes() -> Iterator[Scene]:
    for event in _EVENTS:
        env, files = github(event)
        yield Scene(title=f"GitHub, {event}", said=_plan(env, files))
    env, files = github("a push to another branch", actor="dependabot[bot]")
    env["GITHUB_REF"] = "refs/heads/dependabot/pip"
    yield Scene(title="GitHub, a branch of Dependabot", said=_plan(env, files))
    env, _ = github("a push to another branch")
    yield Scene(title="GitHub, a payload that is a list", said=_plan(env, {"event.json": "[]"}))
    for title, env in _OTHERS.items():
        yield Scene(title=title, said=_plan(env))
    yield Scene(title="a laptop", said=_plan({}, _LAPTOP))
    yield Scene(title="a laptop that may write", said=_plan({"INPUT_CACHE": "read-write"}, _LAPTOP))
    yield Scene(title="a directory without git", said=_plan({}))
    told = {"INPUT_BRANCH": "feature", "INPUT_DEFAULT_BRANCH": "main"}
    yield Scene(title="a CI system that is not known", said=_plan(told))


def _plan(env: dict[str, str], files: dict[str, str] | None = None) -> str:
    return machine.run("plan", "--image=ghcr.io/me/app", env=env, files=files)


SUBJECT = Subject(
    name="ci_systems", about="Plans of runs on CI systems and elsewhere.", scenes=_scenes
)
