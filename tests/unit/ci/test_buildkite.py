from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    DEFAULT,
    DEVELOP,
    FORK,
    HATS_IN_DEVELOP,
    IMAGE,
    IN_DEVELOP,
    MAIN,
    MODES,
    OF_A_FORK,
    OWN,
    QUEUE,
    QUEUED,
    QUEUES_BRANCH,
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
from warmbuild.ci.buildkite import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("buildkite")
COMMON = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": SHA,
    "BUILDKITE_REPO": "git@github.com:harbour/shop.git",
    "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_SOURCE": "webhook",
}
EVENTS = [
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
        [(MAIN, OWN)],
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
        {**HATS_IN_DEVELOP, "untrusted": UNKNOWN},
        [(DEVELOP, TARGET), (MAIN, DEFAULT)],
        "",
        UNKNOWN,
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
    check_run(run, "buildkite", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_the_event_is_called_as_the_system_calls_it() -> None:
    assert context(COMMON).event == "webhook"


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["buildkite"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == ".buildkite/pipeline.yml"


def test_the_log_has_groups(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("plan")
    PROVIDER.warning("careful", "Dockerfile", 3)
    PROVIDER.fail("gone", "", 0)
    PROVIDER.close_group("plan")
    PROVIDER.open_result()
    assert capsys.readouterr().out.splitlines() == [
        "--- plan",
        "warning: Dockerfile:3: careful",
        "^^^ +++",
        "error: gone",
        "+++ warmbuild: result",
    ]
