"""Every event as GitHub sends it: where the run stands, what it reads and writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.unit.ci.events import (
    A_TAG,
    DEFAULT,
    DEVELOP,
    FORK,
    IN_DEVELOP,
    MAIN,
    MODES,
    OWN,
    QUEUE,
    SOCKS,
    TARGET,
    check_caches,
    decide,
    run_of,
)
from tests.unit.ci.recorded import (
    DEFAULT_ALONE,
    HATS,
    IMAGE,
    INTO_DEVELOP,
    INTO_OTHERS,
    ON_MAIN,
    ON_SOCKS,
    RELEASE,
    SOCKS_INTO_DEVELOP,
    check_trust,
    context,
    names,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

TRUNK, TAG = "cache-trunk", "cache-v1.2.3"
BUMP = "cache-dependabot-pip-flask-3.1.2-d5eed9b1277cbab9797c"
RIGHTS = "pull_request_target may build a stranger's code with this repository's rights"
COMMENT = "anybody may comment"
NO_REF = "GitHub names no branch or tag that has the commit"
UNPROVEN = "nothing shows that the commit is on the default branch"
DEPENDABOT = "GitHub gives Dependabot read-only access, as it does a fork"

EVENTS = [
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
        DEFAULT_ALONE,
        "",
        A_TAG,
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
        [(MAIN, TARGET)],
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
        ON_MAIN,
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
        [(DEVELOP, OWN), (MAIN, DEFAULT)],
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
        "",
        INTO_OTHERS,
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
        DEFAULT_ALONE,
        "",
        A_TAG,
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
        A_TAG,
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
        "workflow_run-tag-called-main",
        {"passing": UNPROVEN},
        DEFAULT_ALONE,
        "",
        UNPROVEN,
        id="after a workflow of a pushed tag that is called main",
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
        {"passing": UNPROVEN, "fork": True, "untrusted": FORK},
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
        A_TAG,
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
        {"passing": UNPROVEN, "untrusted": COMMENT},
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
        "deployment-commit",
        {"untrusted": NO_REF},
        DEFAULT_ALONE,
        "",
        NO_REF,
        id="a deployment of a commit, which may be a fork's",
    ),
]


@pytest.mark.parametrize(("file", "expected", "reads", "writes", "why_not"), EVENTS)
def test_an_event(
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
    assert where == run_of({**known, **expected})
    check_caches(parsed(), found, reads, writes, why_not)


def test_every_file_is_in_the_table() -> None:
    assert sorted(str(row.values[0]) for row in EVENTS) == names("github")
    assert names("github", "json") == names("github")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file", names("github"))
def test_untrusted_code_writes_no_cache_whatever_is_asked_for(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    check_trust(parsed, context(f"github/{file}"), mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file", ["pull_request-fork-main", "workflow_run-fork-main"])
def test_main_of_a_fork_never_writes_the_cache_of_main(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    run = context(f"github/{file}")
    assert run.default_branch == "main"
    assert decide(parsed(cache=mode), run).write is None
    assert not {f"{IMAGE}:main", f"{IMAGE}:latest"} & {*planned(parsed(), run).tags}


@pytest.mark.parametrize("file", ["merge_group", "push-merge-queue", "workflow_run-merge-queue"])
def test_an_image_of_a_merge_queue_is_its_last_pull_requests(
    parsed: Callable[..., Inputs], file: str
) -> None:
    made = planned(parsed(), context(f"github/{file}"))
    assert made.tags == (f"{IMAGE}:pr-42",)
