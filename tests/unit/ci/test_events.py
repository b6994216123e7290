"""Every event as GitHub and GitLab send it: where the run stands, what it reads and writes.

`tests/data/github` has the payload and the variables of each event, `tests/data/gitlab` the
variables of each kind of pipeline; all names and commits in them are made up.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plans import cache_of, planned
from warmbuild import ci
from warmbuild.inputs import table
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.cache.cache_plan import CachePlan, CacheRef
    from warmbuild.inputs.values import Inputs

DATA = Path(__file__).parents[2] / "data"
GITHUB = sorted(path.stem for path in (DATA / "github").glob("*.env"))
GITLAB = sorted(path.stem for path in (DATA / "gitlab").glob("*.env"))
EVERY = [*(f"github/{file}" for file in GITHUB), *(f"gitlab/{file}" for file in GITLAB)]
MODES = next(row.choices for row in table.TABLE if row.name == "cache")

IMAGE = "ghcr.io/me/app"
MAIN, TRUNK, DEVELOP, TAG = "cache-main", "cache-trunk", "cache-develop", "cache-v1.2.3"
SOCKS = "cache-feature-socks-834e745c"
RELEASE = "cache-release-1.x-81caa6e9"
BUMP = "cache-dependabot-pip-flask-3.1.2-d5eed9b1"

OWN = "this branch's own cache"
TARGET = "the branch that this one goes into"
TAGGED = "the branch that the tag is on"
MERGED = "the branch that was merged"
DEFAULT = "the default branch"

FORK = "the code comes from a fork"
RIGHTS = "pull_request_target may build a stranger's code with this repository's rights"
COMMENT = "anybody may comment"
DEPENDABOT = "GitHub lets dependabot only read, as it does a fork"
QUEUE = "a merge queue's commit belongs to no branch yet"
TRAIN = "a merge train's commit belongs to no branch yet"
NO_CACHE_OF_A_TAG = "a tag has no cache of its own; its branch has"
NO_BRANCH = "this run belongs to no branch"

# What the rows below have in common.
ON_SOCKS = [(SOCKS, OWN), (MAIN, DEFAULT)]
ON_MAIN = [(MAIN, OWN)]
SOCKS_INTO_DEVELOP = [(SOCKS, OWN), (DEVELOP, TARGET), (MAIN, DEFAULT)]
INTO_DEVELOP = [(DEVELOP, TARGET), (MAIN, DEFAULT)]
DEFAULT_ALONE = [(MAIN, DEFAULT)]

Fields = dict[str, object]
Refs = list[tuple[str, str]]

IN_DEVELOP: Fields = {"branch": "feature/socks", "target_branch": "develop", "pull_request": 42}
HATS: Fields = {
    "branch": "feature/hats",
    "target_branch": "develop",
    "pull_request": 43,
    "fork": True,
    "untrusted": FORK,
}


def variables(file: str) -> dict[str, str]:
    lines = (DATA / f"{file}.env").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def context(file: str) -> RunContext:
    """Return what the CI system that sent this file knows of the run."""
    env = variables(file)
    payload = DATA / f"{file}.json"
    files = {env["GITHUB_EVENT_PATH"]: payload.read_text()} if payload.exists() else {}
    return ci.detect(env).context(env, "/", files.get)


def decide(given: Inputs, run: RunContext) -> CachePlan:
    return cache_of(given, run)


def tag(item: CacheRef) -> str:
    return str(item.ref).removeprefix(f"{IMAGE}:")


def check(given: Inputs, run: RunContext, reads: Refs, writes: str, why_not: str) -> None:
    found = decide(given, run)
    assert [(tag(item), item.reason) for item in found.read] == reads
    assert (tag(found.write) if found.write else "") == writes
    assert found.write is None or found.write.reason == OWN
    assert [note for note in found.notes if note.startswith("no cache is written")] == (
        [f"no cache is written: {why_not}"] if why_not else []
    )


ON_GITHUB = [
    pytest.param("push", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="a push to a branch"),
    pytest.param(
        "push-default-branch",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a push to the default branch",
    ),
    pytest.param(
        "push-new-branch",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="the first push of a branch falls back to the default one",
    ),
    pytest.param(
        "push-tag",
        {"tag": "v1.2.3", "tagged": "main"},
        [(MAIN, TAGGED)],
        "",
        NO_CACHE_OF_A_TAG,
        id="a push of a tag",
    ),
    pytest.param(
        "push-deleted-branch",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a push that deletes a branch builds the default one",
    ),
    pytest.param(
        "push-merge-queue",
        {
            "target_branch": "main",
            "merged": "feature/socks",
            "pull_request": 42,
            "passing": QUEUE,
        },
        [(SOCKS, MERGED), (MAIN, TARGET)],
        "",
        QUEUE,
        id="the push of a merge queue's own branch",
    ),
    pytest.param(
        "push-in-fork",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="a push in a fork, which is at home there",
    ),
    pytest.param("create", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="a new branch"),
    pytest.param(
        "push-dependabot",
        {"branch": "dependabot/pip/flask-3.1.2", "untrusted": DEPENDABOT},
        DEFAULT_ALONE,
        "",
        DEPENDABOT,
        id="dependabot pushes a branch of its own",
    ),
    pytest.param(
        "push-dependabot-merged",
        {"branch": "main", "merged": "dependabot/pip/flask-3.1.2"},
        [(MAIN, OWN), (BUMP, MERGED)],
        MAIN,
        "",
        id="dependabot merges into the default branch",
    ),
    pytest.param(
        "push-member-on-dependabot-branch",
        {"branch": "dependabot/pip/flask-3.1.2"},
        [(BUMP, OWN), (MAIN, DEFAULT)],
        BUMP,
        "",
        id="a member pushes to dependabot's branch",
    ),
    pytest.param(
        "pull_request",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a pull request of the same repository",
    ),
    pytest.param(
        "pull_request-enterprise-server",
        {**IN_DEVELOP, "server": "git.harbour-goods.example"},
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a pull request on an Enterprise Server",
    ),
    pytest.param(
        "pull_request-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a pull request of a fork",
    ),
    pytest.param(
        "pull_request-fork-main",
        {**HATS, "branch": "main", "target_branch": "main", "pull_request": 45},
        [(MAIN, TARGET)],
        "",
        FORK,
        id="a pull request of a fork's own main",
    ),
    pytest.param(
        "pull_request-deleted-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a pull request of a fork that is gone",
    ),
    pytest.param(
        "pull_request-dependabot",
        {
            "branch": "dependabot/pip/flask-3.1.2",
            "target_branch": "main",
            "pull_request": 44,
            "untrusted": DEPENDABOT,
        },
        [(MAIN, TARGET)],
        "",
        DEPENDABOT,
        id="dependabot's pull request",
    ),
    pytest.param(
        "pull_request-dependabot-rerun",
        {
            "branch": "dependabot/pip/flask-3.1.2",
            "target_branch": "main",
            "pull_request": 44,
            "untrusted": DEPENDABOT,
        },
        [(MAIN, TARGET)],
        "",
        DEPENDABOT,
        id="dependabot's pull request that a member runs again",
    ),
    pytest.param(
        "pull_request-member-on-dependabot-branch",
        {
            "branch": "dependabot/pip/flask-3.1.2",
            "target_branch": "main",
            "pull_request": 44,
        },
        [(BUMP, OWN), (MAIN, TARGET)],
        BUMP,
        "",
        id="dependabot's pull request after a member's push",
    ),
    pytest.param(
        "pull_request-merged",
        {"branch": "develop", "merged": "feature/socks"},
        [(DEVELOP, OWN), (SOCKS, MERGED), (MAIN, DEFAULT)],
        DEVELOP,
        "",
        id="a pull request that was merged is a build of its target",
    ),
    pytest.param(
        "pull_request-merged-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a fork's pull request that was merged still has a fork's rights",
    ),
    pytest.param(
        "pull_request-closed",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a pull request that was closed and not merged",
    ),
    pytest.param(
        "pull_request-main-into-release",
        {"branch": "main", "target_branch": "release/1.x", "pull_request": 46},
        [(MAIN, OWN), (RELEASE, TARGET)],
        MAIN,
        "",
        id="a pull request from main into a release branch of the same repository",
    ),
    pytest.param(
        "pull_request_target",
        {**IN_DEVELOP, "untrusted": RIGHTS},
        INTO_DEVELOP,
        "",
        RIGHTS,
        id="pull_request_target of the same repository",
    ),
    pytest.param(
        "pull_request_target-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="pull_request_target of a fork",
    ),
    pytest.param(
        "pull_request_target-enterprise-server",
        {**HATS, "server": "git.harbour-goods.example"},
        INTO_DEVELOP,
        "",
        FORK,
        id="pull_request_target on an older server, whose GITHUB_REF is the target",
    ),
    pytest.param(
        "pull_request_review",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a review",
    ),
    pytest.param(
        "pull_request_review-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a review of a fork's pull request",
    ),
    pytest.param(
        "pull_request_review_comment",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a comment on a line of a pull request",
    ),
    pytest.param(
        "merge_group",
        {"target_branch": "develop", "pull_request": 42, "passing": QUEUE},
        INTO_DEVELOP,
        "",
        QUEUE,
        id="a merge queue",
    ),
    pytest.param(
        "merge_group-branch-with-slash",
        {"target_branch": "release/1.x", "pull_request": 42, "passing": QUEUE},
        [(RELEASE, TARGET), (MAIN, DEFAULT)],
        "",
        QUEUE,
        id="a merge queue of a branch with a slash",
    ),
    pytest.param(
        "release",
        {"tag": "v1.2.3", "tagged": "release/1.x"},
        [(RELEASE, TAGGED), (MAIN, DEFAULT)],
        "",
        NO_CACHE_OF_A_TAG,
        id="a release",
    ),
    pytest.param("schedule", {"branch": "main"}, ON_MAIN, MAIN, "", id="a schedule"),
    pytest.param(
        "schedule-bare",
        {"branch": "trunk", "default_branch": "trunk", "server": "git.harbour-goods.example"},
        [(TRUNK, OWN)],
        TRUNK,
        "",
        id="a schedule on an older server, which sends no repository",
    ),
    pytest.param(
        "schedule-in-fork", {"branch": "main"}, ON_MAIN, MAIN, "", id="a schedule in a fork"
    ),
    pytest.param(
        "workflow_dispatch",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="a manual run on a branch",
    ),
    pytest.param(
        "workflow_dispatch-tag",
        {"tag": "v1.2.3"},
        DEFAULT_ALONE,
        "",
        NO_CACHE_OF_A_TAG,
        id="a manual run on a tag",
    ),
    pytest.param(
        "repository_dispatch", {"branch": "main"}, ON_MAIN, MAIN, "", id="repository_dispatch"
    ),
    pytest.param(
        "issue_comment",
        {"branch": "main", "untrusted": COMMENT},
        DEFAULT_ALONE,
        "",
        COMMENT,
        id="a comment on an issue",
    ),
    pytest.param(
        "issue_comment-pull-request",
        {"branch": "main", "pull_request": 43, "untrusted": COMMENT},
        DEFAULT_ALONE,
        "",
        COMMENT,
        id="a member's comment on a fork's pull request",
    ),
    pytest.param(
        "issues",
        {"branch": "main", "untrusted": "anybody may open an issue"},
        DEFAULT_ALONE,
        "",
        "anybody may open an issue",
        id="an issue",
    ),
    pytest.param(
        "discussion",
        {"branch": "main", "untrusted": "anybody may open a discussion"},
        DEFAULT_ALONE,
        "",
        "anybody may open a discussion",
        id="a discussion",
    ),
    pytest.param(
        "discussion_comment",
        {"branch": "main", "untrusted": COMMENT},
        DEFAULT_ALONE,
        "",
        COMMENT,
        id="a comment on a discussion",
    ),
    pytest.param(
        "workflow_run",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="after a workflow of a push to a branch with a pull request",
    ),
    pytest.param(
        "workflow_run-default-branch",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="after a workflow of main, which a fork has a pull request from",
    ),
    pytest.param(
        "workflow_run-pull-request",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="after a workflow of a pull request, whose branch a fork takes, too",
    ),
    pytest.param(
        "workflow_run-two-pull-requests",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="after a workflow of a branch with two pull requests",
    ),
    pytest.param(
        "workflow_run-fork",
        {"branch": "feature/hats", "fork": True, "untrusted": FORK},
        DEFAULT_ALONE,
        "",
        FORK,
        id="after a workflow of a fork's pull request",
    ),
    pytest.param(
        "workflow_run-fork-main",
        {"branch": "main", "fork": True, "untrusted": FORK},
        DEFAULT_ALONE,
        "",
        FORK,
        id="after a workflow of a pull request of a fork's own main",
    ),
    pytest.param(
        "workflow_run-deleted-fork",
        {"branch": "feature/hats", "fork": True, "untrusted": FORK},
        DEFAULT_ALONE,
        "",
        FORK,
        id="after a workflow of a fork that is gone",
    ),
    pytest.param(
        "workflow_run-tag",
        {"branch": "v1.2.3"},
        [(TAG, OWN), (MAIN, DEFAULT)],
        TAG,
        "",
        id="after a workflow of a pushed tag, which GitHub tells like a branch",
    ),
    pytest.param(
        "workflow_run-release",
        {"tag": "v1.2.3"},
        DEFAULT_ALONE,
        "",
        NO_CACHE_OF_A_TAG,
        id="after a workflow of a release",
    ),
    pytest.param(
        "workflow_run-merge-queue",
        {"target_branch": "main", "pull_request": 42, "passing": QUEUE},
        [(MAIN, TARGET)],
        "",
        QUEUE,
        id="after a workflow of a merge queue",
    ),
    pytest.param(
        "workflow_run-issue-comment",
        {"branch": "main", "untrusted": COMMENT},
        DEFAULT_ALONE,
        "",
        COMMENT,
        id="after a workflow of a comment",
    ),
    pytest.param(
        "workflow_run-dependabot",
        {
            "branch": "dependabot/pip/flask-3.1.2",
            "target_branch": "main",
            "pull_request": 44,
        },
        [(BUMP, OWN), (MAIN, TARGET)],
        BUMP,
        "",
        id="after a workflow of dependabot's, with this repository's rights",
    ),
    pytest.param(
        "delete-branch",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a deleted branch leaves a build of the default one",
    ),
    pytest.param(
        "delete-tag",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a deleted tag leaves a build of the default branch",
    ),
    pytest.param(
        "deployment-branch",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="a deployment of a branch",
    ),
    pytest.param(
        "deployment-commit", {}, DEFAULT_ALONE, "", NO_BRANCH, id="a deployment of a commit"
    ),
]


@pytest.mark.parametrize(("file", "expected", "reads", "writes", "why_not"), ON_GITHUB)
def test_on_github(
    parsed: Callable[..., Inputs],
    file: str,
    expected: Fields,
    reads: Refs,
    writes: str,
    why_not: str,
) -> None:
    env = variables(f"github/{file}")
    known: Fields = {
        "ci": "github",
        "event": env["GITHUB_EVENT_NAME"],
        "commit": env["GITHUB_SHA"],
        "default_branch": "main",
        "server": "github.com",
    }
    found = context(f"github/{file}")
    # What is built of it, and what an image says of it, have tables of their own.
    where = replace(found, git_context="", provenance="", builder_id="")
    assert where == RunContext(**{**known, **expected})  # type: ignore[arg-type]
    check(parsed(), found, reads, writes, why_not)


ON_GITLAB = [
    pytest.param("push", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="a push to a branch"),
    pytest.param(
        "push-new-branch",
        {"branch": "feature/socks"},
        ON_SOCKS,
        SOCKS,
        "",
        id="the first push of a branch",
    ),
    pytest.param(
        "push-merged",
        {"branch": "main", "merged": "feature/socks"},
        [(MAIN, OWN), (SOCKS, MERGED)],
        MAIN,
        "",
        id="a merge into the default branch",
    ),
    pytest.param(
        "push-default-branch",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a push to the default branch",
    ),
    pytest.param("push-tag", {"tag": "v1.2.3"}, DEFAULT_ALONE, "", NO_CACHE_OF_A_TAG, id="a tag"),
    pytest.param(
        "push-in-fork",
        {"branch": "feature/hats"},
        [("cache-feature-hats-084722c4", OWN), (MAIN, DEFAULT)],
        "cache-feature-hats-084722c4",
        "",
        id="a push in a fork, which is at home there",
    ),
    pytest.param(
        "merge-request-detached",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a merge request of the same project",
    ),
    pytest.param(
        "merge-request-merged-result",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="the merged result of a merge request",
    ),
    pytest.param(
        "merge-request-train",
        {**IN_DEVELOP, "passing": TRAIN},
        SOCKS_INTO_DEVELOP,
        "",
        TRAIN,
        id="a merge train",
    ),
    pytest.param(
        "merge-request-main-into-release",
        {"branch": "main", "target_branch": "release/1.x", "pull_request": 46},
        [(MAIN, OWN), (RELEASE, TARGET)],
        MAIN,
        "",
        id="a merge request from main into a release branch of the same project",
    ),
    pytest.param(
        "merge-request-fork-in-parent",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a fork's merge request that a member runs in the parent project",
    ),
    pytest.param(
        "merge-request-fork-main-in-parent",
        {**HATS, "branch": "main", "target_branch": "main", "pull_request": 45},
        [(MAIN, TARGET)],
        "",
        FORK,
        id="a merge request of a fork's own main",
    ),
    pytest.param(
        "merge-request-fork-train",
        {**HATS, "passing": TRAIN},
        INTO_DEVELOP,
        "",
        FORK,
        id="a fork's merge request on a merge train",
    ),
    pytest.param(
        "merge-request-deleted-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a merge request of a fork that is gone",
    ),
    pytest.param(
        "merge-request-fork-in-fork",
        {"branch": "feature/hats", "target_branch": "develop", "pull_request": 43},
        [("cache-feature-hats-084722c4", OWN), *INTO_DEVELOP],
        "cache-feature-hats-084722c4",
        "",
        id="a fork's merge request in the fork itself, which is at home there",
    ),
    pytest.param(
        "child-pipeline", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="a child pipeline"
    ),
    pytest.param(
        "child-pipeline-merge-request",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a child pipeline of a merge request",
    ),
    pytest.param(
        "child-pipeline-train",
        {**IN_DEVELOP, "passing": TRAIN},
        SOCKS_INTO_DEVELOP,
        "",
        TRAIN,
        id="a child pipeline of a merge train",
    ),
    pytest.param(
        "child-pipeline-fork",
        HATS,
        INTO_DEVELOP,
        "",
        FORK,
        id="a child pipeline of a fork's merge request is as little trusted",
    ),
    pytest.param(
        "multi-project",
        {"branch": "main"},
        ON_MAIN,
        MAIN,
        "",
        id="a pipeline that another project started",
    ),
    pytest.param("schedule", {"branch": "main"}, ON_MAIN, MAIN, "", id="a schedule"),
    pytest.param(
        "schedule-in-fork", {"branch": "main"}, ON_MAIN, MAIN, "", id="a schedule in a fork"
    ),
    pytest.param("web", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="a manual run"),
    pytest.param(
        "web-tag",
        {"tag": "v1.2.3"},
        DEFAULT_ALONE,
        "",
        NO_CACHE_OF_A_TAG,
        id="a manual run on a tag",
    ),
    pytest.param("api", {"branch": "feature/socks"}, ON_SOCKS, SOCKS, "", id="the API"),
    pytest.param("trigger", {"branch": "main"}, ON_MAIN, MAIN, "", id="a trigger token"),
    pytest.param(
        "external-pull-request",
        IN_DEVELOP,
        SOCKS_INTO_DEVELOP,
        SOCKS,
        "",
        id="a pull request of GitHub",
    ),
    pytest.param(
        "external-pull-request-fork",
        {**IN_DEVELOP, "fork": True, "untrusted": FORK},
        INTO_DEVELOP,
        "",
        FORK,
        id="a pull request of a fork on GitHub",
    ),
    pytest.param("workload", {}, DEFAULT_ALONE, "", NO_BRANCH, id="a ref that is no branch"),
]


@pytest.mark.parametrize(("file", "expected", "reads", "writes", "why_not"), ON_GITLAB)
def test_on_gitlab(
    parsed: Callable[..., Inputs],
    file: str,
    expected: Fields,
    reads: Refs,
    writes: str,
    why_not: str,
) -> None:
    env = variables(f"gitlab/{file}")
    known: Fields = {
        "ci": "gitlab",
        "event": env["CI_PIPELINE_SOURCE"],
        "commit": env["CI_COMMIT_SHA"],
        "default_branch": "main",
        "registry": env.get("CI_REGISTRY", ""),
    }
    found = context(f"gitlab/{file}")
    assert found == RunContext(**{**known, **expected})  # type: ignore[arg-type]
    check(parsed(), found, reads, writes, why_not)


def test_every_file_is_in_a_table() -> None:
    assert sorted(str(row.values[0]) for row in ON_GITHUB) == GITHUB
    assert sorted(str(row.values[0]) for row in ON_GITLAB) == GITLAB
    assert sorted(path.stem for path in (DATA / "github").glob("*.json")) == GITHUB


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file", EVERY)
def test_untrusted_code_writes_no_cache_whatever_is_asked_for(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    run = context(file)
    shared = "type=registry,ref=ghcr.io/me/app:cache-main\ntype=s3,bucket=b"
    for values in ({}, {"cache_fallback": "main"}, {"cache_to": shared}):
        for told in (run, run.told(branch="main", default_branch="main")):
            found = decide(parsed(cache=mode, **values), told)
            assert not (run.untrusted and (found.write or found.destinations))
    assert not run.fork or run.untrusted


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "file",
    [
        "github/pull_request-fork-main",
        "github/workflow_run-fork-main",
        "gitlab/merge-request-fork-main-in-parent",
    ],
)
def test_main_of_a_fork_never_writes_the_cache_of_main(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    run = context(file)
    assert (run.branch, run.default_branch) == ("main", "main")
    assert decide(parsed(cache=mode), run).write is None


@pytest.mark.parametrize("file", ["merge_group", "push-merge-queue", "workflow_run-merge-queue"])
def test_an_image_of_a_merge_queue_is_its_last_pull_requests(
    parsed: Callable[..., Inputs], file: str
) -> None:
    made = planned(parsed(), context(f"github/{file}"))
    assert made.tags == (f"{IMAGE}:pr-42",)
