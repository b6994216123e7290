from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from warmbuild import ci
from warmbuild.build import display
from warmbuild.build.display import Display
from warmbuild.buildkit.vertices import Text
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.buildkit.vertices import News


class View:
    """Shows each thing that it is told as a line."""

    def __init__(self, *, counting: bool = False) -> None:
        self.counting, self.settled = counting, threading.Event()
        self.written: list[int | None] = []

    def begin(self) -> None: ...

    def lines(self, news: Sequence[News], now: float) -> Iterator[str]:  # noqa: ARG002
        yield from (one.text for one in news if isinstance(one, Text))

    def counts(self, now: float) -> bool:  # noqa: ARG002
        return self.counting

    def settle(self, now: float, written: int | None = None) -> Iterator[str]:  # noqa: ARG002
        self.written.append(written)
        self.settled.set()
        yield from ()

    def close(self, now: float) -> Iterator[str]:  # noqa: ARG002
        yield "closed"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_GLANCE", 0.01)


def test_what_a_view_makes_of_news_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(View(), Log(ci.named("local"))).call() as show:
        show([Text(text="a"), Text(text="b")])
        show([])
    assert capsys.readouterr().out == "a\nb\nclosed\n"


def test_what_is_held_back_is_logged_also_if_the_call_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Display(View(), Log(ci.named("local")))
    with pytest.raises(ZeroDivisionError), shown.call():
        raise ZeroDivisionError
    assert capsys.readouterr().out == "closed\n"


@pytest.mark.parametrize(("counting", "expected"), [(True, 7), (False, None)])
def test_the_builder_is_asked_only_if_a_view_can_use_it(
    expected: int | None, *, counting: bool
) -> None:
    view = View(counting=counting)
    with Display(view, Log(ci.named("local")), lambda: 7).call():
        assert view.settled.wait(10)
    assert set(view.written) == {expected}
