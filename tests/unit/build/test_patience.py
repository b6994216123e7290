from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from warmbuild.build import patience
from warmbuild.build.patience import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warmbuild.process import Result


class Running:
    """A command that runs until it is ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def end(self) -> None:
        self.ended.set()

    def lines(self) -> Iterator[str]:
        return iter(())

    def wait(self) -> int:
        return 0

    def finish(self, patience: float) -> Result:
        raise NotImplementedError

    def stop(self, linger: float) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _glances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_GLANCE", 0.01)


def counting(*counts: int | None) -> Callable[[], int | None]:
    left = list(counts)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    ("seconds", "written", "why"),
    [
        pytest.param(0.0, counting(0), "it takes more than 0 s", id="too long"),
        pytest.param(
            60.0, counting(5000, 5900, 6001), "it makes more than 1 kB", id="more than it may write"
        ),
    ],
)
def test_what_goes_beyond_its_bounds_is_ended(
    seconds: float, written: Callable[[], int | None], why: str
) -> None:
    running, bounds = Running(), Bounds(seconds, 1000, written)
    with bounds.over(running):
        assert running.ended.wait(10)
    assert bounds.why == why


@pytest.mark.parametrize("written", [counting(5000, 6000), counting(None), counting(9000, None)])
def test_what_stays_within_them_is_not(written: Callable[[], int | None]) -> None:
    running, bounds = Running(), Bounds(60.0, 1000, written)
    with bounds.over(running):
        assert not running.ended.wait(0.1)
    assert bounds.why == ""


def test_what_is_written_beside_does_not_count() -> None:
    shared = [False, True, True, True]
    running = Running()
    counts = counting(0, 5000, 9000, 9500, 9900)
    bounds = Bounds(60.0, 1000, counts, lambda: len(shared) > 1 and shared.pop())
    with bounds.over(running):
        assert not running.ended.wait(0.1)
    assert bounds.why == ""


def test_what_is_written_beside_counts_if_it_is_absurd() -> None:
    running = Running()
    bounds = Bounds(60.0, 1000, counting(0, 11 * 1000**3), lambda: True)
    with bounds.over(running):
        assert running.ended.wait(10)
    assert bounds.why == "it makes more than 1 kB"
