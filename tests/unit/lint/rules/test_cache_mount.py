from __future__ import annotations

import pytest

from tests.unit.lint.checked import check, lines

RUN = "RUN --mount=type=cache,target=/var/cache"


@pytest.mark.parametrize(
    ("text", "given", "found"),
    [
        pytest.param(f"FROM a\n{RUN} x", {}, [2], id="in a builder of the run"),
        pytest.param(f"FROM a\n{RUN} x", {"builder": "mine"}, [], id="in one that stays"),
        pytest.param(f"FROM a\n{RUN} x\nRUN y\n{RUN} z", {}, [2], id="said once"),
        pytest.param(f"FROM a AS b\n{RUN} x\nFROM c", {}, [], id="in a stage not needed"),
        pytest.param("FROM a\nRUN --mount=type=bind,target=/x y", {}, [], id="of another kind"),
        pytest.param("FROM a\nRUN --mount=target=/x,type=cache y", {}, [2], id="in any order"),
        pytest.param("FROM a\nRUN echo --mount=type=cache", {}, [], id="in words alone"),
    ],
)
def test_a_mount(text: str, given: dict[str, str], found: list[int]) -> None:
    assert lines("cache-mount", check(text, given)) == found


def test_the_others_are_named() -> None:
    (found,) = check(f"FROM a\n{RUN} x\n{RUN} y\n{RUN} z")
    assert "in every run (also on line 3, 4):" in found.text
