from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from warmbuild.ci.github import PROVIDER
from warmbuild.ci.provider import LossError
from warmbuild.errors import EngineError
from warmbuild.trust import TRUSTED

if TYPE_CHECKING:
    from pathlib import Path

    from warmbuild.run_context import RunContext

SHA = "0123456789abcdef0123456789abcdef01234567"


def on_github(event: str, ref: str, payload: object, **env: str) -> RunContext:
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_REF": ref,
        "GITHUB_SHA": SHA,
        "GITHUB_SERVER_URL": "https://github.com",
        **env,
    }
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return PROVIDER.context(variables, "/", {"/event.json": text}.get)


@pytest.mark.parametrize("payload", ["", "[1]", "{", '{"pull_request": 3, "repository": []}'])
def test_a_payload_that_cannot_be_read_makes_a_pull_request_a_strangers(payload: str) -> None:
    found = on_github(
        "pull_request", "refs/pull/7/merge", payload, GITHUB_HEAD_REF="x", GITHUB_BASE_REF="main"
    )
    assert (found.branch, found.target_branch, found.pull_request) == ("x", "main", 7)
    assert found.trust.is_untrusted


def test_a_pull_request_without_a_number_has_none() -> None:
    assert on_github("pull_request", "refs/heads/x", {}).pull_request is None


def test_a_push_that_deletes_its_branch_is_a_build_of_the_default_one() -> None:
    payload = {"deleted": True, "repository": {"default_branch": "main"}}
    assert on_github("push", "refs/heads/gone", payload).branch == "main"
    assert on_github("push", "refs/tags/gone", payload).tag == ""
    assert on_github("push", "refs/heads/gone", {"deleted": True}).branch == ""


def test_a_merged_pull_request_may_have_a_short_ref() -> None:
    here = {"full_name": "me/app"}
    pull = {"number": 7, "head": {"ref": "x", "repo": here}, "base": {"ref": "develop"}}
    found = on_github("pull_request", "develop", {"repository": here, "pull_request": pull})
    assert (found.branch, found.pull_request, found.trust) == ("develop", None, TRUSTED)


@pytest.mark.parametrize("payload", ["", "[1]", '{"workflow_run": {"pull_requests": 3}}'])
def test_a_payload_that_cannot_be_read_makes_a_workflow_run_a_strangers(payload: str) -> None:
    found = on_github("workflow_run", "refs/heads/main", payload)
    assert (found.branch, found.pull_request) == ("", None)
    assert found.trust.is_untrusted


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"base_ref": "refs/heads/release/1.x"}, "release/1.x"),
        ({"base_ref": None}, ""),
        ({"release": {"target_commitish": SHA}}, ""),
    ],
)
def test_the_branch_that_a_tag_is_on(payload: object, expected: str) -> None:
    assert on_github("push", "refs/tags/v1", payload).tagged == expected


@pytest.mark.parametrize(
    ("server", "registry"),
    [
        ("https://github.com", "ghcr.io"),
        ("", "ghcr.io"),
        ("https://git.example.org", "containers.git.example.org"),
        ("https://harbour.ghe.com", "containers.harbour.ghe.com"),
    ],
)
def test_the_jobs_token_is_the_login_for_its_own_registry(server: str, registry: str) -> None:
    env = {"GITHUB_ACTOR": "me", "GITHUB_SERVER_URL": server}
    assert PROVIDER.known_inputs(env, {"github-token": "t"}) == {
        "registry": registry,
        "username": "me",
        "password": "t",
    }


@pytest.mark.parametrize(
    ("actor", "token"), [("me", ""), ("", "t")], ids=["without a token", "without an actor"]
)
def test_half_a_login_is_none(actor: str, token: str) -> None:
    assert PROVIDER.known_inputs({"GITHUB_ACTOR": actor}, {"github-token": token}) == {}


def test_the_runner_gets_outputs_and_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.touch()
    summary.touch()
    env = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    PROVIDER.publish(env, {"digest": "sha256:1"})
    PROVIDER.summarize(env, "### fine")
    assert re.fullmatch(r"digest<<(\S+)\nsha256:1\n\1\n", output.read_text())
    assert summary.read_text() == "### fine\n"


def test_the_runner_gets_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "env"
    monkeypatch.setenv("GITHUB_ENV", str(file))
    PROVIDER.export({"GITHUB_ENV": str(file)}, {"A": "1\n2", "B": ""})
    assert re.fullmatch(r"A<<(\S+)\n1\n2\n\1\nB<<(\S+)\n\n\2\n", file.read_text())
    assert "A" not in os.environ


def test_outside_a_runner_there_are_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.export({}, {"A": "1"})
    assert capsys.readouterr().out == ""


def test_outside_a_runner_there_are_no_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.publish({}, {"digest": "sha256:1"})
    assert capsys.readouterr().out == ""
    assert PROVIDER.output_files({}) == ()


def test_it_annotates_folds_and_masks(capsys: pytest.CaptureFixture[str]) -> None:
    PROVIDER.open_group("plan")
    PROVIDER.warning("50%\nless", "", 0)
    PROVIDER.fail("gone", "", 0)
    assert PROVIDER.mask
    PROVIDER.mask("one%")
    PROVIDER.close_group("plan")
    assert capsys.readouterr().out.splitlines() == [
        "::group::plan",
        "::warning title=warmbuild,file=,line=,endLine=,col=,endColumn=::50%25%0Aless",
        "::error title=warmbuild,file=,line=,endLine=,col=,endColumn=::gone",
        "::add-mask::one%25",
        "::endgroup::",
    ]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param(
            {"RUNNER_TEMP": "/home/runner/work/_temp", "HOME": "/home/runner"},
            ("/home/runner/work/_temp/b.json", "/home/runner/work/_temp/b.json"),
            id="a step of the job",
        ),
        pytest.param(
            {
                "RUNNER_TEMP": "/github/runner_temp",
                "RUNNER_WORKSPACE": "/home/runner/work/shop",
                "HOME": "/github/home",
            },
            ("/github/runner_temp/b.json", "/home/runner/work/_temp/b.json"),
            id="an action's container",
        ),
        pytest.param(
            {"RUNNER_TEMP": "/home/runner/work/_temp", "HOME": "/github/home"},
            ("/github/home/b.json", "/home/runner/work/_temp/_github_home/b.json"),
            id="that of an older runner",
        ),
    ],
)
def test_a_file_for_later_steps_has_the_name_they_know(
    env: dict[str, str], expected: tuple[str, str]
) -> None:
    path, name = PROVIDER.later_file(env, "b.json")
    assert (str(path), name) == expected


OF_RUNNER = {
    "GITHUB_REPOSITORY": "octo/shop",
    "GITHUB_WORKSPACE": "/github/workspace",
    "RUNNER_WORKSPACE": "/home/runner/work/shop",
    "RUNNER_TEMP": "/github/runner_temp",
}


def test_what_the_runner_mounts_has_the_names_of_the_job() -> None:
    assert PROVIDER.shared(OF_RUNNER) == (
        ("/home/runner/work/shop/shop", "/github/workspace"),
        ("/home/runner/work/_temp", "/github/runner_temp"),
        ("/__w/shop/shop", "/github/workspace"),
        ("/__w/_temp", "/github/runner_temp"),
    )


def test_an_older_runner_mounts_less() -> None:
    env = OF_RUNNER | {"RUNNER_TEMP": "/home/runner/work/_temp"}
    assert PROVIDER.shared(env) == (
        ("/home/runner/work/shop/shop", "/github/workspace"),
        ("/home/runner/work/_temp/_github_home", "/github/home"),
        ("/home/runner/work/_temp/_github_workflow", "/github/workflow"),
        ("/__w/shop/shop", "/github/workspace"),
        ("/__w/_temp/_github_home", "/github/home"),
        ("/__w/_temp/_github_workflow", "/github/workflow"),
    )


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"GITHUB_WORKSPACE": "/srv/shop"}, id="a step of the job"),
        pytest.param({"RUNNER_WORKSPACE": ""}, id="a runner that does not say where it is"),
    ],
)
def test_there_are_no_other_names(env: dict[str, str]) -> None:
    assert PROVIDER.shared(OF_RUNNER | env) == ()


@pytest.mark.parametrize(
    ("env", "file"),
    [
        (
            {
                "GITHUB_REPOSITORY": "me/app",
                "GITHUB_WORKFLOW_REF": "me/app/.github/workflows/ci.yml@refs/heads/main",
            },
            ".github/workflows/ci.yml",
        ),
        ({}, ""),
    ],
)
def test_the_file_that_describes_a_run(env: dict[str, str], file: str) -> None:
    assert PROVIDER.pipeline_file(env) == file


@pytest.mark.parametrize(
    ("name", "what"), [("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "summary")]
)
def test_a_file_that_is_gone_costs_the_outputs_or_the_summary(
    name: str, what: str, tmp_path: Path
) -> None:
    place = {name: str(tmp_path / "none" / "file")}
    text = f"the {what} could not be written to {name}: No such file or directory"
    if name == "GITHUB_OUTPUT":
        with pytest.raises(EngineError, match=text):
            PROVIDER.publish(place, {"digest": "sha256:1"})
        return
    with pytest.raises(LossError, match=text):
        PROVIDER.summarize(place, "### fine")


def test_a_file_that_the_runner_did_not_make_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    PROVIDER.publish({"GITHUB_OUTPUT": str(output)}, {"digest": "\udcff"})
    assert "\\udcff" in output.read_text()


def test_a_server_that_is_no_address_is_none() -> None:
    assert on_github("push", "refs/heads/x", {}, GITHUB_SERVER_URL="http://[").server == ""
