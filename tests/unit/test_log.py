from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild.ci import github, local
from warmbuild.log import Log
from warmbuild.process import shown
from warmbuild.secret_texts import redactor
from warmbuild.untrusted_json import with_texts

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_command_is_shown_with_secrets_hidden_before_it_is_quoted() -> None:
    assert shown(["build", "it's $secret"], redactor(["it's $secret"])) == "build '***'"


def test_a_log_hides_secrets_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(github.PROVIDER)
    log.hide(["hunter2"])
    log.hide(["sesame"])
    log.line("::a hunter2 sesame")
    log.warning("w hunter2")
    log.fail("f hunter2")
    with log.group("g hunter2"):
        pass
    properties = "title=warmbuild,file=,line=,endLine=,col=,endColumn="
    said = capsys.readouterr()
    assert said.err == f"::error {properties}::f ***\n"
    assert said.out.splitlines() == [
        "::add-mask::hunter2",
        "::add-mask::sesame",
        "| ::a *** ***",
        f"::warning {properties}::w ***",
        "::group::g ***",
        "::endgroup::",
    ]
    assert log.warnings == ["w ***"]


def test_secrets_are_hidden_in_json_as_they_are_before_it_is_written() -> None:
    value = {"args": ["a", {"TOKEN": 'it"s'}], "count": 3, "none": None}
    found = with_texts(value, redactor(['it"s']))
    assert found == {"args": ["a", {"TOKEN": "***"}], "count": 3, "none": None}


def test_a_color_ends_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(local.PROVIDER)
    log.line("#1 \x1b[31mred\x1b[0m")
    log.line("#1 \x1b[1;31mred\n#1 plain")
    assert capsys.readouterr().out == ("#1 \x1b[31mred\x1b[0m\n#1 \x1b[1;31mred\x1b[0m\n#1 plain\n")


class TestQuiet:
    def test_it_has_warnings_errors_and_answers(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = Log(github.PROVIDER, is_quiet=True)
        with log.group("a group"):
            log.line("a line")
        log.answer("an answer")
        log.warning("a warning")
        log.fail("an error")
        said = capsys.readouterr()
        assert said.out.splitlines()[0] == "an answer"
        assert said.out.splitlines()[1].endswith("::a warning")
        assert said.err.endswith("::an error\n")
        assert len(said.out.splitlines()) == 2


class TestJson:
    @pytest.fixture
    def log(self) -> Log:
        log = Log(local.PROVIDER, is_json=True)
        log.hide(["hunter2", 'it"s'])
        return log

    @pytest.fixture
    def said(self, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
        """Return what returns the objects that were logged, without their times."""

        def read() -> list[dict[str, Any]]:
            found = capsys.readouterr()
            records = [json.loads(line) for line in (found.out + found.err).splitlines()]
            for record in records:
                at = datetime.fromisoformat(record.pop("time"))
                assert abs(datetime.now(UTC) - at).total_seconds() < 60
            return records

        return read

    def test_each_thing_that_is_said_is_an_object(
        self, log: Log, said: Callable[[], list[dict[str, Any]]]
    ) -> None:
        with log.group("a group"):
            log.line("a line", {"event": "done", "seconds": 1.5})
            log.line("a status", {"level": "debug"})
        log.answer("an answer\nof two lines", {"result": {"steps": 2, "tags": ("a",)}})
        log.warning("a warning", file="Dockerfile", line=3)
        log.fail("an error", trace="where\nit is")
        group = {"group": "a group"}
        place = {"file": "Dockerfile", "line": 3}
        assert said() == [
            {"level": "info", "text": "a line", **group, "event": "done", "seconds": 1.5},
            {"level": "debug", "text": "a status", **group},
            {
                "level": "info",
                "text": "an answer\nof two lines",
                "result": {"steps": 2, "tags": ["a"]},
            },
            {"level": "warning", "text": "a warning", **place},
            {"level": "error", "text": "an error", "trace": "where\nit is"},
        ]

    def test_errors_go_to_standard_error(
        self, log: Log, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log.fail("an error")
        assert capsys.readouterr().out == ""

    def test_secrets_are_hidden_in_every_text(
        self, log: Log, said: Callable[[], list[dict[str, Any]]]
    ) -> None:
        with log.group("g hunter2"):
            log.line("a hunter2", {"name": 'it"s', "more": [{"deep": "b hunter2"}]})
        log.warning("w hunter2", file="hunter2.txt", line=1)
        log.fail("f hunter2", trace="t hunter2")
        shown = json.dumps(said())
        assert "hunter2" not in shown
        assert 'it\\"s' not in shown
        assert shown.count("***") == 8

    def test_commands_and_control_characters_are_inert_in_every_text(
        self, log: Log, said: Callable[[], list[dict[str, Any]]]
    ) -> None:
        log.line("::error::a", {"name": "##vso[a]b\r\n##[c]", "output": "\x1b[2J\ud800"})
        assert said() == [
            {
                "level": "info",
                "text": "| ::error::a",
                "name": "## vso[a]b\n## [c]",
                "output": "␛[2J\\ud800",
            }
        ]

    def test_a_secret_is_masked_all_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        Log(github.PROVIDER, is_json=True).hide(["hunter2"])
        assert capsys.readouterr().out == "::add-mask::hunter2\n"

    def test_a_document_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = Log(local.PROVIDER, is_json=True)
        log.hide(["hunter2"])
        value = {"a": ["  b  ", {"c": "hunter2"}], "d": "##[e]"}
        log.document(json.dumps(value, indent=2))
        text = capsys.readouterr().out
        assert text.count("\n") == 1
        assert json.loads(text) == {"a": ["  b  ", {"c": "***"}], "d": "## [e]"}


def test_a_document_goes_to_standard_output_and_all_else_where_it_is_sent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = Log(local.PROVIDER)
    with redirect_stdout(sys.stderr):
        log.line("a line")
        log.document('{\n  "a": 1\n}')
    assert capsys.readouterr() == ('{\n  "a": 1\n}\n', "a line\n")
