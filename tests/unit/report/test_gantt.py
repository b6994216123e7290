"""The timeline as a chart."""

from __future__ import annotations

from typing import Any

import pytest

from warmbuild.build.timeline import Bar, Timeline
from warmbuild.phases import Phase, Span
from warmbuild.report import gantt


def bar(number: int, begun: float, ended: float, **more: Any) -> Bar:  # noqa: ANN401 (of the bar)
    given: dict[str, Any] = {
        "phase": Phase.STEPS,
        "position": f"{number}/9",
        "instruction": "RUN a",
        "name": "b",
    }
    return Bar(number=number, begun=begun, ended=ended, **(given | more))


def rows(*bars: Bar, ended: float = 10.0, **phases: float) -> list[str]:
    taken = {Phase[name]: seconds for name, seconds in phases.items()}
    chart, _ = gantt.chart(Timeline(begun=0, ended=ended, bars=bars, phases=taken))
    return [line.strip() for line in chart.splitlines()[7:-1]]


def test_cache_mounts_have_their_own_bars() -> None:
    own = tuple(
        Span(phase=phase, begun=begun, ended=ended)
        for phase, begun, ended in (
            (Phase.BOOT, 0.0, 1.0),
            (Phase.MOUNTS, 1.0, 2.5),
            (Phase.BUILDX, 2.5, 6.0),
            (Phase.MOUNTS, 6.0, 7.0),
        )
    )
    chart, _ = gantt.chart(Timeline(ended=7.0, bars=(bar(1, 2.5, 6.0),), own=own))
    assert [line.strip() for line in chart.splitlines() if "mounts" in line] == [
        "cache mounts 1.5 s :done, 1000, 2500",
        "cache mounts 1.0 s :done, 6000, 7000",
    ]


def test_without_a_build_there_is_no_chart() -> None:
    assert gantt.chart(Timeline(ended=9.0, phases={Phase.START: 9.0})) == ("", 0)


def test_lanes_and_what_is_in_them() -> None:
    base: dict[str, Any] = {"phase": Phase.PULL, "instruction": "FROM node:22@sha256:1"}
    other = {"position": "", "instruction": ""}
    assert rows(
        bar(1, 2, 3, **base),
        bar(2, 3, 4, prefix="linux/arm64 build", error="no"),
        bar(3, 4, 5, phase=Phase.PULL),
        bar(4, 4, 4, cached=True),
        bar(5, 5, 6, error="context canceled"),
        bar(6, 2, 3, **other, phase=Phase.CONTEXT, name="[internal] load build context"),
        bar(7, 2, 3, **other, phase=Phase.CONTEXT, name="click here"),
        bar(8, 6, 8, **other, phase=Phase.PUSH, target="web"),
        START=1,
        PROBE=1,
        REPORT=1,
        REMOVAL=0.5,
    ) == [
        "section warmbuild",
        "start 1.0 s :done, 0, 1000",
        "probe 1.0 s :done, 1000, 2000",
        "report 1.0 s :done, 8500, 9500",
        "removal 0.5 s :done, 9500, 10000",
        "section steps",
        "1/9 FROM node 22 1.0 s :done, 2000, 3000",
        "3/9 pull and unpack 1.0 s :done, 4000, 5000",
        "5/9 RUN a 1.0 s :active, 5000, 6000",
        "section sources",
        "load build context 1.0 s :done, 2000, 3000",
        "context click here 1.0 s :done, 2000, 3000",
        "section linux/arm64 build",
        "2/9 RUN a 1.0 s :crit, 3000, 4000",
        "section results",
        "push web 2.0 s :done, 6000, 8000",
    ]


def test_the_shortest_are_left_out() -> None:
    bars = [bar(number, number, 2 * number + 1, instruction="RUN é😀" * 99) for number in range(60)]
    chart, left_out = gantt.chart(Timeline(ended=200, bars=tuple(bars)))
    assert left_out == 20
    assert chart.count(":active") == 40
    assert "20/9" in chart
    assert "19/9" not in chart
    assert len(chart) < 50_000


@pytest.mark.parametrize(
    ("seconds", "tick"),
    [
        (0.5, "1second"),
        (12, "1second"),
        (13, "2second"),
        (360, "30second"),
        (361, "1minute"),
        (3_600, "5minute"),
        (99_999, "60minute"),
    ],
)
def test_ticks_are_few(seconds: float, tick: str) -> None:
    chart, _ = gantt.chart(Timeline(ended=seconds, bars=(bar(1, 0, seconds),)))
    assert f"    tickInterval {tick}\n" in chart
