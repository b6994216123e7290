from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines
from warmbuild.lint.case import Sources


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("FROM a\nCOPY . .\nRUN npm ci", [2], id="above an install"),
        pytest.param("FROM a\nCOPY package.json .\nRUN npm ci\nCOPY . .", [], id="below it"),
        pytest.param("FROM a\nCOPY . .\nRUN npm run build", [], id="above a build"),
        pytest.param("FROM a\nCOPY . .\nRUN pip install .", [], id="above the project's own"),
        pytest.param("FROM a\nCOPY --from=b . .\nRUN npm ci", [], id="from a stage"),
        pytest.param("FROM a\nCOPY src .\nRUN npm ci", [], id="of a directory"),
        pytest.param("FROM a\nCOPY --exclude=src . .\nRUN npm ci", [], id="but for some"),
        pytest.param("FROM a\nCOPY --chown=x ./ /app\nRUN npm ci", [2], id="with a flag"),
        pytest.param('FROM a\nADD ["/", "/app"]\nRUN npm ci', [2], id="as JSON"),
        pytest.param("FROM a\nCOPY * .\nRUN npm ci", [2], id="by a star"),
        pytest.param("FROM a\nCOPY a ./* /app/\nRUN npm ci", [2], id="among others"),
        pytest.param("FROM a\nCOPY <<. .\nx\n.\nRUN npm ci", [], id="of a heredoc"),
        pytest.param("FROM a\nADD https://x.io/. .\nRUN npm ci", [], id="of a URL"),
        pytest.param("FROM a\nONBUILD COPY . .\nRUN npm ci", [], id="of an image to come"),
        pytest.param("FROM a AS b\nCOPY . .\nFROM b\nRUN npm ci", [2], id="in the base"),
        pytest.param(
            "FROM a AS b\nCOPY . .\nRUN make\nFROM a\nRUN npm ci\nCOPY --from=b / /",
            [],
            id="in another stage",
        ),
        pytest.param(
            "FROM a AS b\nCOPY . .\nRUN npm ci\nFROM c\nRUN x", [], id="in a stage not needed"
        ),
        pytest.param(
            "FROM a\nCOPY uv.lock .\nRUN uv sync --no-install-project\nCOPY . .\nRUN uv sync",
            [],
            id="between two of the same",
        ),
        pytest.param(
            "FROM a\nRUN pip install -U pip\nCOPY . .\nRUN pip install -r requirements.txt",
            [3],
            id="below its tool's own update",
        ),
        pytest.param(
            "FROM a\nCOPY r.txt .\nRUN pip install -r r.txt\nCOPY . .\nRUN pip install x",
            [4],
            id="above a package by name",
        ),
        pytest.param("FROM a\nCOPY . .\nRUN apt-get install -y x", [2], id="above the system's"),
    ],
)
def test_all_sources(text: str, found: list[int]) -> None:
    assert lines("early-copy", check(text)) == found


@pytest.mark.parametrize(
    ("ignore", "found"), [("*\n!package.json", []), ("node_modules", [2]), (None, [2])]
)
def test_an_ignore_file_may_make_it_few_files(ignore: str | None, found: list[int]) -> None:
    sources = Sources(ignore=ignore)
    text = "FROM a\nCOPY . .\nRUN npm ci"
    assert lines("early-copy", check(text, sources=sources)) == found
