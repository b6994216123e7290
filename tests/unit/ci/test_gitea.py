from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.ci.events import SHA, context, detected
from warmbuild.ci.gitea import PROVIDER
from warmbuild.run_context import RunContext
from warmbuild.trust import FORK, TRUSTED, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ENV: Mapping[str, str] = {
    "GITHUB_ACTIONS": "true",
    "GITEA_ACTIONS": "true",
    "GITHUB_EVENT_PATH": "/event.json",
    "GITHUB_ACTOR": "mira",
    "GITHUB_REPOSITORY": "harbour/shop",
    "GITHUB_SERVER_URL": "https://git.harbour.example",
    "GITHUB_SHA": SHA,
}


def run(payload: object, **env: str) -> RunContext:
    files = {"/event.json": json.dumps(payload)}
    return context({**ENV, **{f"GITHUB_{key}": value for key, value in env.items()}}, files.get)


def test_a_merge_into_the_default_branch() -> None:
    message = "Merge pull request 'Sell \"socks\"' (#42) from feature/socks into main\n"
    payload = {
        "repository": {"default_branch": "main"},
        "head_commit": {"message": message},
    }
    assert run(payload, EVENT_NAME="push", REF="refs/heads/main") == RunContext(
        ci="gitea",
        event="push",
        branch="main",
        default_branch="main",
        merged="feature/socks",
        trust=TRUSTED,
        commit=SHA,
        server="git.harbour.example",
        git_context=f"https://git.harbour.example/harbour/shop.git#{SHA}",
        provenance="mode=min,inline-only=true",
    )


@pytest.mark.parametrize(
    ("head", "trust"), [("harbour/shop", TRUSTED), ("stranger/shop", FORK)], ids=["own", "fork"]
)
def test_a_pull_request(head: str, trust: Trust) -> None:
    payload = {
        "repository": {"full_name": "harbour/shop", "default_branch": "main"},
        "pull_request": {
            "number": 42,
            "head": {"ref": "feature/socks", "repo": {"full_name": head}},
            "base": {"ref": "develop"},
        },
    }
    found = run(payload, EVENT_NAME="pull_request", REF="refs/pull/42/head")
    assert (found.ci, found.branch, found.target_branch) == (
        "gitea",
        "feature/socks",
        "develop",
    )
    assert (found.pull_request, found.trust) == (42, trust)


def test_a_jobs_token_is_no_login_for_the_servers_registry() -> None:
    assert PROVIDER.known_inputs(ENV, {"github-token": "t"}) == {}


def test_outputs_and_commands_are_githubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "output"
    output.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    PROVIDER.publish({"GITHUB_OUTPUT": str(output)}, {"digest": "sha256:1"})
    assert "sha256:1" in output.read_text()
    assert PROVIDER.mask
    PROVIDER.mask("hidden")
    assert capsys.readouterr().out == "::add-mask::hidden\n"
    assert PROVIDER.pipeline_file({}) == ""


@pytest.mark.parametrize("mark", ["GITEA_ACTIONS", "FORGEJO_ACTIONS"])
def test_it_is_told_from_all_others(mark: str) -> None:
    assert detected({"GITHUB_ACTIONS": "true", mark: "true"}) == ["gitea", "github"]
