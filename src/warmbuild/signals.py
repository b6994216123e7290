"""SIGINT and SIGTERM become an exception, but for while a run cleans up behind itself.

A process that is PID 1 in a container ignores SIGTERM unless it installs a handler.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from warmbuild.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def install() -> None:
    """Make both signals raise Stopped in the main thread; the first one only."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


@contextmanager
def held() -> Iterator[None]:
    """Have both signals wait for the end of the block, which makes what has to be removed.

    Enter it inside the `try` whose `finally` removes it.
    """
    waiting: list[int] = []
    before = {
        number: signal.signal(number, lambda arrived, _frame: waiting.append(arrived))
        for number in _SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


@contextmanager
def shielded() -> Iterator[None]:
    """Ignore both signals while the block cleans up: its outcome stands."""
    before = {number: signal.signal(number, _ignore) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    for other in _SIGNALS:
        signal.signal(other, _ignore)
    raise Stopped(number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing; with SIG_IGN Python would print a traceback for a signal that is just coming."""
