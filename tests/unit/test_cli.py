from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from warmbuild import __version__, cli
from warmbuild.commands import build
from warmbuild.inputs.table import TABLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("warmbuild.signals.install", lambda: None)


def run(*argv: str, **env: str) -> int:
    return cli.main(argv, env)


PUSH = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "x"}


def test_a_plan_is_shown_and_nothing_is_contacted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--image", "ghcr.io/me/app", "--ci", "gitlab", **PUSH) == 0
    assert "cache write ghcr.io/me/app:cache-x (this branch's own cache)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--older-than=soon"], "older-than: 'soon' is not a duration; use a number and"),
        (["--image=app"], "'--image=app': is not expected here."),
        (["app"], "'app': is not expected here."),
    ],
)
def test_a_clean_up_takes_an_age_alone(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("cleanup", *argv) == 2
    assert text in capsys.readouterr().err


def test_a_plan_is_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    env = {"INPUT_IMAGE": "app", "INPUT_PASSWORD": "hunter2", "INPUT_USERNAME": "me"}
    env["INPUT_BUILD-ARGS"] = "TOKEN=hunter2"
    assert run("plan", "--format", "json", **env) == 0
    text = capsys.readouterr().out
    assert "hunter2" not in text
    assert "TOKEN=***" in json.loads(text)["argv"]


def test_flags_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--image=a", "--image", "b", "--tags=1", "--push", "--load=false") == 0
    said = capsys.readouterr().out
    assert "docker.io/library/a:1" in said
    assert "docker.io/library/b:1" in said
    assert "push        yes" in said


@pytest.mark.parametrize(
    ("argv", "env", "text"),
    [
        (
            ["plan", "--imgae", "x", "--cache=of"],
            {},
            (
                "error: 2 inputs are not usable, so nothing was started:\n"
                "  imgae: is not an input. Did you mean 'image'?\n"
                "  cache: 'of' is not accepted; use auto, read-write, read-only, write-only "
                "or off. Did you mean 'off'?\n"
            ),
        ),
        (
            ["plan", "app"],
            {},
            (
                "error: one input is not usable, so nothing was started:\n"
                "  'app': is not expected here.\n"
            ),
        ),
        (
            ["plan", "--imgae=x", "y"],
            {},
            (
                "error: one input is not usable, so nothing was started:\n"
                "  'y': is not expected here.\n"
            ),
        ),
        (
            ["build", "--password", "hunter2"],
            {},
            (
                "error: one input is not usable, so nothing was started:\n"
                "  password: is secret, and arguments are not; set INPUT_PASSWORD instead.\n"
            ),
        ),
        (
            ["bild"],
            {},
            (
                "error: one input is not usable, so nothing was started:\n"
                "  command line: argument COMMAND: invalid choice: 'bild' (choose from 'build', "
                "'plan', 'explain', 'cleanup').\n"
            ),
        ),
    ],
)
def test_a_wrong_command_line_is_a_wrong_input(
    argv: list[str], env: dict[str, str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv, **env) == 2
    assert capsys.readouterr().err == text


ON_GITLAB = {"GITLAB_CI": "true", **PUSH, "INPUT_IMAGE": "r.io/a", "INPUT_PUSHH": "hunter2"}
UNKNOWN = "pushh is not an input, so its value has no effect. Did you mean 'push'?"
REFUSED = "pushh: is not an input. Did you mean 'push'?"


def test_an_unknown_input_is_a_warning_in_ci(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", **ON_GITLAB) == 0
    said = capsys.readouterr().out
    assert said.count("pushh") == 1
    assert said.index(UNKNOWN) < said.index("cache write")
    assert "hunter2" not in said


def test_an_unknown_input_is_not_in_the_json_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--format=json", **ON_GITLAB) == 0
    said = capsys.readouterr()
    assert "pushh" not in json.dumps(json.loads(said.out))
    assert UNKNOWN in said.err


@pytest.mark.parametrize(
    ("argv", "env"),
    [
        pytest.param((), {**ON_GITLAB, "INPUT_STRICT_INPUTS": "true"}, id="strict"),
        pytest.param(("--strict-inputs",), ON_GITLAB, id="strict, by a flag"),
        pytest.param((), {"INPUT_PUSHH": "false"}, id="on a laptop"),
        pytest.param((), {"INPUT_PUSHH": "false", "INPUT_STRICT_INPUTS": "false"}, id="always"),
        pytest.param(("--pushh=false",), {"GITLAB_CI": "true", **PUSH}, id="a flag in CI"),
    ],
)
def test_an_unknown_input_is_an_error(
    argv: tuple[str, ...], env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", *argv, **env) == 2
    assert REFUSED in capsys.readouterr().err


def test_a_password_may_come_by_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    flags = ("--image=a", "--username=me", "--password-stdin", "--build-args=A=hunter2")
    assert run("plan", "--format=json", *flags) == 0
    assert "A=***" in json.loads(capsys.readouterr().out)["argv"]


def test_a_plan_tells_of_a_user_name_that_nobody_gave(capsys: pytest.CaptureFixture[str]) -> None:
    env = {"INPUT_IMAGE": "ghcr.io/me/app", "INPUT_PASSWORD": "hunter2", "INPUT_CACHE": "off"}
    env["DOCKER_CONFIG"] = "/none"
    assert run("plan", "--probe", **env) == 0
    said = capsys.readouterr().out
    assert "no username is given for ghcr.io, so 'token' is used" in said
    assert "hunter2" not in said


def test_files_that_are_not_there_stop_a_build_before_it_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = [
        "--image=a",
        "--context=nowhere",
        "--secret-files=A=/none",
        "--secret-envs=B=NONE",
        "--buildkitd-config=/none.toml",
        "--output-file=none/out.json",
    ]
    assert run("build", *flags) == 2
    assert capsys.readouterr().err == (
        "error: 5 inputs are not usable, so nothing was started:\n"
        "  buildkitd-config: there is no file '/none.toml'.\n"
        "  secret-files: there is no file '/none'.\n"
        "  secret-envs: the environment variable 'NONE' is not set.\n"
        "  context: there is no directory 'nowhere' here.\n"
        f"  output-file: there is no directory '{tmp_path / 'none'}'.\n"
    )


@pytest.mark.parametrize(
    ("flags", "name"),
    [((), "Dockerfile"), (("--file=other/Containerfile",), "other/Containerfile")],
)
def test_a_dockerfile_that_is_not_there_stops_a_build_before_it_starts(
    flags: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", "--image=a", *flags) == 2
    assert capsys.readouterr().err.endswith(f"\n  file: there is no file {name!r}.\n")


def test_a_machine_without_buildx(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").touch()
    assert run("build", "--image=a", PATH=str(tmp_path), HOME=str(tmp_path)) == 3
    assert capsys.readouterr().err.startswith("error: buildx is not installed. Install it")


def test_a_bug_is_reported_with_what_a_report_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(build, "build", broken)
    env = {"INPUT_IMAGE": "a", "INPUT_SECRETS": "A=hunter2"}
    assert run("build", **env) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: ***" in said
    assert f"this is a bug in warmbuild {__version__} (Python 3." in said


def test_help_names_every_input_that_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("build", "--help")
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert [row.name for row in TABLE if f"--{row.name} " in said] == [
        row.name for row in TABLE if not row.secret
    ]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--version")
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_run_can_be_told_its_branches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--image=r.io/a", "--branch=trunk", "--default-branch=trunk") == 0
    said = capsys.readouterr().out
    assert "cache read  r.io/a:cache-trunk (this branch's own cache)" in said
    assert "image       r.io/a:latest" in said


def test_a_plan_may_be_made_where_its_files_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--image=127.0.0.1:1/a", "--buildkitd-config=/none.toml", "--context=nowhere")
    assert run("plan", *flags) == 0
    assert "the registry" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "env"),
    [
        pytest.param(["plan", "--log-format=json", "--imgae=x"], {}, id="a flag"),
        pytest.param(["plan", "--imgae=x", "--log-format", "json"], {}, id="a flag at the end"),
        pytest.param(["bild", "--log-format=json"], {}, id="no such command"),
        pytest.param(["plan", "--log-format=json", "--ci=x"], {}, id="no such CI system"),
        pytest.param(["cleanup", "--older-than=soon"], {"INPUT_LOG_FORMAT": "json"}, id="cleanup"),
        pytest.param(["plan", "--imgae=x"], {"INPUT_LOG-FORMAT": " json "}, id="GitHub's variable"),
        pytest.param(
            ["plan", "--log-format=json", "--quiet=perhaps"], {"INPUT_IMAGE": "x"}, id="another"
        ),
    ],
)
def test_what_is_wrong_with_inputs_is_json_if_the_log_is(
    argv: list[str], env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*argv, **env) == 2
    said = capsys.readouterr()
    record = json.loads(said.err)
    assert record["level"] == "error"
    assert record["text"].startswith("one input is not usable, so nothing was started:\n  ")
    assert said.out == ""


@pytest.mark.parametrize("form", ["jsno", "json\ntext", ""])
def test_a_log_whose_form_is_wrong_is_text(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--imgae=x", INPUT_LOG_FORMAT=form) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_bug_is_one_object_in_a_log_of_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "build", lambda _run: [][len("x")])
    assert run("build", "--image=x", "--log-format=json", "--quiet") == 1
    record = json.loads(capsys.readouterr().err)
    assert record["text"].startswith("this is a bug in warmbuild")
    assert record["trace"].endswith("IndexError: list index out of range")


# What makes a plan warn of something: a lint's finding, an unknown input, and output variables.
WARNS = {"TF_BUILD": "True", "INPUT_UNKNOWN": "x", "INPUT_OUTPUT_FILE": "outputs.json"}


@pytest.mark.parametrize("command", ["plan", "explain"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_document_is_alone_on_standard_output(
    command: str, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nCOPY . .\nRUN apk add curl\n")
    (tmp_path / ".git").mkdir()
    env = {**WARNS, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": ""}
    flags = ("--image=localhost:1/x", "--cache=off", f"--log-format={form}")
    assert run(command, "--format=json", *flags, **env) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["findings"] if command == "plan" else document
    assert "unknown is not an input" in said.err
    if form == "json":
        assert said.out.count("\n") == 1
        # But for the variables, without which Azure has no outputs.
        lines = [line for line in said.err.splitlines() if not line.startswith("##vso[task.setv")]
        assert {json.loads(line)["level"] for line in lines} == {"warning"}


def test_a_quiet_plan_is_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "--image=x", "--quiet") == 0
    assert "image       docker.io/library/x:latest" in capsys.readouterr().out
