from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.build.timeline import Bar
from warmbuild.phases import Phase
from warmbuild.report.critical_path import critical_path


def bar(number: int, begun: float, ended: float, *needs: int, phase: Phase = Phase.STEPS) -> Bar:
    return Bar(number=number, phase=phase, name=str(number), begun=begun, ended=ended, needs=needs)


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param([bar(1, 0, 1)], (0,), id="one bar"),
        pytest.param(
            [bar(1, 0, 1), bar(2, 0, 5), bar(3, 5, 6, 1, 2), bar(4, 1, 2, 1)],
            (1, 2),
            id="the slower of two that a step is made from",
        ),
        pytest.param(
            [bar(1, 0, 4), bar(2, 0, 3.9), bar(3, 4, 6, 2)],
            (1, 2),
            id="what a step is made from, not what ended last beside it",
        ),
        pytest.param(
            [bar(1, 0, 4), bar(2, 0, 1), bar(3, 4, 6, 2)],
            (0, 2),
            id="what ended last, if what the step is made from had ended long before",
        ),
        pytest.param(
            [bar(1, 0, 1), bar(2, 3, 4, 1), bar(3, 9, 10)],
            (0, 1, 2),
            id="gaps, in which nothing is known to go on",
        ),
        pytest.param(
            [bar(1, 0, 2, phase=Phase.PULL), bar(1, 0, 0), bar(2, 0, 0, 1), bar(3, 2, 3, 2)],
            (0, 3),
            id="layers below cached steps, which have no length",
        ),
        pytest.param(
            [bar(1, 0, 1), bar(2, 1, 4, 1), bar(2, 2, 4, 1, phase=Phase.PUSH)],
            (0, 1, 2),
            id="a push within its export",
        ),
        pytest.param(
            [bar(1, 0, 1), bar(2, 0.97, 2, 1)], (0, 1), id="a bar that seems to begin too early"
        ),
        pytest.param([bar(1, 0, 1, 2), bar(2, 0, 1, 1)], (1,), id="a circle"),
        pytest.param([bar(1, 0, 1, 1, 7)], (0,), id="a bar that needs itself, and an unknown one"),
    ],
)
def test_the_chain_that_determined_the_end(bars: list[Bar], expected: tuple[int, ...]) -> None:
    assert critical_path(bars) == expected


TIMES = st.floats(0, 100, allow_nan=False)
BARS = st.lists(
    st.builds(
        lambda number, times, needs: bar(number, *sorted(times), *needs),
        st.integers(1, 9),
        st.tuples(TIMES, TIMES),
        st.lists(st.integers(0, 9), max_size=3),
    ),
    max_size=30,
)


@given(BARS)
def test_any_bars_have_a_path_that_ends_with_the_last(bars: list[Bar]) -> None:
    path = critical_path(bars)
    long = [one for one in bars if one.seconds > 0]
    assert len(set(path)) == len(path)
    assert all(bars[at].seconds > 0 for at in path)
    assert max((bars[at].ended for at in path), default=0) == pytest.approx(
        max((one.ended for one in long), default=0), abs=0.06
    )
