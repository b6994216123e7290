from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines

TWO = "FROM a AS build\nRUN x\nFROM b\nCOPY --from=build /x /x"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(TWO, [1], id="a stage that is copied from"),
        pytest.param("FROM a\nRUN x", [], id="one stage"),
        pytest.param("FROM a AS b\nRUN x\nFROM b\nRUN y", [], id="a stage that is built on"),
        pytest.param("FROM a AS b\nFROM c\nCOPY --from=b /x /x", [], id="a stage of no work"),
        pytest.param("FROM a AS b\nRUN x\nFROM c\nRUN y", [], id="a stage that is not needed"),
        pytest.param("FROM c\nCOPY --from=nginx /x /x", [], id="an image that is copied from"),
    ],
)
def test_what_it_leaves_out(text: str, found: list[int]) -> None:
    assert lines("mode-min", check(text, {"cache-mode": "min"})) == found


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"cache-mode": "min"}, "because cache-mode is min:"),
        ({"cache-to": "type=registry,ref=r.io/c,mode=min"}, "because cache-to has mode=min:"),
        (
            {"cache-to": "type=registry,ref=r.io/c"},
            "because cache-to has no mode (the default is min):",
        ),
        ({"cache-to": "r.io/c"}, "because cache-to has no mode (the default is min):"),
        ({"cache-to": "type=inline"}, "because an inline cache has mode=min:"),
        ({"cache-backend": "inline"}, "because cache-backend is inline:"),
    ],
)
def test_it_says_why(given: dict[str, str], why: str) -> None:
    (found,) = check(TWO, given)
    assert found.text.startswith(f"stage build is not in the cache that this build writes, {why}")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cache-backend": "inline", "cache-stages": "Build"},
        {"cache-mode": "min", "cache": "off"},
        {"cache-mode": "min", "cache": "read-only"},
        {"cache-to": "type=registry,ref=r.io/c,mode=max", "cache-mode": "min"},
    ],
)
def test_where_it_is_not_so(given: dict[str, str]) -> None:
    assert check(TWO, given) == ()


def test_stages_without_a_name_have_a_number() -> None:
    text = "FROM a\nRUN x\nFROM a AS b\nRUN y\nFROM c\nCOPY --from=0 / /\nCOPY --from=b / /"
    (found,) = check(text, {"cache-mode": "min"})
    assert found.text.startswith("stages number 0, b are not in the cache")
