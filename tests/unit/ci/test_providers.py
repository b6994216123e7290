"""What holds for several CI systems."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from tests.unit.ci.events import LINES, OUTPUTS
from warmbuild import ci
from warmbuild.ci import github, gitlab, local, variables
from warmbuild.ci.provider import LossError
from warmbuild.finding import Finding
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from warmbuild.ci.provider import Provider

FINDING = Finding(
    rule="early-copy", severity="minor", file="Dockerfile", line=5, text="late", about="npm ci"
)


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
    assert name == ci.detect(env).name
    assert name == ci.named(name).name


def test_a_file_for_later_steps_is_in_the_temporary_directory() -> None:
    path, name = gitlab.PROVIDER.later_file({}, "b.json")
    assert path == Path(tempfile.gettempdir(), "b.json")
    assert name == str(path)


@pytest.mark.parametrize("name", ["jenkins", "bamboo", "buildkite", "woodpecker", "drone"])
def test_a_file_in_the_workspace(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warmbuild.env").write_text("OLD=1\n")
    provider = ci.named(name)
    provider.publish({}, OUTPUTS)
    assert (tmp_path / "warmbuild.env").read_text().splitlines() == LINES
    assert [path.name for path in provider.output_files({})] == ["warmbuild.env"]


def test_a_file_that_cannot_be_written_is_a_loss(tmp_path: Path) -> None:
    text = f"the outputs could not be written to {tmp_path}/gone/file: No such file or directory"
    with pytest.raises(LossError, match=re.escape(text)):
        variables.write(tmp_path / "gone" / "file", "x")


@pytest.mark.parametrize(
    "name", ["circleci", "jenkins", "bamboo", "bitbucket", "woodpecker", "drone"]
)
def test_the_others_have_a_plain_log(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    provider = ci.named(name)
    provider.open_group("plan")
    provider.warning("careful", "", 0)
    provider.fail("gone", "", 0)
    provider.close_group("plan")
    assert capsys.readouterr().out == "== plan\nwarning: careful\nerror: gone\n"
    assert provider.mask is None


class Writes(io.RawIOBase):
    """A standard output that keeps what each write to it had."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self.texts.append(bytes(data).decode())
        return len(bytes(data))


@pytest.mark.parametrize(
    "text_of",
    [
        pytest.param(
            lambda raw: io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True),
            id="line by line",
        ),
        # The image sets PYTHONUNBUFFERED.
        pytest.param(lambda raw: io.TextIOWrapper(raw, write_through=True), id="in the image"),
    ],
)
@pytest.mark.parametrize("name", sorted(ci.NAMES))
def test_a_signal_cannot_come_between_a_line_and_its_end(
    name: str, text_of: Callable[[Writes], TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Writes()
    text = text_of(stdout)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, text)
    log = Log(ci.named(name))
    with log.group("plan"):
        log.line("a first line\nand a second one")
        log.line("long" * 10_000)
        log.warning("careful")
        log.fail("gone")
    texts = "".join(stdout.texts)
    assert all(line in texts for line in ("plan", "and a second one", "long", "careful", "gone"))
    assert [text for text in stdout.texts if not text.endswith("\n")] == []


@pytest.mark.parametrize("name", sorted({*ci.NAMES} - {"github", "gitlab"}))
def test_most_systems_know_no_login(name: str) -> None:
    assert ci.named(name).known_inputs({"CI": "true"}, {"github-token": "t"}) == {}


@pytest.mark.parametrize("provider", [github.PROVIDER, local.PROVIDER])
def test_others_have_the_warnings_alone(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.publish_findings({}, [FINDING])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (
            github.PROVIDER,
            "::warning title=warmbuild,file=a,line=7,endLine=7,col=,endColumn=::careful\n",
        ),
        (gitlab.PROVIDER, "warning: a:7: careful\n"),
        (local.PROVIDER, "warning: a:7: careful\n"),
    ],
)
def test_a_warning_has_its_place(
    provider: Provider, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(provider)
    log.hide_here(["hunter2"])
    log.warning("careful", file="a", line=7)
    log.warning("it is hunter2")
    assert capsys.readouterr().out.startswith(said)
    assert log.warnings == ["a:7: careful", "it is ***"]
