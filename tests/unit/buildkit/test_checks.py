from __future__ import annotations

import base64
import json

import pytest

from warmbuild import untrusted_json
from warmbuild.buildkit import checks
from warmbuild.buildkit.checks import Warned
from warmbuild.buildkit.progress import Progress
from warmbuild.buildkit.vertices import Text

TEXT = b"FROM busybox\nCMD echo hi\n"
DATA = base64.b64encode(TEXT).decode()
RULE = "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def warning(text: str, line: int) -> dict[str, object]:
    """Return a warning as buildx 0.36.1 writes it, without what is not read."""
    return {
        "vertex": "sha256:1",
        "level": 1,
        "short": encoded(text),
        "detail": [encoded("JSON arguments recommended")],
        "url": RULE,
        "sourceInfo": {"filename": "Dockerfile", "data": DATA, "language": "Dockerfile"},
        "range": [{"start": {"line": line}, "end": {"line": line}}],
    }


EXPECTED = Warned(
    text="JSONArgsRecommended: JSON arguments recommended for CMD",
    url=RULE,
    file="Dockerfile",
    line=2,
    source=TEXT,
)


def test_a_warning_of_a_build() -> None:
    item = warning("JSONArgsRecommended: JSON arguments recommended for CMD (line 2)", 2)
    assert checks.warned(item) == EXPECTED


def test_a_warning_that_is_about_no_line() -> None:
    short = encoded("InvalidBaseImagePlatform:\n pulled\r\n")
    assert checks.warned({"short": short}) == Warned(
        text="InvalidBaseImagePlatform: pulled", url=""
    )


def test_what_is_said_of_every_platform_is_kept_once() -> None:
    item = warning("JSONArgsRecommended: JSON arguments recommended for CMD (line 2)", 2)
    progress = Progress()
    for line in [json.dumps({"warnings": [item, item]})] * 2:
        assert progress.take(line)
    assert progress.warnings() == (EXPECTED,)


ANSWER = {
    "warnings": [
        {
            "ruleName": "JSONArgsRecommended",
            "description": "JSON arguments recommended",
            "url": RULE,
            "detail": "JSON arguments recommended for CMD",
            "location": {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]},
        },
        {"ruleName": "Rule", "description": "what it says", "location": {"sourceIndex": 3}},
    ],
    "sources": [{"filename": "Dockerfile", "data": DATA}],
}


def test_the_answer_of_a_check() -> None:
    assert checks.answered(ANSWER) == (EXPECTED, Warned(text="Rule: what it says", url=""))


@pytest.mark.parametrize("result", [{}, {"warnings": 3}, {"warnings": [3], "sources": {}}])
def test_an_answer_that_says_nothing(result: dict[str, object]) -> None:
    assert checks.answered(result) == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [('{"vertexes": []}', True), ("{", False), ("Check complete", False), ("[]", False)],
)
def test_whose_line_it_is(line: str, expected: bool) -> None:  # noqa: FBT001
    assert (Progress().take(line) != (Text(text=line),)) is expected


@pytest.mark.parametrize("value", [None, 3, "not base64", "é"])
def test_what_is_no_base64_is_no_bytes(value: object) -> None:
    assert untrusted_json.binary(value) == b""


FINE = "Check complete, no warnings found."
ONE = "Check complete, 1 warning has been found!"


@pytest.mark.parametrize(
    ("said", "found", "expected"),
    [
        pytest.param([ONE, "", "WARNING: …"], {"": 1}, ONE, id="an image"),
        pytest.param(["web", "", ONE], {"web": 1}, ONE, id="a target"),
        pytest.param(
            ["api", "", ONE, "job", "", FINE, "web", "", "Check complete, 2 warnings …"],
            {"api": 1, "job": 0, "web": 2},
            "Check complete, 3 warnings have been found: 1 in api, 2 in web",
            id="targets",
        ),
        pytest.param(
            ["api", "", FINE, "web", "", "error: Dockerfile:1"],
            {"api": 0, "web": 0},
            "Dockerfile:1",
            id="a file that cannot be checked",
        ),
        pytest.param(["#1 …"], {"": 0}, "", id="nothing"),
    ],
)
def test_checks_are_one_line(said: list[str], found: dict[str, int], expected: str) -> None:
    assert checks.headline(said, found) == expected
