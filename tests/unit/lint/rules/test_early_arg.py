from __future__ import annotations

import pytest

from tests.unit.lint.checked import COMMIT, check, lines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("FROM a\nARG GIT_COMMIT\nRUN npm ci", [2], id="above an install"),
        pytest.param("FROM a\nRUN npm ci\nARG GIT_COMMIT\nRUN make", [], id="below it"),
        pytest.param("FROM a\nARG GIT_COMMIT\nRUN make", [], id="above what may read it"),
        pytest.param(
            "FROM a\nARG GIT_COMMIT\nRUN pip install me==$GIT_COMMIT", [], id="read by it"
        ),
        pytest.param(
            "FROM a\nARG GIT_COMMIT\nRUN <<EOF\npip install me==${GIT_COMMIT}\nEOF",
            [],
            id="read by it in a heredoc",
        ),
        pytest.param(
            "FROM a\nARG GIT_COMMIT\nRUN echo $GIT_COMMIT >/v\nRUN apk add x", [2], id="between"
        ),
        pytest.param("ARG GIT_COMMIT\nFROM a\nRUN npm ci", [], id="above every stage"),
        pytest.param(
            "FROM a AS b\nARG GIT_COMMIT\nFROM a\nRUN npm ci\nCOPY --from=b / /",
            [],
            id="beside",
        ),
        pytest.param(
            "FROM a AS b\nARG GIT_COMMIT\nFROM b\nRUN npm ci", [2], id="in the stage's base"
        ),
        pytest.param(
            "FROM a AS b\nARG GIT_COMMIT\nRUN npm ci\nFROM c", [], id="in a stage not needed"
        ),
        pytest.param("FROM a\nARG VERSION\nRUN npm ci", [], id="of another name"),
        pytest.param("FROM a\nARG OPENSSL_COMMIT\nRUN npm ci", [], id="somebody else's"),
        pytest.param("FROM a\nARG GIT_COMMIT=none\nRUN npm ci", [], id="with a default"),
        pytest.param("FROM a\nARG A GIT_SHA B\nRUN npm ci", [2], id="among others"),
        pytest.param("FROM a\nARG BUILD_DATE\nRUN npm ci", [2], id="a date"),
        pytest.param("FROM a\nARG CI_PIPELINE_ID\nRUN npm ci", [2], id="a run"),
        pytest.param("FROM a\nONBUILD ARG GIT_COMMIT\nRUN npm ci", [], id="of an image to come"),
        pytest.param("FROM a\nARG GIT_COMMIT\nRUN echo npm ci", [], id="above words alone"),
    ],
)
def test_a_commit(text: str, found: list[int]) -> None:
    assert lines("early-arg", check(text)) == found


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("GIT_COMMIT=anything", [2]),
        (f"VERSION=1.0-{COMMIT[:7]}", [2]),
        (f"VERSION={COMMIT}", [2]),
        (f"VERSION=a{COMMIT}", []),
        ("VERSION=1.0", []),
    ],
)
def test_a_value_tells_more_than_a_name(argument: str, found: list[int]) -> None:
    name = argument.partition("=")[0]
    text = f"FROM a\nARG {name}=none\nRUN npm ci"
    assert lines("early-arg", check(text, {"build-args": argument})) == found


def test_it_says_once_which_step_and_where() -> None:
    text = "FROM a\nARG GIT_COMMIT\nRUN npm ci\nRUN apk add x\nFROM 0"
    (found,) = check(text.replace("FROM a", "FROM a AS b").replace("FROM 0", "FROM b"))
    assert found.text.startswith("GIT_COMMIT is declared above npm ci (line 3), which does not")
