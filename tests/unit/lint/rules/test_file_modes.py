from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines
from warmbuild.lint.case import OddModes, Sources

ODD = Sources(
    odd_modes=OddModes(path="a.py", mode=0o666, stored=0o644, has_more=True), ignore=".git"
)


@pytest.mark.parametrize(
    ("text", "given", "found"),
    [
        pytest.param("FROM a\nCOPY src /x", {}, [2], id="copied"),
        pytest.param("FROM a\nRUN x\nADD . .", {}, [3], id="added"),
        pytest.param("FROM a\nCOPY --from=b /x /x", {}, [], id="copied from elsewhere"),
        pytest.param("FROM a\nCOPY <<E /x\nE\nADD https://x.io/a /a", {}, [], id="of no file"),
        pytest.param("FROM a\nRUN x", {}, [], id="not copied"),
        pytest.param("FROM a\nCOPY . .", {"normalize-modes": "true"}, [], id="to be set"),
    ],
)
def test_modes_matter_where_files_are_copied(
    text: str, given: dict[str, str], found: list[int]
) -> None:
    assert lines("file-modes", check(text, given, ODD)) == found


def test_modes_that_are_gits_are_fine() -> None:
    assert check("FROM a\nCOPY src /x") == ()


def test_it_says_which_mode() -> None:
    (found,) = check("FROM a\nCOPY src /x", sources=ODD)
    assert found.text.startswith(
        "a.py has mode 666, but git stores 644 (other files differ too): COPY cannot use a"
    )
