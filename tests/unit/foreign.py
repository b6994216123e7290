"""What others write: JSON of any shape, and how the time to read it grows with its size."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A walk that is linear takes ten times as long for ten times as much; a quadratic one a hundred.
_MOST = 30.0
# Seconds that say nothing.
_NOISE = 0.02


def shapes(names: Sequence[str]) -> st.SearchStrategy[Any]:
    """Return JSON values whose members have these names, and now and then the right types."""
    numbers = st.integers(-3, 9) | st.integers() | st.floats()
    scalars = st.none() | st.booleans() | numbers | st.text() | st.sampled_from(("a", "b"))
    return st.recursive(
        scalars,
        lambda inside: (
            st.lists(inside, max_size=4)
            | st.dictionaries(st.sampled_from(names) | st.text(max_size=3), inside, max_size=6)
        ),
        max_leaves=30,
    )


def check_linear(work: Callable[[Any], object], make: Callable[[int], Any], size: int) -> None:
    """Fail if ten times the size takes more than thirty times the processor's time."""

    def taken(count: int) -> float:
        given = make(count)
        best = float("inf")
        for _ in range(3):
            begun = time.process_time()
            work(given)
            best = min(best, time.process_time() - begun)
        return best

    assert taken(10 * size) < _MOST * max(taken(size), _NOISE)
