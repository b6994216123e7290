"""The CI systems beside GitHub and GitLab: where each event stands, what it reads and writes.

The variables are those that each system sets, by the documents that its module names; all names
and commits in them are made up.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.plans import cache_of, planned
from warmbuild import ci
from warmbuild.ci import azure, bitbucket, buildkite, circleci, gitea, jenkins, variables
from warmbuild.inputs import table
from warmbuild.run_context import FORK, RunContext, merged_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from warmbuild.cache.cache_plan import CachePlan, CacheRef
    from warmbuild.inputs.values import Inputs

    Fields = Mapping[str, object]
    Refs = list[tuple[str, str]]

SHA = "5f0c3a1e9b7d42d8a6c1f4e2b3d59780c6e1a2f4"
IMAGE = "registry.example.com/team/shop"
MODES = next(row.choices for row in table.TABLE if row.name == "cache")

MAIN, DEVELOP = "cache-main", "cache-develop"
SOCKS, HATS = "cache-feature-socks-834e745c", "cache-feature-hats-084722c4"
OWN = "this branch's own cache"
TARGET = "the branch that this one goes into"
MERGED = "the branch that was merged"
DEFAULT = "the default branch"
USUAL = "often the default branch, which nobody names here"
GUESSED = [("cache-main", USUAL), ("cache-master", USUAL)]
QUEUE = "a merge queue's commit belongs to no branch yet"
A_TAG = "a tag has no cache of its own; its branch has"
NO_BRANCH = "this run belongs to no branch"

IN_DEVELOP: Fields = {"branch": "feature/socks", "target_branch": "develop", "pull_request": 42}
HATS_IN_DEVELOP: Fields = {
    "branch": "feature/hats",
    "target_branch": "develop",
    "pull_request": 43,
}
OF_A_FORK: Fields = {"fork": True, "untrusted": FORK}
QUEUED: Fields = {"target_branch": "main", "pull_request": 42, "passing": QUEUE}
QUEUES_BRANCH = f"gh-readonly-queue/main/pr-42-{SHA}"


def unknown(name: str) -> str:
    return f"{name} does not say whether the pull request comes from a fork"


CIRCLECI = {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": SHA}
PULLS = "https://github.com/harbour/shop/pull"
ON_CIRCLECI = [
    pytest.param(
        {"CIRCLE_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {"CIRCLE_BRANCH": "main"},
        {"branch": "main"},
        [(MAIN, OWN), ("cache-master", USUAL)],
        MAIN,
        "",
        id="a push to main",
    ),
    pytest.param(
        {"CIRCLE_TAG": "v1.2.3"}, {"tag": "v1.2.3"}, GUESSED, "", A_TAG, id="a pushed tag"
    ),
    pytest.param(
        {"CIRCLE_BRANCH": "feature/socks", "CIRCLE_PULL_REQUEST": f"{PULLS}/42"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a branch with a pull request, which is built as a branch",
    ),
    pytest.param(
        {
            "CIRCLE_BRANCH": "pull/43",
            "CIRCLE_PULL_REQUEST": f"{PULLS}/43",
            "CIRCLE_PR_NUMBER": "43",
            "CIRCLE_PR_USERNAME": "stranger",
            "CIRCLE_PR_REPONAME": "shop",
        },
        {"pull_request": 43, **OF_A_FORK},
        GUESSED,
        "",
        FORK,
        id="a fork's pull request",
    ),
    pytest.param(
        {"CIRCLE_BRANCH": "pull/43"},
        {"pull_request": 43, **OF_A_FORK},
        GUESSED,
        "",
        FORK,
        id="a fork's pull request, told by its branch alone",
    ),
    pytest.param(
        {"CIRCLE_BRANCH": "main", "CIRCLE_PR_USERNAME": "stranger"},
        {"branch": "main", **OF_A_FORK},
        GUESSED,
        "",
        FORK,
        id="a fork's own main",
    ),
    pytest.param(
        {"CIRCLE_BRANCH": QUEUES_BRANCH},
        QUEUED,
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        QUEUE,
        id="a merge queue",
    ),
    pytest.param({}, {}, GUESSED, "", NO_BRANCH, id="a pipeline without a branch"),
]

JENKINS = {"JENKINS_URL": "https://jenkins.harbour.example/", "GIT_COMMIT": SHA}
ON_JENKINS = [
    pytest.param(
        {"BRANCH_NAME": "feature/socks", "GIT_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a branch of a multibranch pipeline",
    ),
    pytest.param(
        {"BRANCH_NAME": "trunk", "BRANCH_IS_PRIMARY": "true"},
        {"branch": "trunk", "default_branch": "trunk"},
        [("cache-trunk", OWN)],
        "cache-trunk",
        "",
        id="the default branch of a multibranch pipeline",
    ),
    pytest.param(
        {"BRANCH_NAME": "v1.2.3", "TAG_NAME": "v1.2.3"},
        {"tag": "v1.2.3"},
        GUESSED,
        "",
        A_TAG,
        id="a tag",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "PR-42",
            "CHANGE_ID": "42",
            "CHANGE_BRANCH": "feature/socks",
            "CHANGE_TARGET": "develop",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), *GUESSED],
        SOCKS,
        "",
        id="a pull request of the same repository",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "PR-43",
            "CHANGE_ID": "43",
            "CHANGE_BRANCH": "feature/hats",
            "CHANGE_TARGET": "develop",
            "CHANGE_FORK": "stranger",
        },
        {**HATS_IN_DEVELOP, **OF_A_FORK},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        FORK,
        id="a fork's pull request",
    ),
    pytest.param(
        {"BRANCH_NAME": "CR-7", "CHANGE_ID": "7", "CHANGE_TARGET": "main"},
        {"target_branch": "main", "pull_request": 7, "untrusted": unknown("jenkins")},
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        unknown("jenkins"),
        id="a pull request of a branch source that does not tell forks",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "77/8877/1",
            "CHANGE_ID": "I8f21a",
            "CHANGE_BRANCH": "main",
            "CHANGE_TARGET": "main",
            "CHANGE_FORK": "stranger",
        },
        {"branch": "main", "target_branch": "main", **OF_A_FORK},
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        FORK,
        id="a change that has no number",
    ),
    pytest.param(
        {"GIT_BRANCH": "origin/feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a pipeline of one branch",
    ),
    pytest.param(
        {"GIT_BRANCH": "origin/pr/42/merge"},
        {"pull_request": 42, "untrusted": unknown("jenkins")},
        GUESSED,
        "",
        unknown("jenkins"),
        id="a pull request that the git plugin alone knows of",
    ),
    pytest.param({"GIT_BRANCH": "detached"}, {}, GUESSED, "", NO_BRANCH, id="a detached checkout"),
]

AZURE = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": SHA, "BUILD_REPOSITORY_NAME": "harbour/shop"}
ON_AZURE = [
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": "refs/heads/feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {
            "BUILD_REASON": "BatchedCI",
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "BUILD_SOURCEVERSIONMESSAGE": "Merge pull request #42 from harbour/feature/socks",
        },
        {"branch": "main", "merged": "feature/socks"},
        [(MAIN, OWN), (SOCKS, MERGED), ("cache-master", USUAL)],
        MAIN,
        "",
        id="a merge into main",
    ),
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": "refs/tags/v1.2.3"},
        {"tag": "v1.2.3"},
        GUESSED,
        "",
        A_TAG,
        id="a pushed tag",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "BUILD_SOURCEBRANCH": "refs/pull/42/merge",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "42",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature/socks",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/develop",
            "SYSTEM_PULLREQUEST_ISFORK": "False",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), *GUESSED],
        SOCKS,
        "",
        id="a pull request in Azure Repos",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "BUILD_SOURCEBRANCH": "refs/pull/43/merge",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "1873120993",
            "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "43",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "feature/hats",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "develop",
            "SYSTEM_PULLREQUEST_ISFORK": "True",
        },
        {**HATS_IN_DEVELOP, **OF_A_FORK},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        FORK,
        id="a fork's pull request on GitHub",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "42",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "main",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "main",
        },
        {
            "branch": "main",
            "target_branch": "main",
            "pull_request": 42,
            "untrusted": unknown("azure"),
        },
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        unknown("azure"),
        id="a pull request whose variables are not all passed on",
    ),
    pytest.param(
        {"BUILD_REASON": "Manual", "BUILD_SOURCEBRANCH": "refs/pull/43/merge"},
        {"pull_request": 43, "untrusted": unknown("azure")},
        GUESSED,
        "",
        unknown("azure"),
        id="a pull request that somebody builds by hand",
    ),
    pytest.param(
        {"BUILD_REASON": "Schedule", "BUILD_SOURCEBRANCH": "refs/heads/main"},
        {"branch": "main"},
        [(MAIN, OWN), ("cache-master", USUAL)],
        MAIN,
        "",
        id="a schedule",
    ),
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": f"refs/heads/{QUEUES_BRANCH}"},
        QUEUED,
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        QUEUE,
        id="a merge queue",
    ),
]

BITBUCKET = {"BITBUCKET_BUILD_NUMBER": "311", "BITBUCKET_COMMIT": SHA}
ON_BITBUCKET = [
    pytest.param(
        {"BITBUCKET_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a push to a branch, or a custom pipeline on it",
    ),
    pytest.param(
        {"BITBUCKET_TAG": "v1.2.3"}, {"tag": "v1.2.3"}, GUESSED, "", A_TAG, id="a pushed tag"
    ),
    pytest.param(
        {
            "BITBUCKET_BRANCH": "feature/socks",
            "BITBUCKET_PR_ID": "42",
            "BITBUCKET_PR_DESTINATION_BRANCH": "develop",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), *GUESSED],
        SOCKS,
        "",
        id="a pull request, which no fork's is",
    ),
]

BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_REPO": "git@github.com:harbour/shop.git",
    "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_SOURCE": "webhook",
}
ON_BUILDKITE = [
    pytest.param(
        {"BUILDKITE_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), (MAIN, DEFAULT)],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_MESSAGE": "Merge pull request #42 from harbour/feature/socks\n\nSell socks",
        },
        {"branch": "main", "merged": "feature/socks"},
        [(MAIN, OWN), (SOCKS, MERGED)],
        MAIN,
        "",
        id="a merge into the default branch",
    ),
    pytest.param(
        {"BUILDKITE_BRANCH": "main", "BUILDKITE_SOURCE": "ui", "BUILDKITE_COMMIT": "HEAD"},
        {"branch": "main", "commit": ""},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a build by hand",
    ),
    pytest.param(
        {"BUILDKITE_BRANCH": "v1.2.3", "BUILDKITE_TAG": "v1.2.3"},
        {"tag": "v1.2.3"},
        [(MAIN, DEFAULT)],
        "",
        A_TAG,
        id="a pushed tag",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "feature/socks",
            "BUILDKITE_PULL_REQUEST": "42",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "develop",
            "BUILDKITE_PULL_REQUEST_REPO": "git://github.com/Harbour/shop.git",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), (MAIN, DEFAULT)],
        SOCKS,
        "",
        id="a pull request of the same repository, whose address is written in another way",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "feature/hats",
            "BUILDKITE_PULL_REQUEST": "43",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "develop",
            "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/stranger/shop.git",
        },
        {**HATS_IN_DEVELOP, **OF_A_FORK},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        FORK,
        id="a fork's pull request",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "feature/hats",
            "BUILDKITE_PULL_REQUEST": "43",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "develop",
        },
        {**HATS_IN_DEVELOP, "untrusted": unknown("buildkite")},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        unknown("buildkite"),
        id="a pull request of a repository that nobody names",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_PULL_REQUEST": "46",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "release/1.x",
            "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/harbour/shop",
        },
        {"branch": "main"},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="the default branch, though it has a pull request",
    ),
    pytest.param(
        {
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_PULL_REQUEST": "45",
            "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main",
            "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/stranger/shop",
        },
        {"branch": "main", "target_branch": "main", "pull_request": 45, **OF_A_FORK},
        [(MAIN, TARGET)],
        "",
        FORK,
        id="a pull request of a fork's own main",
    ),
    pytest.param(
        {"BUILDKITE_BRANCH": "stranger:main"},
        {"branch": "stranger:main", **OF_A_FORK},
        [(MAIN, DEFAULT)],
        "",
        FORK,
        id="a fork's branch, by its prefix",
    ),
    pytest.param(
        {"BUILDKITE_BRANCH": QUEUES_BRANCH},
        QUEUED,
        [(MAIN, TARGET)],
        "",
        QUEUE,
        id="a merge queue",
    ),
]

BAMBOO = {"bamboo_buildKey": "SHOP-IMAGE-BUILD", "bamboo_planRepository_revision": SHA}
ON_BAMBOO = [
    pytest.param(
        {"bamboo_planRepository_branchName": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a plan branch of a branch",
    ),
    pytest.param(
        {"bamboo_planRepository_branchName": "main"},
        {"branch": "main"},
        [(MAIN, OWN), ("cache-master", USUAL)],
        MAIN,
        "",
        id="the plan itself",
    ),
    pytest.param(
        {
            "bamboo_planRepository_branchName": "feature/socks",
            "bamboo_repository_pr_key": "42",
            "bamboo_repository_pr_sourceBranch": "feature/socks",
            "bamboo_repository_pr_targetBranch": "develop",
        },
        {**IN_DEVELOP, "untrusted": unknown("bamboo")},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        unknown("bamboo"),
        id="a plan branch of a pull request, which may be a fork's",
    ),
]

WOODPECKER = {
    "CI": "woodpecker",
    "CI_COMMIT_SHA": SHA,
    "CI_REPO_DEFAULT_BRANCH": "main",
    "CI_REPO_OWNER": "harbour",
}
ON_WOODPECKER = [
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "push",
            "CI_COMMIT_BRANCH": "feature/socks",
            "CI_COMMIT_REF": "refs/heads/feature/socks",
        },
        {"branch": "feature/socks"},
        [(SOCKS, OWN), (MAIN, DEFAULT)],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "push",
            "CI_COMMIT_BRANCH": "main",
            "CI_COMMIT_REF": "refs/heads/main",
            "CI_COMMIT_MESSAGE": "Merge pull request 'Sell socks' (#42) from feature/socks into "
            "main",
        },
        {"branch": "main", "merged": "feature/socks"},
        [(MAIN, OWN), (SOCKS, MERGED)],
        MAIN,
        "",
        id="a merge on Gitea into the default branch",
    ),
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "tag",
            "CI_COMMIT_REF": "refs/tags/v1.2.3",
            "CI_COMMIT_TAG": "v1.2.3",
        },
        {"tag": "v1.2.3"},
        [(MAIN, DEFAULT)],
        "",
        A_TAG,
        id="a pushed tag",
    ),
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "pull_request",
            "CI_COMMIT_BRANCH": "develop",
            "CI_COMMIT_REF": "refs/pull/42/head",
            "CI_COMMIT_SOURCE_BRANCH": "feature/socks",
            "CI_COMMIT_TARGET_BRANCH": "develop",
            "CI_COMMIT_PULL_REQUEST": "42",
        },
        {**IN_DEVELOP, "untrusted": unknown("woodpecker")},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        unknown("woodpecker"),
        id="a pull request, which may be a fork's",
    ),
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "deployment",
            "CI_COMMIT_BRANCH": "develop",
            "CI_COMMIT_REF": "refs/pull/42/head",
        },
        {"pull_request": 42, "untrusted": unknown("woodpecker")},
        [(MAIN, DEFAULT)],
        "",
        unknown("woodpecker"),
        id="a deployment of a pull request",
    ),
    pytest.param(
        {"CI_PIPELINE_EVENT": "cron", "CI_COMMIT_BRANCH": "main"},
        {"branch": "main"},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a cron job",
    ),
]

DRONE = {
    "CI": "true",
    "DRONE": "true",
    "DRONE_COMMIT_SHA": SHA,
    "DRONE_REPO_BRANCH": "main",
    "DRONE_REPO_OWNER": "harbour",
}
ON_DRONE = [
    pytest.param(
        {
            "DRONE_BUILD_EVENT": "push",
            "DRONE_BRANCH": "feature/socks",
            "DRONE_COMMIT_REF": "refs/heads/feature/socks",
        },
        {"branch": "feature/socks"},
        [(SOCKS, OWN), (MAIN, DEFAULT)],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {
            "DRONE_BUILD_EVENT": "tag",
            "DRONE_COMMIT_REF": "refs/tags/v1.2.3",
            "DRONE_TAG": "v1.2.3",
        },
        {"tag": "v1.2.3"},
        [(MAIN, DEFAULT)],
        "",
        A_TAG,
        id="a pushed tag",
    ),
    pytest.param(
        {
            "DRONE_BUILD_EVENT": "pull_request",
            "DRONE_BRANCH": "develop",
            "DRONE_COMMIT_REF": "refs/pull/42/head",
            "DRONE_SOURCE_BRANCH": "feature/socks",
            "DRONE_PULL_REQUEST": "42",
        },
        {**IN_DEVELOP, "untrusted": unknown("drone")},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        unknown("drone"),
        id="a pull request, which may be a fork's",
    ),
    pytest.param(
        {
            "DRONE_BUILD_EVENT": "promote",
            "DRONE_BRANCH": "main",
            "DRONE_COMMIT_REF": "refs/merge-requests/42/head",
        },
        {"pull_request": 42, "untrusted": unknown("drone")},
        [(MAIN, DEFAULT)],
        "",
        unknown("drone"),
        id="the promotion of a pull request's build",
    ),
    pytest.param(
        {"DRONE_BUILD_EVENT": "cron", "DRONE_BRANCH": "main"},
        {"branch": "main"},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a cron job",
    ),
]

EVENTS = [
    pytest.param(common, *row.values, id=f"{name}: {row.id}")
    for name, common, rows in (
        ("circleci", CIRCLECI, ON_CIRCLECI),
        ("jenkins", JENKINS, ON_JENKINS),
        ("azure", AZURE, ON_AZURE),
        ("bitbucket", BITBUCKET, ON_BITBUCKET),
        ("buildkite", BUILDKITE, ON_BUILDKITE),
        ("bamboo", BAMBOO, ON_BAMBOO),
        ("woodpecker", WOODPECKER, ON_WOODPECKER),
        ("drone", DRONE, ON_DRONE),
    )
    for row in rows
]


def context(
    env: Mapping[str, str], read_text: Callable[[str], str | None] | None = None
) -> RunContext:
    return ci.detect(env).context(env, "/", read_text or dict[str, str]().get)


def decide(given: Inputs, run: RunContext) -> CachePlan:
    return cache_of(given, run)


def tag(item: CacheRef) -> str:
    return str(item.ref).removeprefix(f"{IMAGE}:")


@pytest.mark.parametrize(("common", "env", "expected", "reads", "writes", "why_not"), EVENTS)
def test_an_event(
    parsed: Callable[..., Inputs],
    common: Mapping[str, str],
    env: Mapping[str, str],
    expected: Fields,
    reads: Refs,
    writes: str,
    why_not: str,
) -> None:
    run = context({**common, **env})
    told: Fields = {
        "ci": ci.detect(common).NAME,
        "commit": SHA,
        "event": run.event,
        "default_branch": run.default_branch and "main",
    }
    assert run == RunContext(**{**told, **expected})  # type: ignore[arg-type]
    found = decide(parsed(image=IMAGE), run)
    assert [(tag(item), item.reason) for item in found.read] == reads
    assert (tag(found.write) if found.write else "") == writes
    assert [note for note in found.notes if note.startswith("no cache is written")] == (
        [f"no cache is written: {why_not}"] if why_not else []
    )


@pytest.mark.parametrize(
    ("env", "event"),
    [
        (CIRCLECI, ""),
        (AZURE | {"BUILD_REASON": "Schedule"}, "Schedule"),
        (BUILDKITE, "webhook"),
        (WOODPECKER | {"CI_PIPELINE_EVENT": "cron"}, "cron"),
        (DRONE | {"DRONE_BUILD_EVENT": "promote"}, "promote"),
    ],
)
def test_the_event_is_called_as_the_system_calls_it(env: Mapping[str, str], event: str) -> None:
    assert context(env).event == event


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("common", "env"), [(row.values[0], row.values[1]) for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs],
    common: Mapping[str, str],
    env: Mapping[str, str],
    mode: str,
) -> None:
    run = context({**common, **env})
    assert not run.fork or run.untrusted
    for told in (run, run.told(branch="main", default_branch="main")):
        found = decide(parsed(cache=mode), told)
        assert not (run.untrusted and (found.write or found.destinations))
        assert planned(parsed(), told).push is not bool(run.untrusted)


@pytest.mark.parametrize(
    ("common", "name"),
    [
        (CIRCLECI, "circleci"),
        (JENKINS, "jenkins"),
        ({"JENKINS_HOME": "/var/jenkins_home"}, "jenkins"),
        (AZURE, "azure"),
        (BITBUCKET, "bitbucket"),
        (BUILDKITE, "buildkite"),
        (BAMBOO, "bamboo"),
        (WOODPECKER, "woodpecker"),
        (DRONE, "drone"),
        ({"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true"}, "gitea"),
        ({"GITHUB_ACTIONS": "true", "FORGEJO_ACTIONS": "true"}, "gitea"),
    ],
)
def test_each_system_is_told_from_all_others(common: Mapping[str, str], name: str) -> None:
    detected = [provider.NAME for provider in ci.PROVIDERS if provider.detect(common)]
    assert [found for found in detected if found not in {"github", "local"}] == [name]
    assert name == ci.detect(common).NAME


class TestGitea:
    ENV: Mapping[str, str] = {
        "GITHUB_ACTIONS": "true",
        "GITEA_ACTIONS": "true",
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_ACTOR": "mira",
        "GITHUB_REPOSITORY": "harbour/shop",
        "GITHUB_SERVER_URL": "https://git.harbour.example",
        "GITHUB_SHA": SHA,
    }

    def context(self, payload: object, **env: str) -> RunContext:
        files = {"/event.json": json.dumps(payload)}
        return context(
            {**self.ENV, **{f"GITHUB_{key}": value for key, value in env.items()}}, files.get
        )

    def test_a_merge_into_the_default_branch(self) -> None:
        message = "Merge pull request 'Sell \"socks\"' (#42) from feature/socks into main\n"
        payload = {
            "repository": {"default_branch": "main"},
            "head_commit": {"message": message},
        }
        assert self.context(payload, EVENT_NAME="push", REF="refs/heads/main") == RunContext(
            ci="gitea",
            event="push",
            branch="main",
            default_branch="main",
            merged="feature/socks",
            commit=SHA,
            server="git.harbour.example",
            git_context=f"https://git.harbour.example/harbour/shop.git#{SHA}",
            provenance="mode=min,inline-only=true",
        )

    @pytest.mark.parametrize(
        ("head", "untrusted"), [("harbour/shop", ""), ("stranger/shop", FORK)], ids=["own", "fork"]
    )
    def test_a_pull_request(self, head: str, untrusted: str) -> None:
        payload = {
            "repository": {"full_name": "harbour/shop", "default_branch": "main"},
            "pull_request": {
                "number": 42,
                "head": {"ref": "feature/socks", "repo": {"full_name": head}},
                "base": {"ref": "develop"},
            },
        }
        found = self.context(payload, EVENT_NAME="pull_request", REF="refs/pull/42/head")
        assert (found.ci, found.branch, found.target_branch) == (
            "gitea",
            "feature/socks",
            "develop",
        )
        assert (found.pull_request, found.untrusted) == (42, untrusted)

    def test_a_jobs_token_is_no_login_for_the_servers_registry(self) -> None:
        assert gitea.known_inputs(self.ENV, {"github-token": "t"}) == {}

    def test_outputs_and_commands_are_githubs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output = tmp_path / "output"
        output.touch()
        monkeypatch.setenv("GITHUB_OUTPUT", str(output))
        gitea.publish({"GITHUB_OUTPUT": str(output)}, {"digest": "sha256:1"}, "")
        assert "sha256:1" in output.read_text()
        gitea.mask("hidden")
        assert capsys.readouterr().out == "::add-mask::hidden\n"
        assert gitea.inert("::x::") == "| ::x::"
        assert gitea.pipeline_file({}) == ""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge pull request 'Sell socks' (#7) from feature/socks into main", "feature/socks"),
        ("Merge pull request 'Sell socks' (#7) from stranger/shop:socks into main", ""),
        ("Merge pull request 'x' (#1) from main into y' (#7) from socks into main", "socks"),
    ],
)
def test_the_branch_that_gitea_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "harbour") == expected


OUTPUTS = {
    "digest": "sha256:1",
    "tags": "r.example/shop:main,r.example/shop:latest",
    "cache-written": "",
    "cache-write-error": "it's $HOME; 5% \\n",
    "metadata": '{"long": "json"}',
}
LINES = [
    "WARMBUILD_DIGEST=sha256:1",
    "WARMBUILD_TAGS=r.example/shop:main,r.example/shop:latest",
    "WARMBUILD_CACHE_WRITTEN=",
    f"WARMBUILD_CACHE_WRITE_ERROR={shlex.quote(OUTPUTS['cache-write-error'])}",
]


class TestOutputs:
    @pytest.mark.parametrize("name", ["jenkins", "bamboo", "buildkite", "woodpecker", "drone"])
    def test_a_file_in_the_workspace(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "warmbuild.env").write_text("OLD=1\n")
        provider = ci.named(name)
        provider.publish({}, OUTPUTS, "")
        assert (tmp_path / "warmbuild.env").read_text().splitlines() == LINES
        assert [path.name for path in provider.output_files({})] == ["warmbuild.env"]

    @pytest.mark.processes
    def test_a_shell_reads_the_file_as_it_was_meant(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        jenkins.publish({}, OUTPUTS, "")
        done = subprocess.run(
            ["sh", "-ec", '. ./warmbuild.env; printf %s "$WARMBUILD_CACHE_WRITE_ERROR"'],  # noqa: S607
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert done.stdout == OUTPUTS["cache-write-error"]

    def test_circleci_gets_exports_for_later_steps(self, tmp_path: Path) -> None:
        script = tmp_path / "bash_env"
        script.write_text("export OTHER=1\n")
        circleci.publish({"BASH_ENV": str(script)}, OUTPUTS, "")
        expected = ["export OTHER=1", *(f"export {line}" for line in LINES)]
        assert script.read_text().splitlines() == expected
        circleci.publish({}, OUTPUTS, "")
        assert circleci.output_files({}) == ()

    def test_bitbucket_gets_variables_to_hand_on(self, tmp_path: Path) -> None:
        file = tmp_path / "variables"
        bitbucket.publish({"BITBUCKET_PIPELINES_VARIABLES_PATH": str(file)}, OUTPUTS, "")
        assert file.read_text().splitlines() == LINES
        bitbucket.publish({}, OUTPUTS, "")
        assert bitbucket.output_files({}) == ()

    def test_azure_gets_output_variables(self, capsys: pytest.CaptureFixture[str]) -> None:
        azure.publish({}, OUTPUTS, "")
        command = "##vso[task.setvariable variable=WARMBUILD_"
        assert capsys.readouterr().out.splitlines() == [
            f"{command}DIGEST;isOutput=true]sha256:1",
            f"{command}TAGS;isOutput=true]r.example/shop:main,r.example/shop:latest",
            f"{command}CACHE_WRITTEN;isOutput=true]",
            f"{command}CACHE_WRITE_ERROR;isOutput=true]it's $HOME; 5%AZP25 \\n",
        ]
        assert azure.output_files({}) == ()

    def test_a_file_that_cannot_be_written_is_a_warning(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        variables.write(tmp_path / "gone" / "file", "x")
        assert capsys.readouterr().out == (
            f"warning: the outputs are not in {tmp_path}/gone/file, which cannot be written: "
            "No such file or directory\n"
        )


class TestLog:
    def test_azure_annotates_folds_and_masks(self, capsys: pytest.CaptureFixture[str]) -> None:
        azure.open_group("plan ##[error]")
        azure.warning("50%\nless")
        azure.warning("late", "a;b].txt", 3)
        azure.fail("gone")
        azure.mask("one\n\ntwo")
        azure.close_group()
        assert capsys.readouterr().out.splitlines() == [
            "##[group]plan ## [error]",
            "##vso[task.logissue type=warning;]50%AZP25%0Aless",
            "##vso[task.logissue type=warning;sourcepath=a%3Bb%5D.txt;linenumber=3;]late",
            "##vso[task.logissue type=error;]gone",
            "##vso[task.setsecret]one",
            "##vso[task.setsecret]two",
            "##[endgroup]",
        ]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("#5 0.1 ##vso[task.complete]x", "#5 0.1 ## vso[task.complete]x"),
            ("##VSO[task.complete]x", "## VSO[task.complete]x"),
            ("##[error]x", "## [error]x"),
            ("#5 [2/2] RUN x", "#5 [2/2] RUN x"),
        ],
    )
    def test_no_line_of_a_build_is_a_command_to_azure(self, text: str, expected: str) -> None:
        assert azure.inert(text) == expected

    def test_buildkite_groups(self, capsys: pytest.CaptureFixture[str]) -> None:
        buildkite.open_group("plan")
        buildkite.warning("careful", "Dockerfile", 3)
        buildkite.fail("gone")
        buildkite.close_group()
        assert capsys.readouterr().out.splitlines() == [
            "--- plan",
            "warning: Dockerfile:3: careful",
            "^^^ +++",
            "error: gone",
        ]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("--- mine", "| --- mine"),
            ("^^^ +++", "| ^^^ +++"),
            ("+ docker buildx build", "+ docker buildx build"),
            ("#5 0.1 --- mine", "#5 0.1 --- mine"),
        ],
    )
    def test_no_line_of_a_build_is_a_group_to_buildkite(self, text: str, expected: str) -> None:
        assert buildkite.inert(text) == expected

    @pytest.mark.parametrize(
        "name", ["circleci", "jenkins", "bamboo", "bitbucket", "woodpecker", "drone"]
    )
    def test_the_others_have_a_plain_log(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        provider = ci.named(name)
        provider.open_group("plan")
        provider.warning("careful")
        provider.fail("gone")
        provider.mask("hidden")
        provider.close_group()
        assert capsys.readouterr().out == "== plan\nwarning: careful\nerror: gone\n"
        assert provider.inert("##[x] ::x::") == "##[x] ::x::"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("circleci", ".circleci/config.yml"),
        ("jenkins", "Jenkinsfile"),
        ("azure", "azure-pipelines.yml"),
        ("bitbucket", "bitbucket-pipelines.yml"),
        ("buildkite", ".buildkite/pipeline.yml"),
        ("bamboo", "bamboo-specs/bamboo.yml"),
        ("woodpecker", ".woodpecker.yaml"),
        ("drone", ".drone.yml"),
    ],
)
def test_the_file_that_describes_a_run(name: str, file: str) -> None:
    assert ci.named(name).pipeline_file({}) == file
    assert ci.named(name).known_inputs({"CI": "true"}, {"github-token": "t"}) == {}
