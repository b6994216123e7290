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
from warmbuild.ci.drone import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("drone")
COMMON = {
    "CI": "true",
    "DRONE": "true",
    "DRONE_COMMIT_SHA": SHA,
    "DRONE_REPO_BRANCH": "main",
    "DRONE_REPO_OWNER": "harbour",
}
EVENTS = [
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
        {**IN_DEVELOP, "untrusted": UNKNOWN},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        UNKNOWN,
        id="a pull request, which may be a fork's",
    ),
    pytest.param(
        {
            "DRONE_BUILD_EVENT": "promote",
            "DRONE_BRANCH": "main",
            "DRONE_COMMIT_REF": "refs/merge-requests/42/head",
        },
        {"pull_request": 42, "untrusted": UNKNOWN},
        [(MAIN, DEFAULT)],
        "",
        UNKNOWN,
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
    check_run(run, "drone", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_the_event_is_called_as_the_system_calls_it() -> None:
    assert context({**COMMON, "DRONE_BUILD_EVENT": "promote"}).event == "promote"


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["drone"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == ".drone.yml"
