from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import plot
import pytest
from plot import Axis
from samples import Group, Row
from strategies import IDEAL, NO_CACHE

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
        carried=0,
        slower=None,
    )


RATIOS = Axis(ticks=(1.0, 10.0, 100.0), is_logarithmic=True)
SECONDS = Axis(ticks=(0.0, 5.0, 10.0), is_logarithmic=False)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1, 0), (10, 0.5), (100, 1), (0.8, 0), (0, 0), (1000, 1)],
    ids=[
        "the ideal",
        "the middle",
        "the end",
        "better than the ideal",
        "nothing",
        "beyond the end",
    ],
)
def test_a_position_on_the_axis(ratio: float, expected: float) -> None:
    assert RATIOS.position(ratio) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (2.5, 0.25), (10, 1), (11, 1)])
def test_seconds_are_not_logarithmic(seconds: float, expected: float) -> None:
    assert SECONDS.position(seconds) == expected


def texts(svg: str) -> list[str | None]:
    root = ET.fromstring(svg)  # noqa: S314 (our own)
    return [text.text for text in root.findall("svg:text", NAMES)]


def test_a_panel_has_a_row_for_each_strategy_but_the_ideal() -> None:
    rows = (row("gha <x>", 20.0), row("warmbuild", 2.0), row("lazy", None), row(IDEAL, 1.0))
    group = Group(project="flask", kind="edit", condition="fast", rows=rows)
    svg = plot.in_ratios([group], "fast")
    ticks = ["1", "2", "5", "10", "20"]
    names = ["gha <x>", "20.0", "warmbuild", "2.0", "lazy"]
    assert texts(svg)[1:] == ["flask, edit", *ticks, *names]
    root = ET.fromstring(svg)  # noqa: S314 (our own)
    assert [dot.get("class") for dot in root.findall("svg:circle", NAMES)] == ["other", "ours"]
    style = root.find("svg:style", NAMES)
    assert style is not None
    assert style.text is not None
    assert "prefers-color-scheme: dark" in style.text


def test_seconds_are_shown_in_the_order_of_the_peers() -> None:
    rows = (
        replace(row("warmbuild", None), median=3.04),
        replace(row(NO_CACHE, None), median=11.04),
        row("who else", None),
    )
    group = Group(project="flask", kind="cold", condition="fast", rows=rows)
    ticks = ["0", "2", "4", "6", "8", "10", "12"]
    shown = texts(plot.in_seconds([group], "fast"))
    assert shown == [
        "What a CI job takes to build and push, in seconds (fast)",
        "flask, cold",
        *ticks,
        *(NO_CACHE, "11.0", "warmbuild", "3.0"),
    ]
