from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    DEVELOP,
    GUESSED,
    IMAGE,
    IN_DEVELOP,
    LINES,
    MODES,
    OUTPUTS,
    OWN,
    SHA,
    SOCKS,
    TARGET,
    check_caches,
    check_run,
    check_trust,
    context,
    detected,
)
from warmbuild.ci.bitbucket import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

COMMON = {"BITBUCKET_BUILD_NUMBER": "311", "BITBUCKET_COMMIT": SHA}
EVENTS = [
    pytest.param(
        {"BITBUCKET_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a push to a branch, or a custom pipeline on it",
    ),
    pytest.param({"BITBUCKET_TAG": "v1.2.3"}, {"tag": "v1.2.3"}, [], "", A_TAG, id="a pushed tag"),
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
    check_run(run, "bitbucket", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["bitbucket"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == "bitbucket-pipelines.yml"


def test_a_step_gets_variables_to_hand_on(tmp_path: Path) -> None:
    file = tmp_path / "variables"
    PROVIDER.publish({"BITBUCKET_PIPELINES_VARIABLES_PATH": str(file)}, OUTPUTS)
    assert file.read_text().splitlines() == LINES
    PROVIDER.publish({}, OUTPUTS)
    assert PROVIDER.output_files({}) == ()
