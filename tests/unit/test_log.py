from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.ci import github
from warmbuild.log import Log
from warmbuild.process import shown
from warmbuild.secret_texts import redactor
from warmbuild.untrusted_json import with_texts

if TYPE_CHECKING:
    import pytest


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
