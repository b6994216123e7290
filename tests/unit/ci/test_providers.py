from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest

from warmbuild import ci
from warmbuild.ci import github, gitlab, local
from warmbuild.run_context import RunContext, merged_branch

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
    return github.context(variables, "/", {"/event.json": text}.get)


@pytest.mark.parametrize("payload", ["", "[1]", "{", '{"pull_request": 3, "repository": []}'])
def test_a_payload_that_cannot_be_read_makes_a_pull_request_a_strangers(payload: str) -> None:
    found = on_github(
        "pull_request", "refs/pull/7/merge", payload, GITHUB_HEAD_REF="x", GITHUB_BASE_REF="main"
    )
    assert (found.branch, found.target_branch, found.pull_request) == ("x", "main", 7)
    assert found.untrusted


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
    assert (found.branch, found.pull_request, found.untrusted) == ("develop", None, "")


@pytest.mark.parametrize("payload", ["", "[1]", '{"workflow_run": {"pull_requests": 3}}'])
def test_a_payload_that_cannot_be_read_makes_a_workflow_run_a_strangers(payload: str) -> None:
    found = on_github("workflow_run", "refs/heads/main", payload)
    assert (found.branch, found.pull_request) == ("", None)
    assert found.untrusted


@pytest.mark.parametrize(
    ("server", "registry"),
    [
        ("https://github.com", "ghcr.io"),
        ("", "ghcr.io"),
        ("https://git.example.org", "containers.git.example.org"),
        ("https://harbour.ghe.com", "containers.harbour.ghe.com"),
    ],
)
def test_githubs_token_is_the_login_for_its_own_registry(server: str, registry: str) -> None:
    env = {"GITHUB_ACTOR": "me", "GITHUB_SERVER_URL": server}
    assert github.known_inputs(env, {"github-token": "t"}) == {
        "registry": registry,
        "username": "me",
        "password": "t",
    }


@pytest.mark.parametrize(
    ("actor", "token"), [("me", ""), ("", "t")], ids=["without a token", "without an actor"]
)
def test_half_a_login_is_none(actor: str, token: str) -> None:
    assert github.known_inputs({"GITHUB_ACTOR": actor}, {"github-token": token}) == {}


def test_gitlab_knows_its_registry() -> None:
    env = {
        "CI_REGISTRY": "r.io",
        "CI_REGISTRY_IMAGE": "r.io/group/app",
        "CI_REGISTRY_USER": "gitlab-ci-token",
        "CI_REGISTRY_PASSWORD": "t",
    }
    assert gitlab.known_inputs(env, {}) == {
        "image": "r.io/group/app",
        "registry": "r.io",
        "username": "gitlab-ci-token",
        "password": "t",
    }
    assert gitlab.known_inputs({}, {}) == {}
    assert gitlab.context(env, "/", dict[str, str]().get).registry == "r.io"


def test_gitlab_gets_a_dotenv_file(tmp_path: Path) -> None:
    env = {"CI_PROJECT_DIR": str(tmp_path)}
    gitlab.publish(env, {"cache-hit-ratio": "1.00", "metadata": '{"a":"b c"}'}, "")
    text = (tmp_path / "warmbuild.env").read_text()
    assert text == ('WARMBUILD_CACHE_HIT_RATIO=1.00\nWARMBUILD_METADATA={"a":"b\\u0020c"}\n')


def test_metadata_that_is_too_long_for_gitlab_is_left_out(tmp_path: Path) -> None:
    env = {"CI_PROJECT_DIR": str(tmp_path)}
    gitlab.publish(env, {"digest": "sha256:1", "metadata": "x" * 6000}, "")
    assert (tmp_path / "warmbuild.env").read_text() == "WARMBUILD_DIGEST=sha256:1\n"


def test_without_a_project_directory_gitlab_gets_nothing() -> None:
    gitlab.publish({}, {"digest": "sha256:1"}, "")
    assert gitlab.output_files({}) == ()


def test_gitlab_folds_sections(capsys: pytest.CaptureFixture[str]) -> None:
    gitlab.open_group("warmbuild: plan")
    gitlab.close_group()
    written = capsys.readouterr().out
    start = r"\x1b\[0Ksection_start:\d+:warmbuild\r\x1b\[0Kwarmbuild: plan\n"
    assert re.fullmatch(start + r"\x1b\[0Ksection_end:\d+:warmbuild\r\x1b\[0K\n", written)


def test_github_gets_outputs_and_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.touch()
    summary.touch()
    env = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    github.publish(env, {"digest": "sha256:1"}, "### fine")
    assert re.fullmatch(r"digest<<(\S+)\nsha256:1\n\1\n", output.read_text())
    assert summary.read_text() == "### fine\n"


def test_outside_a_runner_github_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    github.publish({}, {"digest": "sha256:1"}, "### fine")
    assert capsys.readouterr().out == ""
    assert github.output_files({}) == ()


def test_github_annotates_folds_and_masks(capsys: pytest.CaptureFixture[str]) -> None:
    github.open_group("plan")
    github.warning("50%\nless")
    github.fail("gone")
    github.mask("one\n\ntwo")
    github.close_group()
    assert capsys.readouterr().out.splitlines() == [
        "::group::plan",
        "::warning title=warmbuild,file=,line=,endLine=,col=,endColumn=::50%25%0Aless",
        "::error title=warmbuild,file=,line=,endLine=,col=,endColumn=::gone",
        "::add-mask::one",
        "::add-mask::two",
        "::endgroup::",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::set-output name=x::y", "| ::set-output name=x::y"),
        ("  ::add-mask::y", "|   ::add-mask::y"),
        ("#5 0.1 ##[add-mask]x", "#5 0.1 ## [add-mask]x"),
        ("#5 0.1 a::b", "#5 0.1 a::b"),
    ],
)
def test_no_line_of_a_build_is_a_command_to_github(text: str, expected: str) -> None:
    assert github.inert(text) == expected


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"GITHUB_ACTIONS": "true"}, "github"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"GITLAB_CI": "false"}, "gitlab"),
        ({"CI": "woodpecker", "CI_COMMIT_BRANCH": "x"}, "woodpecker"),
        ({"CI": "true"}, "local"),
        ({}, "local"),
    ],
)
def test_the_ci_system_is_detected(env: dict[str, str], name: str) -> None:
    assert name == ci.detect(env).NAME
    assert name == ci.named(name).NAME


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, {}, id="no repository"),
        pytest.param(
            {
                "/w/.git/HEAD": "ref: refs/heads/feature/x\n",
                "/w/.git/refs/heads/feature/x": f"{SHA}\n",
                "/w/.git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
            },
            {"branch": "feature/x", "commit": SHA, "default_branch": "main"},
            id="a branch",
        ),
        pytest.param(
            {
                "/w/.git/HEAD": "ref: refs/heads/main",
                "/w/.git/packed-refs": f"# pack-refs with: peeled\n{SHA} refs/heads/main\n^{SHA}\n",
            },
            {"branch": "main", "commit": SHA},
            id="packed refs",
        ),
        pytest.param({"/w/.git/HEAD": SHA}, {"commit": SHA}, id="detached"),
        pytest.param({"/w/.git/HEAD": "ref: refs/heads/.invalid"}, {}, id="a reftable repository"),
        pytest.param(
            {
                "/w/.git": "gitdir: /repo/.git/worktrees/w\n",
                "/repo/.git/worktrees/w/HEAD": "ref: refs/heads/x",
                "/repo/.git/worktrees/w/commondir": "../..\n",
                "/repo/.git/worktrees/w/../../refs/heads/x": SHA,
            },
            {"branch": "x", "commit": SHA},
            id="a linked work tree",
        ),
        pytest.param({"/w/.git/HEAD": "ref: refs/bisect/x"}, {}, id="a ref that is no branch"),
    ],
)
def test_a_local_run_reads_gits_own_files(
    files: dict[str, str], expected: dict[str, object]
) -> None:
    found = local.context({}, "/w/sub", files.get)
    assert found == RunContext(ci="local", event="local", **expected)  # type: ignore[arg-type]


def test_a_local_run_writes_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    local.open_group("plan")
    local.warning("careful")
    local.fail("gone")
    local.mask("hidden")
    local.close_group()
    local.publish({}, {"digest": "x"}, "y")
    assert capsys.readouterr().out == "== plan\nwarning: careful\nerror: gone\n"
    assert local.known_inputs({}, {}) == {}
    assert local.output_files({}) == ()
    assert local.inert("::x::") == "::x::"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Merge branch 'feature/x'", "feature/x"),
        ("Merge branch 'feature/x' into 'main'\n\nSee merge request me/app!7", "feature/x"),
        ("Merge remote-tracking branch 'origin/feature/x' into main", "feature/x"),
        ("Merge pull request #7 from me/feature/x\n\nSell socks", "feature/x"),
        ("Merge pull request #7 from stranger/main", ""),
        ("Sell socks (#7)", ""),
        ("Revert \"Merge branch 'feature/x'\"", ""),
        ("", ""),
    ],
)
def test_the_branch_that_a_commit_has_merged(message: str, expected: str) -> None:
    assert merged_branch(message, "me") == expected


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
    path, name = github.later_file(env, "b.json")
    assert (str(path), name) == expected


def test_a_file_for_later_steps_is_in_the_temporary_directory() -> None:
    path, name = gitlab.later_file({}, "b.json")
    assert path == Path(tempfile.gettempdir(), "b.json")
    assert name == str(path)


def test_gitlab_gets_no_output_of_several_lines(tmp_path: Path) -> None:
    outputs = {"cache-from": "a\nb", "cache-to": "c", "targets": '{"a":"b c"}'}
    gitlab.publish({"CI_PROJECT_DIR": str(tmp_path)}, outputs, "")
    written = (tmp_path / gitlab.DOTENV).read_text()
    assert written == 'WARMBUILD_CACHE_TO=c\nWARMBUILD_TARGETS={"a":"b\\u0020c"}\n'
