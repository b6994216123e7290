from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    FORK,
    GUESSED,
    IMAGE,
    LINES,
    MAIN,
    MODES,
    NOWHERE,
    OF_A_FORK,
    OUTPUTS,
    OWN,
    QUEUE,
    QUEUED,
    QUEUES_BRANCH,
    SHA,
    SOCKS,
    TARGET,
    USUAL,
    check_caches,
    check_run,
    check_trust,
    context,
    detected,
)
from warmbuild.ci.circleci import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

COMMON = {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": SHA}
PULLS = "https://github.com/harbour/shop/pull"
EVENTS = [
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
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a push to main",
    ),
    pytest.param({"CIRCLE_TAG": "v1.2.3"}, {"tag": "v1.2.3"}, [], "", A_TAG, id="a pushed tag"),
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
    pytest.param(
        {}, {"untrusted": NOWHERE}, GUESSED, "", NOWHERE, id="a pipeline without a branch"
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
    check_run(run, "circleci", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_the_event_is_called_as_the_system_calls_it() -> None:
    assert context(COMMON).event == ""


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["circleci"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == ".circleci/config.yml"


def test_later_steps_get_exports(tmp_path: Path) -> None:
    script = tmp_path / "bash_env"
    script.write_text("export OTHER=1\n")
    PROVIDER.publish({"BASH_ENV": str(script)}, OUTPUTS)
    expected = ["export OTHER=1", *(f"export {line}" for line in LINES)]
    assert script.read_text().splitlines() == expected
    PROVIDER.publish({}, OUTPUTS)
    assert PROVIDER.output_files({}) == ()
