"""What others write becomes a command of the CI system: none of it does."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from tests.golden import machine
from tests.golden.made_up import STEP, lines, vertex
from warmbuild import ci
from warmbuild.build import timeline
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Call
from warmbuild.buildkit.progress import Failure, Progress, Step
from warmbuild.ci import circleci, gitlab, variables
from warmbuild.finding import Finding
from warmbuild.log import Log
from warmbuild.phases import Phase, Span
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.miss import Miss
from warmbuild.report import gantt, markdown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Warmbuild
    from warmbuild.ci.provider import Provider

ALL: Final = pytest.mark.parametrize("provider", ci.PROVIDERS, ids=ci.NAMES)
# What a runner, an agent or a terminal takes for the end of a line.
_LINE_ENDS: Final = ("\r", "\n", "\r\n", *"\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_COMMANDS: Final = (
    *("::error::x", "::add-mask::x", "::set-output name=digest::x", "::stop-commands::x"),
    *("##[error]x", "##[add-mask]x", "##[group]x", "##vso[task.complete result=Failed]x"),
    *("##VSO[task.setvariable variable=PATH]x", "##teamcity[buildStatus status='SUCCESS']"),
    *("--- x", "+++ x", "~~~ x", "^^^ +++"),
)
# A command as its CI system finds it in a line of a log, behind what it strips.
_OBEYED: Final = re.compile(
    r"(?:\s|\x1b\[[0-9;]*m)*(?:::|(?:---|\+\+\+|~~~|\^\^\^)\s)|.*##(?:vso|teamcity)?\[",
    re.IGNORECASE,
)


def _said(provider: Provider, text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that a text becomes, for whoever reads the log."""
    Log(provider).line(text)
    return re.split("|".join(map(re.escape, _LINE_ENDS)), capsys.readouterr().out)


@ALL
def test_begin_a_line_with_a_command(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step, a registry or a commit says a line that is a command of some CI system."""
    for command in _COMMANDS:
        for before in ("", " \t", "\x1b[31m", "\xa0\u2003"):
            said = _said(provider, f"{before}{command}", capsys)
            assert not any(map(_OBEYED.match, said)), (command, said)


@ALL
def test_begin_a_line_within_a_line(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    """A text holds a lone carriage return, or another character that ends a line for a runner."""
    for command in _COMMANDS:
        for end in _LINE_ENDS:
            said = _said(provider, f"#5 0.1 fine{end}{command}", capsys)
            assert not any(map(_OBEYED.match, said)), (command, end, said)


@ALL
def test_move_the_cursor_over_what_was_said(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step prints escape sequences that erase lines, set the title or ring; colors are fine."""
    evil = "\x1b[2K\x1b[1A\x1b]0;title\x07\x1b_bk;t=1\x07\x9b1A\x1bM\x08\x00\x7f"
    Log(provider).line(f"#5 0.1 \x1b[1;31mred\x1b[0m {evil}\ta")
    said = capsys.readouterr().out
    assert said.startswith("#5 0.1 \x1b[1;31mred\x1b[0m ")
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x7f-\x9f]", said)
    assert said.count("\x1b") == 2
    assert said.endswith("\ta\n")


@ALL
def test_join_the_halves_of_a_command(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command is broken by characters in the hope that they are taken out."""
    for half in ("\x00", "\x1b[K", "\x1b[0m", "\u200b", "\x85"):
        for command in ("::error::x", "##vso[task.complete]", "##teamcity[x]"):
            said = _said(provider, f"{command[:1]}{half}{command[1:]}", capsys)
            assert not any(map(_OBEYED.match, said)), (half, command, said)


@ALL
def test_have_a_hidden_secret_complete_a_command(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step prints a secret within a command, which is one once the secret is hidden."""
    log = Log(provider)
    log.hide_here(["hunter2"])
    log.line("hunter2\r::error::x")
    log.line("##hunter2[x]")
    said = capsys.readouterr().out.splitlines()
    assert not any(map(_OBEYED.match, said)), said


@ALL
def test_write_a_command_by_an_error(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of a registry or of BuildKit has several lines, each of them a command."""
    text = "\n".join(("it failed", *_COMMANDS)) + "\r::error::y"
    for write in (Log(provider).fail, Log(provider).warning):
        write(text)
        said = capsys.readouterr().out.splitlines()
        own = [line for line in said if _OBEYED.match(line)]
        # The only commands are warmbuild's own, whose text is escaped.
        assert len(own) <= 1, own
        assert all(
            re.match(r"::(error|warning) |##vso\[task\.logissue |\^\^\^ \+\+\+", x) for x in own
        )


@ALL
def test_write_a_command_by_a_group(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that names a group ends it, and begins a line."""
    with Log(provider).group("warmbuild: x\r\n::error::y\u2028--- z\n##vso[a]b"):
        assert len(re.split(r"\n", capsys.readouterr().out.strip())) == 1


@ALL
def test_add_a_property_by_the_name_of_a_file(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Dockerfile's name holds a comma, a bracket or a newline, and goes on as a property."""
    Log(provider).warning("careful", "a,title=b]c;d::e\n::error::f", 3)
    (said,) = capsys.readouterr().out.splitlines()
    if provider.name in {"github", "gitea"}:
        assert said.count(",title=") == 0
        assert "file=a%2Ctitle=b]c;d%3A%3Ae␊%3A%3Aerror%3A%3Af,line=3," in said
        assert said.endswith("::careful")
    elif provider.name == "azure":
        assert said.endswith("sourcepath=a,title=b%5Dc%3Bd::e␊::error::f;linenumber=3;]careful")
    else:
        assert said.startswith("warning: a,title=")


@ALL
def test_end_a_section_of_gitlab(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    """A step prints the marks with which GitLab and Travis fold a log."""
    for mark in ("\x1b[0Ksection_end:1:warmbuild\r\x1b[0K", "travis_fold:end:x\r\x1b[0K"):
        Log(provider).line(f"#5 0.1 {mark}")
        assert not re.search(r"\r|\x1b\[0?K", capsys.readouterr().out)


def test_write_a_command_by_the_output_of_a_step() -> None:
    """A RUN prints commands, one after a lone carriage return, and then fails."""
    evil = "::error::one\r##vso[x]two\n\x0b::add-mask::three\r\n##teamcity[four]\n"
    failed = lines(
        STEP, vertex("[2/2] RUN make\r::error::five", error="no\r::error::six", log=evil)
    )
    for name in ci.NAMES:
        said = machine.run(
            *("build", f"--ci={name}", "--image=r.io/a", "--push", "--cache=off", "--context=."),
            *machine.REMOTE,
            files={"Dockerfile": machine.DOCKERFILE},
            buildx={"version": machine.VERSION, "build": (1, failed)},
        )
        assert "three" in said
        own = re.compile(r"::(error|warning|group|endgroup)[ :].*|##vso\[task\.(logissue|setvar).*")
        own = re.compile(
            rf"{own.pattern}|##\[(end)?group\].*|(---|\+\+\+) warmbuild.*|\^\^\^ \+\+\+"
        )
        for line in re.split(r"[\n\r]|\\r", said):
            assert own.fullmatch(line) or not _OBEYED.match(line), (name, line)


def test_add_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output's value goes on after a newline as another output, or ends its delimiter."""
    path = tmp_path / "output"
    path.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    value = "a\nghadelimiter_\nEOF\ndigest=evil\r\ntags<<EOF\nevil\nEOF"
    ci.named("github").publish({"GITHUB_OUTPUT": str(path)}, {"labels": value})
    head, *body, last = path.read_bytes().decode().removesuffix("\n").split("\n")
    assert head == f"labels<<{last}"
    assert "\n".join(body) == value
    assert not any(line == last for line in value.splitlines())


def test_set_a_variable_of_a_later_step_on_github(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label goes on as another variable, or ends its delimiter."""
    path = tmp_path / "env"
    monkeypatch.setenv("GITHUB_ENV", str(path))
    value = "a\nghadelimiter_\nEOF\nNODE_OPTIONS=--require=/evil\r\nPATH<<EOF\n/evil\nEOF"
    ci.named("github").export({"GITHUB_ENV": str(path)}, {"LABELS": value})
    head, *body, last = path.read_bytes().decode().removesuffix("\n").split("\n")
    assert head == f"LABELS<<{last}"
    assert "\n".join(body) == value
    assert not any(line == last for line in value.splitlines())


def test_set_a_variable_of_a_later_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value goes on as another line of a dotenv file, or as a command of the shell."""
    value = "it's $(touch stolen) `touch stolen`\nPATH=/evil; touch stolen #"
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "env.sh"
    circleci.PROVIDER.publish({"BASH_ENV": str(path)}, {"cache-write-error": value})
    variables.publish({}, {"cache-write-error": value})
    for file in ("env.sh", variables.FILE):
        script = f'. ./{file}; printf %s "$WARMBUILD_CACHE_WRITE_ERROR"; command -v sh >&2'
        done = subprocess.run(  # noqa: S603 (the attack is in the file)
            ["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == value
        assert not (tmp_path / "stolen").exists()
    gitlab.PROVIDER.publish({"CI_PROJECT_DIR": str(tmp_path)}, {"labels": value, "a": "b"})
    assert (tmp_path / gitlab.DOTENV).read_text() == "WARMBUILD_A=b\n"


# As GitHub and GitLab read them: code, and then what may begin a link, HTML or a reference.
_CODE = re.compile(r"`[^`]*`")
_MEANS = re.compile(r"[`<\[\]!*_~@#$%&{}^\\]|://|www|(?i:gh-)\d|:\w+:|[0-9a-f]{7}")
_EVIL = (
    "<img src=//evil> [here](https://evil) ![x](//evil) `code` | a \\| b \\\\| c\n# d @octocat "
    "#1 GH-2 www.evil.example me@evil.example !3 ~bug %4 $5 &6 0123456 :bomb: *a* _b_ "
    "</details> \u202e"
)


def test_write_html_and_links_into_the_summary() -> None:
    """A frontend names its steps, and a check its warnings, with images, links, HTML and pipes."""
    evil = _EVIL
    step = Step(prefix=evil, position="1/1", instruction=evil, cached=False, seconds=1, error=evil)
    failure = Failure(title=evil, error=evil, tail=(), source=evil)
    done = Outcome(
        name=evil,
        ending=evil,
        metadata="",
        digest=evil,
        image_id=evil,
        tags=(evil,),
        steps=(step, replace(step, cached=True, error="", origin=evil), replace(step, line=3)),
        misses=(Miss(stage=evil, line=3, step=evil, causes=(Cause(kind=Kind.USER, text=evil),)),),
        notes=(evil,),
        warnings=(evil,),
        findings=(Finding(rule=evil, severity="", file=evil, line=1, text=evil, about=evil),),
        cache_read=(evil,),
        cache_written=evil,
        images={evil: evil},
        error=evil,
        failure=failure,
    )
    whole = replace(done, targets=(done,))
    for one in (done, whole):
        for line in markdown.summary(one, {"build-args": evil}).splitlines():
            bare = re.sub(r"<(?:br|/?details|/?summary)>", "", _CODE.sub("", line))
            # Our own: bold, headings, alerts, and the names of stages.
            bare = re.sub(r"^#{3,4} |^> \[!\w+\]$|\*\*[^*]*\*\*", "", bare)
            bare = re.sub(r"<code>[^<`]*</code>", "", bare).replace("\\|", "")
            assert not _MEANS.search(bare), line
            if line.startswith("|"):
                assert _cells(line) in {2, 4}, line


def _cells(row: str) -> int:
    """Return how many cells a row has, by cmark-gfm's rule: a backslash escapes what follows."""
    return len(re.sub(r"\\[!-/:-@\[-`{-~]", "", row).split("|")) - 2


def test_end_the_block_of_a_steps_last_lines() -> None:
    """A step prints the end of the block that its last lines are quoted in, and then HTML."""
    tail = ("```", "<img src=//evil>", "~~~", "``````", "> </details>\r# x", "\x1b[2J\u202e")
    failure = Failure(title="[1/1] RUN a", error="b", tail=tail, source="")
    text = markdown.summary(Outcome(metadata="", notes=(), error="b", failure=failure))
    begun, *inside, ended = re.search(r"^`{3,}text\n(.*\n)+?`{7}$", text, re.MULTILINE)[
        0
    ].splitlines()  # type: ignore[index]  # it is there
    assert (begun, ended) == ("```````text", "```````")
    assert inside == [*tail[:4], "> </details>\\r# x", "\\x1b[2J\\u202e"]


def test_write_a_statement_into_the_timeline() -> None:
    """Names of steps are statements of Mermaid, which could make links and run scripts."""
    names = (
        "[click 1/2] RUN a\n    click x href javascript:alert(1)",
        '[title 2/2] RUN a :crit, 0, 9;%%{init: {}}%% #quot; "<script>`',
        "click x call alert()",
        "section a\nsection b",
        "[" + "`" * 3 + " 1/1] RUN ```\n</details>",
    )
    at = (f"2026-01-01T00:00:{number:02}Z" for number in range(9))
    progress = Progress()
    for name in names:
        item = {"digest": name, "name": name, "started": next(at), "completed": next(at, None)}
        progress.take(json.dumps({"vertexes": [item]}))
    call = Call(progress=progress, begun=0, ended=99)
    where = timeline.timeline([call], [Span(phase=Phase.BUILDX, begun=0, ended=99)])
    begun, settings, kind, *lines, ended = gantt.chart(where)[0].splitlines()
    assert (begun, kind, ended) == ("```mermaid", "gantt", "```")
    assert re.fullmatch(r'%%\{init: \{"gantt": \{"leftPadding": \d+\}\}\}%%', settings)
    for line in lines[4:]:
        label = r"(?:\d+/\d+|context) [A-Za-z0-9 ./_=+-]+"
        assert re.fullmatch(rf"    (?:section [A-Za-z0-9 /]+|{label} :\w+, \d+, \d+)", line), line


def test_report_another_finding() -> None:
    """A Dockerfile's text ends a finding of GitLab's report, and adds one of its own."""
    evil = '"}]\n{"description": "'
    found = Finding(rule="r", severity="minor", file=evil, line=1, text=evil, about=evil)
    (one,) = json.loads(gitlab.code_quality([found]))
    assert (one["description"], one["location"]["path"]) == (evil, evil)


class TestOnTheLab:
    def test_write_a_command_by_a_real_build(
        self,
        warmbuild: Warmbuild,
        project: Callable[..., Path],
        repository: str,
        github: Callable[..., dict[str, str]],
    ) -> None:
        """A Dockerfile's comments, its steps and their output hold commands after `\\r`."""
        place = project(
            "FROM busybox:1.37\n"
            "RUN printf 'a\\r::error::one\\n::error::two\\n##[error]three\\n\\033[1A'; "
            "cat /none # \r::error::four\n"
        )
        env = github("push", "github-push.json", "refs/heads/main")
        ended = warmbuild.build(place, ci=env, image=repository, cache="off", lint="false")
        assert ended.code == 4, ended.log
        commands = [
            line for line in re.split(r"[\n\r]", ended.log) if re.match(r"\s*::|.*##\[", line)
        ]
        assert {re.split(r"[ :]", line)[2] for line in commands} <= {"group", "endgroup", "error"}
        (error,) = [line for line in commands if line.startswith("::error")]
        assert error.startswith("::error title=warmbuild,")
