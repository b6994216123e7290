from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from warmbuild import ci
from warmbuild.build import display
from warmbuild.build.display import Display
from warmbuild.buildkit.plain_progress import Said
from warmbuild.buildkit.vertices import Text
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from warmbuild.buildkit.vertices import News
    from warmbuild.inputs.values import Inputs


TERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("values", "env", "name", "is_terminal", "expected"),
    [
        pytest.param({}, TERM, "local", True, True, id="somebody watches"),
        pytest.param({}, TERM | {"NO_COLOR": "1"}, "local", True, True, id="without colors"),
        pytest.param({}, TERM, "local", False, False, id="no terminal"),
        pytest.param({}, TERM, "jenkins", True, False, id="a terminal in a CI system"),
        pytest.param({}, {"TERM": "dumb"}, "local", True, False, id="a dumb terminal"),
        pytest.param({}, {}, "local", True, False, id="a terminal of which nothing is known"),
        pytest.param({"quiet": "true"}, TERM, "local", True, False, id="quiet"),
        pytest.param({"verbose": "true"}, TERM, "local", True, False, id="verbose"),
        pytest.param({"log_format": "json"}, TERM, "local", True, False, id="JSON"),
    ],
)
def test_rows_below_the_log_are_for_those_who_watch(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    env: dict[str, str],
    name: str,
    *,
    is_terminal: bool,
    expected: bool,
) -> None:
    found = display.is_live(parsed(**values), ci.named(name), env, is_terminal=is_terminal)
    assert found is expected


class View:
    """Shows each thing that it is told as a line."""

    glance = 0.01

    def __init__(self, *, counting: bool = False) -> None:
        self.counting, self.settled = counting, threading.Event()
        self.written: list[int | None] = []

    def begin(self) -> None: ...

    def lines(self, news: Sequence[News], now: float) -> Iterator[Said]:  # noqa: ARG002
        yield from (Said(words=one.text) for one in news if isinstance(one, Text))

    def counts(self, now: float) -> bool:  # noqa: ARG002
        return self.counting

    def settle(self, now: float, written: int | None = None) -> Iterator[Said]:  # noqa: ARG002
        self.written.append(written)
        self.settled.set()
        yield from ()

    def close(self, now: float) -> Iterator[Said]:  # noqa: ARG002
        yield Said(words="closed")


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


def test_a_view_that_does_not_begin_is_closed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View()
    monkeypatch.setattr(view, "begin", lambda: int("none"))
    with pytest.raises(ValueError, match="none"), Display(view, Log(ci.named("local"))).call():
        pytest.fail("it is no call")
    assert capsys.readouterr().out == "closed\n"


def test_an_engine_that_hangs_does_not_hold_the_end_of_a_call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "_PARTING", 0.05)
    asked, answers = threading.Event(), threading.Event()

    def hang() -> int | None:
        asked.set()
        answers.wait(10)
        return 7

    view = View(counting=True)
    with Display(view, Log(ci.named("local")), hang).call():
        assert asked.wait(10)
    answers.set()
    assert not view.settled.wait(0.2)
    assert capsys.readouterr().out == "closed\n"
