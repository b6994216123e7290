from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    DEFAULT,
    DEVELOP,
    IMAGE,
    IN_DEVELOP,
    MAIN,
    MODES,
    OWN,
    SHA,
    SOCKS,
    TARGET,
    check_caches,
    check_run,
    check_trust,
    context,
    detected,
    unknown,
)
from warmbuild.ci.woodpecker import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("woodpecker")
COMMON = {
    "CI": "woodpecker",
    "CI_COMMIT_SHA": SHA,
    "CI_REPO_DEFAULT_BRANCH": "main",
    "CI_REPO_OWNER": "harbour",
}
EVENTS = [
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
        [(MAIN, OWN)],
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
        {**IN_DEVELOP, "untrusted": UNKNOWN},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        UNKNOWN,
        id="a pull request, which may be a fork's",
    ),
    pytest.param(
        {
            "CI_PIPELINE_EVENT": "deployment",
            "CI_COMMIT_BRANCH": "develop",
            "CI_COMMIT_REF": "refs/pull/42/head",
        },
        {"pull_request": 42, "untrusted": UNKNOWN},
        [(MAIN, DEFAULT)],
        "",
        UNKNOWN,
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


@pytest.mark.parametrize(("env", "expected", "reads", "writes", "why_not"), EVENTS)
def test_an_event(
    parsed: Callable[..., Inputs],
    env: Mapping[str, str],
    expected: Fields,
    reads: Refs,
    writes: str,
    why_not: str,
) -> None:
    run = context({**COMMON, **env})
    check_run(run, "woodpecker", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_the_event_is_called_as_the_system_calls_it() -> None:
    assert context({**COMMON, "CI_PIPELINE_EVENT": "cron"}).event == "cron"


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["woodpecker"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == ".woodpecker.yaml"
