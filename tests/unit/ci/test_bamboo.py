from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    DEVELOP,
    GUESSED,
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
from warmbuild.ci.bamboo import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("bamboo")
COMMON = {"bamboo_buildKey": "SHOP-IMAGE-BUILD", "bamboo_planRepository_revision": SHA}
EVENTS = [
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
        [(MAIN, OWN)],
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
        {**IN_DEVELOP, "untrusted": UNKNOWN},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        UNKNOWN,
        id="a plan branch of a pull request, which may be a fork's",
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
    check_run(run, "bamboo", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["bamboo"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == "bamboo-specs/bamboo.yml"
