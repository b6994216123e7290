from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import (
    A_TAG,
    DEVELOP,
    FORK,
    GUESSED,
    HATS_IN_DEVELOP,
    IMAGE,
    IN_DEVELOP,
    MAIN,
    MODES,
    NOWHERE,
    OF_A_FORK,
    OUTPUTS,
    OWN,
    SHA,
    SOCKS,
    TARGET,
    USUAL,
    check_caches,
    check_run,
    check_trust,
    context,
    detected,
    unknown,
)
from warmbuild.ci.jenkins import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("jenkins")
COMMON = {"JENKINS_URL": "https://jenkins.harbour.example/", "GIT_COMMIT": SHA}
EVENTS = [
    pytest.param(
        {"BRANCH_NAME": "feature/socks", "GIT_BRANCH": "feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a branch of a multibranch pipeline",
    ),
    pytest.param(
        {"BRANCH_NAME": "trunk", "BRANCH_IS_PRIMARY": "true"},
        {"branch": "trunk", "default_branch": "trunk"},
        [("cache-trunk", OWN)],
        "cache-trunk",
        "",
        id="the default branch of a multibranch pipeline",
    ),
    pytest.param(
        {"BRANCH_NAME": "v1.2.3", "TAG_NAME": "v1.2.3"},
        {"tag": "v1.2.3"},
        [],
        "",
        A_TAG,
        id="a tag",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "PR-42",
            "CHANGE_ID": "42",
            "CHANGE_BRANCH": "feature/socks",
            "CHANGE_TARGET": "develop",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), *GUESSED],
        SOCKS,
        "",
        id="a pull request of the same repository",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "PR-43",
            "CHANGE_ID": "43",
            "CHANGE_BRANCH": "feature/hats",
            "CHANGE_TARGET": "develop",
            "CHANGE_FORK": "stranger",
        },
        {**HATS_IN_DEVELOP, **OF_A_FORK},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        FORK,
        id="a fork's pull request",
    ),
    pytest.param(
        {"BRANCH_NAME": "CR-7", "CHANGE_ID": "7", "CHANGE_TARGET": "main"},
        {"target_branch": "main", "pull_request": 7, "untrusted": UNKNOWN},
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        UNKNOWN,
        id="a pull request of a branch source that does not tell forks",
    ),
    pytest.param(
        {
            "BRANCH_NAME": "77/8877/1",
            "CHANGE_ID": "I8f21a",
            "CHANGE_BRANCH": "main",
            "CHANGE_TARGET": "main",
            "CHANGE_FORK": "stranger",
        },
        {"branch": "main", "target_branch": "main", **OF_A_FORK},
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        FORK,
        id="a change that has no number",
    ),
    pytest.param(
        {"GIT_BRANCH": "origin/feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a pipeline of one branch",
    ),
    pytest.param(
        {"GIT_BRANCH": "origin/pr/42/merge"},
        {"pull_request": 42, "untrusted": UNKNOWN},
        GUESSED,
        "",
        UNKNOWN,
        id="a pull request that the git plugin alone knows of",
    ),
    pytest.param(
        {"BRANCH_NAME": "PR-42-merge"},
        {"pull_request": 42, "untrusted": UNKNOWN},
        GUESSED,
        "",
        UNKNOWN,
        id="a pull request whose CHANGE_ID is not passed on",
    ),
    pytest.param(
        {"GIT_BRANCH": "detached"},
        {"untrusted": NOWHERE},
        GUESSED,
        "",
        NOWHERE,
        id="a detached checkout",
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
    check_run(run, "jenkins", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


@pytest.mark.parametrize("env", [COMMON, {"JENKINS_HOME": "/var/jenkins_home"}])
def test_it_is_told_from_all_others(env: Mapping[str, str]) -> None:
    assert detected(env) == ["jenkins"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == "Jenkinsfile"


@pytest.mark.processes
def test_a_shell_reads_the_file_as_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    PROVIDER.publish({}, OUTPUTS)
    done = subprocess.run(
        ["sh", "-ec", '. ./warmbuild.env; printf %s "$WARMBUILD_CACHE_WRITE_ERROR"'],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == OUTPUTS["cache-write-error"]
