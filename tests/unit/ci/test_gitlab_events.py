"""Every pipeline as GitLab starts it: where the run stands, what it reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    DEFAULT,
    FORK,
    IN_DEVELOP,
    MAIN,
    MODES,
    OWN,
    SOCKS,
    TARGET,
    check_caches,
    decide,
    run_of,
)
from tests.unit.ci.recorded import (
    DEFAULT_ALONE,
    HATS,
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

WORKLOAD = "somebody without write access may cause the event duo_workflow"
TRAIN = "a merge train's commit belongs to no branch yet"

EVENTS = [
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
        ON_MAIN,
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
    pytest.param("push-tag", {"tag": "v1.2.3"}, DEFAULT_ALONE, "", A_TAG, id="a tag"),
    pytest.param(
        "push-in-fork",
        {"branch": "feature/hats"},
        [("cache-feature-hats-084722c4e4bb3f17f85a", OWN), (MAIN, DEFAULT)],
        "cache-feature-hats-084722c4e4bb3f17f85a",
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
        "",
        INTO_OTHERS,
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
        [("cache-feature-hats-084722c4e4bb3f17f85a", OWN), *INTO_DEVELOP],
        "cache-feature-hats-084722c4e4bb3f17f85a",
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
        A_TAG,
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
    pytest.param(
        "workload",
        {"untrusted": WORKLOAD},
        DEFAULT_ALONE,
        "",
        WORKLOAD,
        id="a ref that is no branch",
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
    env = variables(f"gitlab/{file}")
    known: Fields = {
        "ci": "gitlab",
        "event": env["CI_PIPELINE_SOURCE"],
        "commit": env["CI_COMMIT_SHA"],
        "default_branch": "main",
        "registry": env.get("CI_REGISTRY", ""),
    }
    found = context(f"gitlab/{file}")
    assert found == run_of({**known, **expected})
    check_caches(parsed(), found, reads, writes, why_not)


def test_every_file_is_in_the_table() -> None:
    assert sorted(str(row.values[0]) for row in EVENTS) == names("gitlab")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file", names("gitlab"))
def test_untrusted_code_writes_no_cache_whatever_is_asked_for(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    check_trust(parsed, context(f"gitlab/{file}"), mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("file", ["merge-request-fork-main-in-parent"])
def test_main_of_a_fork_never_writes_the_cache_of_main(
    parsed: Callable[..., Inputs], file: str, mode: str
) -> None:
    run = context(f"gitlab/{file}")
    assert (run.branch, run.default_branch) == ("main", "main")
    assert decide(parsed(cache=mode), run).write is None
