"""What is trusted: events as they were recorded, and events as a stranger would make them up.

Everything that only somebody with write access can cause is on a list; all else is untrusted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.unit.ci import recorded
from tests.unit.ci.events import SHA, context
from warmbuild import trust
from warmbuild.trust import Level, Right, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

HERE = {"full_name": "harbour/shop", "default_branch": "main", "id": 1}
FORKED = {"full_name": "stranger/shop", "id": 2}
OURS = {"number": 7, "head": {"ref": "x", "repo": HERE}, "base": {"ref": "main"}}
THEIRS = {"number": 7, "head": {"ref": "main", "repo": FORKED}, "base": {"ref": "main"}}
REPOSITORY = {"repository": HERE}
MAIN, PULL, TAG = "refs/heads/main", "refs/pull/7/merge", "refs/tags/v1"
T, L, U = Level.TRUSTED, Level.LOCAL, Level.UNTRUSTED


def after(event: str, **changes: object) -> dict[str, object]:
    """Return the payload of a run that follows a workflow."""
    run = {"event": event, "head_branch": "x", "head_sha": SHA, "head_repository": HERE}
    return {**REPOSITORY, "workflow_run": {**run, **changes}}


# Each row is an event, its ref, its payload, and how far it is trusted.
ON_GITHUB: list[tuple[str, str, object, Level]] = [
    ("push", MAIN, REPOSITORY, T),
    ("push", TAG, REPOSITORY, T),
    ("push", MAIN, {}, T),
    ("schedule", MAIN, REPOSITORY, T),
    ("workflow_dispatch", MAIN, REPOSITORY, T),
    ("repository_dispatch", MAIN, REPOSITORY, T),
    ("release", TAG, REPOSITORY, T),
    ("create", MAIN, REPOSITORY, T),
    ("delete", MAIN, REPOSITORY, T),
    ("deployment", MAIN, REPOSITORY, T),
    ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7-0a1b2c", REPOSITORY, T),
    ("pull_request", PULL, {**REPOSITORY, "pull_request": OURS}, T),
    ("pull_request_review", PULL, {**REPOSITORY, "pull_request": OURS}, T),
    ("pull_request", MAIN, {**REPOSITORY, "pull_request": OURS}, T),
    # An event that strangers can cause, or one that nobody has heard of.
    *((event, MAIN, REPOSITORY, U) for event in ("watch", "fork", "star", "gollum", "public")),
    *((event, MAIN, REPOSITORY, U) for event in ("issues", "issue_comment", "label", "milestone")),
    *((event, MAIN, REPOSITORY, U) for event in ("discussion", "discussion_comment", "status")),
    *((event, MAIN, REPOSITORY, U) for event in ("check_run", "check_suite", "page_build")),
    *((event, MAIN, REPOSITORY, U) for event in ("commit_comment", "registry_package")),
    *((event, MAIN, REPOSITORY, U) for event in ("", "PUSH", "push ", "push\n", "agent_session")),
    ("pull_request_target", MAIN, {**REPOSITORY, "pull_request": OURS}, U),
    ("pull_request_target", MAIN, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("pull_request_comment", MAIN, {**REPOSITORY, "pull_request": OURS}, U),
    # A trusted event whose payload tells of somebody else.
    ("push", MAIN, {**REPOSITORY, "issue": {"number": 7}}, U),
    ("push", MAIN, {**REPOSITORY, "issue": None}, U),
    ("workflow_dispatch", MAIN, {**REPOSITORY, "issue": {}, "comment": {}}, U),
    ("push", MAIN, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("repository_dispatch", MAIN, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("release", TAG, {**REPOSITORY, "pull_request": {}}, U),
    ("release", TAG, {**REPOSITORY, "pull_request": [THEIRS]}, U),
    ("pull_request", PULL, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("pull_request", MAIN, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("pull_request_review", PULL, {**REPOSITORY, "pull_request": THEIRS}, U),
    ("pull_request_review_comment", PULL, {**REPOSITORY, "pull_request": THEIRS}, U),
    # A payload of an unknown shape.
    ("push", MAIN, [], U),
    ("push", MAIN, None, U),
    ("push", MAIN, "text", U),
    ("push", MAIN, [REPOSITORY], U),
    ("pull_request", PULL, {}, U),
    ("pull_request", PULL, REPOSITORY, U),
    ("pull_request", PULL, {"pull_request": OURS}, U),
    ("pull_request", PULL, {**REPOSITORY, "pull_request": {**OURS, "head": {"repo": None}}}, U),
    ("pull_request", PULL, {**REPOSITORY, "pull_request": {**OURS, "head": "x"}}, U),
    ("pull_request", PULL, {"repository": "harbour/shop", "pull_request": OURS}, U),
    ("pull_request", PULL, {"repository": {"full_name": ""}, "pull_request": OURS}, U),
    # Code that no branch or tag of the repository is known to have.
    ("push", PULL, REPOSITORY, U),
    ("push", "", REPOSITORY, U),
    ("push", "refs/heads/", REPOSITORY, U),
    ("push", "refs/notes/x", REPOSITORY, U),
    ("deployment", "", REPOSITORY, U),
    ("deployment_status", "", REPOSITORY, U),
    ("workflow_dispatch", PULL, REPOSITORY, U),
    # What follows a workflow.
    *(("workflow_run", MAIN, after(event), T) for event in ("push", "schedule", "pull_request")),
    *(("workflow_run", MAIN, after(event), T) for event in ("release", "workflow_dispatch")),
    ("workflow_run", MAIN, after("push", head_repository=FORKED), U),
    ("workflow_run", MAIN, after("pull_request", head_repository=FORKED), U),
    ("workflow_run", MAIN, after("pull_request", head_repository=None), U),
    ("workflow_run", MAIN, after("workflow_run"), U),
    ("workflow_run", MAIN, after("issue_comment"), U),
    ("workflow_run", MAIN, after("pull_request_target"), U),
    ("workflow_run", MAIN, after("deployment_status"), U),
    ("workflow_run", MAIN, after("check_suite"), U),
    ("workflow_run", MAIN, after("watch"), U),
    ("workflow_run", MAIN, after(""), U),
    ("workflow_run", MAIN, {**after("push"), "issue": {}}, U),
    ("workflow_run", MAIN, {**after("push"), "pull_request": THEIRS}, U),
    ("workflow_run", MAIN, {**REPOSITORY, "workflow_run": [after("push")]}, U),
    ("workflow_run", MAIN, REPOSITORY, U),
]


def on_github(event: str, ref: str, payload: object, **env: str) -> RunContext:
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REF": ref,
        "GITHUB_REPOSITORY": "harbour/shop",
        "GITHUB_SHA": SHA,
        **env,
    }
    return context(variables, {"/event.json": json.dumps(payload)}.get)


@pytest.mark.parametrize(("event", "ref", "payload", "level"), ON_GITHUB)
def test_an_event_of_github(event: str, ref: str, payload: object, level: Level) -> None:
    found = on_github(event, ref, payload)
    assert found.trust.level is level
    assert bool(found.trust.reason) is (level is not Level.TRUSTED)


@pytest.mark.parametrize(
    ("event", "payload", "level"),
    [
        ("push", REPOSITORY, T),
        ("pull_request", {**REPOSITORY, "pull_request": OURS}, T),
        ("pull_request", {**REPOSITORY, "pull_request": THEIRS}, U),
        ("pull_request_comment", {**REPOSITORY, "pull_request": OURS, "issue": {}}, U),
        ("pull_request_comment", {**REPOSITORY, "pull_request": OURS}, U),
        ("pull_request_review_comment", {**REPOSITORY, "pull_request": OURS}, U),
        ("pull_request_review_approved", {**REPOSITORY, "pull_request": OURS}, U),
        ("pull_request_review", {**REPOSITORY, "pull_request": OURS}, U),
        ("pull_request_label", {**REPOSITORY, "pull_request": THEIRS}, U),
        ("issue_comment", {**REPOSITORY, "issue": {"number": 7}, "is_pull": True}, U),
        ("issues", {**REPOSITORY, "issue": {"number": 7}}, U),
        ("wiki", REPOSITORY, U),
        ("fork", REPOSITORY, U),
        ("repository_dispatch", REPOSITORY, U),
    ],
)
@pytest.mark.parametrize("variable", ["GITEA_ACTIONS", "FORGEJO_ACTIONS"])
def test_an_event_of_gitea(event: str, payload: object, level: Level, variable: str) -> None:
    found = on_github(event, MAIN, payload, **{variable: "true"})
    assert (found.ci, found.trust.level) == ("gitea", level)


@pytest.mark.parametrize(
    ("event", "ref", "payload", "level"),
    [
        ("push", MAIN, REPOSITORY, L),
        ("push", MAIN, {}, L),
        ("workflow_dispatch", MAIN, REPOSITORY, L),
        ("pull_request", PULL, {**REPOSITORY, "pull_request": THEIRS}, U),
        ("issue_comment", MAIN, {**REPOSITORY, "issue": {}}, U),
    ],
)
def test_act_is_a_local_run(event: str, ref: str, payload: object, level: Level) -> None:
    assert on_github(event, ref, payload, ACT="true").trust.level is level


COMMON: Mapping[str, Mapping[str, str]] = {
    "gitlab": {"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "x", "CI_PROJECT_ID": "1"},
    "azure": {"TF_BUILD": "True", "BUILD_SOURCEBRANCH": "refs/heads/x"},
    "buildkite": {"BUILDKITE": "true", "BUILDKITE_BRANCH": "x", "BUILDKITE_REPO": "git@a.b:c/d"},
    "drone": {"DRONE": "true", "DRONE_BRANCH": "x"},
    "woodpecker": {"CI": "woodpecker", "CI_COMMIT_BRANCH": "x"},
    "circleci": {"CIRCLECI": "true", "CIRCLE_BRANCH": "x"},
    "bitbucket": {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_BRANCH": "x"},
    "jenkins": {"JENKINS_URL": "https://j"},
    "bamboo": {"bamboo_buildKey": "A-B"},
    "local": {},
}
ELSEWHERE: list[tuple[str, dict[str, str], Level]] = [
    *(("gitlab", {"CI_PIPELINE_SOURCE": source}, T) for source in ("push", "web", "api", "chat")),
    *(("gitlab", {"CI_PIPELINE_SOURCE": source}, T) for source in ("schedule", "trigger")),
    *(("gitlab", {"CI_PIPELINE_SOURCE": source}, U) for source in ("external", "duo_workflow")),
    *(("gitlab", {"CI_PIPELINE_SOURCE": source}, U) for source in ("", "made_up", "Push")),
    ("gitlab", {}, U),
    ("gitlab", {"CI_PIPELINE_SOURCE": "push", "CI_MERGE_REQUEST_IID": "1"}, U),
    (
        "gitlab",
        {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": "1",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2",
        },
        U,
    ),
    ("gitlab", {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""}, U),
    *(("azure", {"BUILD_REASON": reason}, T) for reason in ("Manual", "IndividualCI", "Schedule")),
    *(("azure", {"BUILD_REASON": reason}, U) for reason in ("", "ValidateShelveset", "None")),
    ("azure", {}, U),
    ("azure", {"BUILD_REASON": "Manual", "BUILD_SOURCEBRANCH": "refs/pull/7/merge"}, U),
    ("azure", {"BUILD_REASON": "BuildCompletion", "BUILD_SOURCEBRANCH": "refs/pull/7/merge"}, U),
    ("azure", {"BUILD_REASON": "PullRequest", "SYSTEM_PULLREQUEST_PULLREQUESTID": "7"}, U),
    *(("buildkite", {"BUILDKITE_SOURCE": source}, T) for source in ("webhook", "ui", "schedule")),
    *(("buildkite", {"BUILDKITE_SOURCE": source}, U) for source in ("", "comment")),
    ("buildkite", {"BUILDKITE_SOURCE": "webhook", "BUILDKITE_BRANCH": "stranger:main"}, U),
    ("buildkite", {"BUILDKITE_SOURCE": "webhook", "BUILDKITE_PULL_REQUEST": "7"}, U),
    ("buildkite", {"BUILDKITE_SOURCE": "webhook", "BUILDKITE_BRANCH": ""}, U),
    *(("drone", {"DRONE_BUILD_EVENT": event}, T) for event in ("push", "cron", "promote")),
    *(("drone", {"DRONE_BUILD_EVENT": event}, U) for event in ("", "pull_request", "comment")),
    ("drone", {"DRONE_BUILD_EVENT": "promote", "DRONE_COMMIT_REF": "refs/pull/7/head"}, U),
    *(("woodpecker", {"CI_PIPELINE_EVENT": event}, T) for event in ("push", "cron", "manual")),
    *(("woodpecker", {"CI_PIPELINE_EVENT": event}, U) for event in ("", "pull_request_closed")),
    ("woodpecker", {"CI_PIPELINE_EVENT": "deployment", "CI_COMMIT_REF": "refs/pull/7/head"}, U),
    ("circleci", {}, T),
    ("circleci", {"CIRCLE_PR_REPONAME": "shop"}, U),
    ("circleci", {"CIRCLE_BRANCH": "pull/7/head"}, U),
    ("circleci", {"CIRCLE_BRANCH": ""}, U),
    ("bitbucket", {}, T),
    ("bitbucket", {"BITBUCKET_BRANCH": ""}, U),
    ("jenkins", {"BRANCH_NAME": "x"}, T),
    ("jenkins", {"GIT_BRANCH": "origin/x"}, T),
    ("jenkins", {"BRANCH_NAME": "PR-7"}, U),
    ("jenkins", {"BRANCH_NAME": "MR-7-head"}, U),
    ("jenkins", {"GIT_BRANCH": "origin/pr/7/merge"}, U),
    ("jenkins", {"CHANGE_ID": "7", "CHANGE_FORK": "stranger", "CHANGE_BRANCH": "main"}, U),
    ("jenkins", {"GIT_BRANCH": "detached"}, U),
    ("jenkins", {}, U),
    ("bamboo", {"bamboo_planRepository_branchName": "x"}, T),
    (
        "bamboo",
        {"bamboo_planRepository_branchName": "x", "bamboo_repository_pr_key": "7"},
        U,
    ),
    ("bamboo", {}, U),
    ("local", {}, L),
]


@pytest.mark.parametrize(("system", "env", "level"), ELSEWHERE)
def test_an_event_of_another_system(system: str, env: dict[str, str], level: Level) -> None:
    found = context({**COMMON[system], **env})
    assert found.ci == system
    assert found.trust.level is level


def test_a_hundred_events_are_in_the_tables() -> None:
    assert len(ON_GITHUB) + len(ELSEWHERE) + len(recorded.names("github")) > 200


@pytest.mark.parametrize(
    ("level", "granted"),
    [
        (Level.TRUSTED, set(Right)),
        (Level.LOCAL, set(Right) - {Right.WRITE_BY_DEFAULT, Right.PUSH_BY_DEFAULT}),
        (Level.UNTRUSTED, set()),
    ],
)
def test_what_a_level_grants(level: Level, granted: set[Right]) -> None:
    found = Trust(level=level, reason="why")
    assert {right for right in Right if not found.refuses(right)} == granted
    assert {found.refuses(right) for right in set(Right) - granted} <= {"why"}
    assert (found.is_local, found.is_untrusted) == (level is Level.LOCAL, not granted)


def test_what_nobody_vouches_for_may_do_nothing(parsed: Callable[..., Inputs]) -> None:
    assert Trust().refuses(Right.WRITE_CACHES) == "nothing shows who started this run"
    run = context({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"})
    found = planned(parsed(cache="read-write"), run)
    assert (found.push, found.cache.write) == (False, None)


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        ((trust.TRUSTED, trust.LOCAL), trust.LOCAL),
        ((trust.LOCAL, trust.FORK), trust.FORK),
        ((trust.FORK, trust.NOWHERE), trust.FORK),
        ((trust.NOWHERE, trust.FORK), trust.NOWHERE),
        ((trust.TRUSTED,), trust.TRUSTED),
    ],
)
def test_the_least_of_several(each: tuple[Trust, ...], expected: Trust) -> None:
    assert trust.least(*each) == expected


def test_whoever_names_the_branch_vouches_for_a_run_without_one() -> None:
    nowhere = context({"JENKINS_URL": "https://j", "GIT_BRANCH": "detached"})
    assert nowhere.trust == trust.NOWHERE
    assert nowhere.told(branch="x", default_branch="").trust == trust.TRUSTED
    assert nowhere.told(branch="", default_branch="main").trust == trust.NOWHERE
    for run in (
        on_github("deployment", "", REPOSITORY),
        on_github("push", PULL, REPOSITORY),
        on_github("watch", "", REPOSITORY),
    ):
        assert run.told(branch="x", default_branch="").trust == run.trust
