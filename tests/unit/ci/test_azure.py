from __future__ import annotations

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
    unknown,
)
from warmbuild.ci.azure import PROVIDER
from warmbuild.ci.provider import LossError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.ci.events import Fields, Refs
    from warmbuild.inputs.values import Inputs

UNKNOWN = unknown("azure")
COMMON = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": SHA, "BUILD_REPOSITORY_NAME": "harbour/shop"}
EVENTS = [
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": "refs/heads/feature/socks"},
        {"branch": "feature/socks"},
        [(SOCKS, OWN), *GUESSED],
        SOCKS,
        "",
        id="a push to a branch",
    ),
    pytest.param(
        {
            "BUILD_REASON": "BatchedCI",
            "BUILD_SOURCEBRANCH": "refs/heads/main",
            "BUILD_SOURCEVERSIONMESSAGE": "Merge pull request #42 from harbour/feature/socks",
        },
        {"branch": "main", "merged": "feature/socks"},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a merge into main",
    ),
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": "refs/tags/v1.2.3"},
        {"tag": "v1.2.3"},
        [],
        "",
        A_TAG,
        id="a pushed tag",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "BUILD_SOURCEBRANCH": "refs/pull/42/merge",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "42",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature/socks",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/develop",
            "SYSTEM_PULLREQUEST_ISFORK": "False",
        },
        IN_DEVELOP,
        [(SOCKS, OWN), (DEVELOP, TARGET), *GUESSED],
        SOCKS,
        "",
        id="a pull request in Azure Repos",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "BUILD_SOURCEBRANCH": "refs/pull/43/merge",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "1873120993",
            "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "43",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "feature/hats",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "develop",
            "SYSTEM_PULLREQUEST_ISFORK": "True",
        },
        {**HATS_IN_DEVELOP, **OF_A_FORK},
        [(DEVELOP, TARGET), *GUESSED],
        "",
        FORK,
        id="a fork's pull request on GitHub",
    ),
    pytest.param(
        {
            "BUILD_REASON": "PullRequest",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "42",
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "main",
            "SYSTEM_PULLREQUEST_TARGETBRANCH": "main",
        },
        {
            "branch": "main",
            "target_branch": "main",
            "pull_request": 42,
            "untrusted": UNKNOWN,
        },
        [(MAIN, TARGET), ("cache-master", USUAL)],
        "",
        UNKNOWN,
        id="a pull request whose variables are not all passed on",
    ),
    pytest.param(
        {"BUILD_REASON": "Manual", "BUILD_SOURCEBRANCH": "refs/pull/43/merge"},
        {"pull_request": 43, "untrusted": UNKNOWN},
        GUESSED,
        "",
        UNKNOWN,
        id="a pull request that somebody builds by hand",
    ),
    pytest.param(
        {"BUILD_REASON": "Schedule", "BUILD_SOURCEBRANCH": "refs/heads/main"},
        {"branch": "main"},
        [(MAIN, OWN)],
        MAIN,
        "",
        id="a schedule",
    ),
    pytest.param(
        {"BUILD_REASON": "IndividualCI", "BUILD_SOURCEBRANCH": f"refs/heads/{QUEUES_BRANCH}"},
        QUEUED,
        [(MAIN, TARGET), ("cache-master", USUAL)],
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
    check_run(run, "azure", expected)
    check_caches(parsed(image=IMAGE), run, reads, writes, why_not)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env", [row.values[0] for row in EVENTS])
def test_untrusted_code_writes_no_cache_and_pushes_no_image(
    parsed: Callable[..., Inputs], env: Mapping[str, str], mode: str
) -> None:
    check_trust(parsed, context({**COMMON, **env}), mode)


def test_the_event_is_called_as_the_system_calls_it() -> None:
    assert context({**COMMON, "BUILD_REASON": "Schedule"}).event == "Schedule"


def test_it_is_told_from_all_others() -> None:
    assert detected(COMMON) == ["azure"]


def test_the_file_that_describes_a_run() -> None:
    assert PROVIDER.pipeline_file({}) == "azure-pipelines.yml"


def test_later_steps_get_output_variables(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.publish({}, OUTPUTS)
    command = "##vso[task.setvariable variable=WARMBUILD_"
    assert capsys.readouterr().out.splitlines() == [
        f"{command}DIGEST;isOutput=true]sha256:1",
        f"{command}TAGS;isOutput=true]r.example/shop:main,r.example/shop:latest",
        f"{command}CACHE_WRITTEN;isOutput=true]",
        f"{command}CACHE_WRITE_ERROR;isOutput=true]it's $HOME; 5%AZP25 \\n",
    ]
    assert PROVIDER.output_files({}) == ()


@pytest.mark.parametrize(
    ("sources", "is_shown"),
    [
        pytest.param("{here}", True, id="the sources are mounted where they are"),
        pytest.param("{here}/..", False, id="a path that the agent may not mean"),
        pytest.param("/agent/_work/1/s", False, id="the sources are mounted elsewhere"),
        pytest.param("", False, id="the container is not told"),
    ],
)
def test_the_agent_is_given_a_summary_that_it_finds(
    sources: str,
    is_shown: bool,  # noqa: FBT001 (a row of the table)
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"SYSTEM_DEFAULTWORKINGDIRECTORY": sources.format(here=tmp_path)}
    assert PROVIDER.summarize(env, "# It is built\n") is is_shown
    path = tmp_path / "warmbuild-summary.md"
    assert path.exists() is is_shown
    assert PROVIDER.output_files(env) == ((path,) if is_shown else ())
    said = f"##vso[task.uploadsummary]{path}\n" if is_shown else ""
    assert capsys.readouterr().out == said


def test_a_summary_that_cannot_be_written_is_not_given_to_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warmbuild-summary.md").mkdir()
    with pytest.raises(LossError, match="it is not a regular file"):
        PROVIDER.summarize({"SYSTEM_DEFAULTWORKINGDIRECTORY": str(tmp_path)}, "x")
    assert capsys.readouterr().out == ""


def test_it_annotates_folds_and_masks(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("plan")
    PROVIDER.warning("50%\nless", "", 0)
    PROVIDER.warning("late", "a;b].txt", 3)
    PROVIDER.fail("gone", "", 0)
    assert PROVIDER.mask
    PROVIDER.mask("one%")
    PROVIDER.close_group("plan")
    assert capsys.readouterr().out.splitlines() == [
        "##[group]plan",
        "##vso[task.logissue type=warning;]50%AZP25%0Aless",
        "##vso[task.logissue type=warning;sourcepath=a%3Bb%5D.txt;linenumber=3;]late",
        "##vso[task.logissue type=error;]gone",
        "##vso[task.setsecret]one%AZP25",
        "##[endgroup]",
    ]
