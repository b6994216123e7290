from __future__ import annotations

from xml.etree import ElementTree as ET

import plot
import pytest
from samples import Group, Row
from strategies import IDEAL

NAMES = {"svg": "http://www.w3.org/2000/svg"}


def row(strategy: str, ratio: float | None) -> Row:
    return Row(
        strategy=strategy,
        builds=1,
        median=1.0,
        p95=1.0,
        total=1.0,
        ratio=ratio,
        steps=1,
        moved=0,
        slower=None,
    )


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1, 0), (10, 0.5), (100, 1), (0.8, 0), (1000, 1)],
    ids=["the ideal", "the middle", "the end", "better than the ideal", "beyond the end"],
)
def test_a_position_on_the_axis(ratio: float, expected: float) -> None:
    assert plot.position(ratio, 100) == expected


def test_a_panel_has_a_row_for_each_strategy_but_the_ideal() -> None:
    rows = (row("gha <x>", 20.0), row("warmbuild", 2.0), row("lazy", None), row(IDEAL, 1.0))
    group = Group(project="flask", kind="edit", condition="fast", rows=rows)
    root = ET.fromstring(plot.drawn([group], "fast"))  # noqa: S314 (our own)
    found = [text.text for text in root.findall("svg:text", NAMES)]
    assert found[1:] == [
        "flask, edit",
        "1",
        "2",
        "5",
        "10",
        "20",
        "gha <x>",
        "20.0",
        "warmbuild",
        "2.0",
        "lazy",
    ]
    assert [dot.get("class") for dot in root.findall("svg:circle", NAMES)] == ["other", "ours"]
    style = root.find("svg:style", NAMES)
    assert style is not None
    assert style.text is not None
    assert "prefers-color-scheme: dark" in style.text
