"""SIGINT, SIGTERM and SIGHUP raise an exception, but not while a run cleans up.

PID 1 of a container ignores SIGTERM unless it installs a handler.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from warmbuild.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long to wait before a lost signal is sent once more, in seconds: the destructor that lost it
# has ended by then.
_ONCE_MORE: Final = 0.05


def install() -> None:
    """Have the first of these signals raise Stopped in the main thread, and ignore later ones.

    A run that nohup has started goes on without its terminal.
    """
    sys.unraisablehook = _lost
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def held() -> Iterator[None]:
    """Delay the signals to the end of the block, which creates something to clean up.

    Enter it inside the `try` whose `finally` cleans up.
    """
    waiting: list[int] = []
    with _handled(lambda arrived, _frame: waiting.append(arrived)):
        yield
    if waiting:
        signal.raise_signal(waiting[0])


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Start a daemon thread; a signal in the middle of that would leave it half started."""
    begun = threading.Thread(target=work, daemon=True)
    if threading.current_thread() is threading.main_thread():
        with held():
            begun.start()
    else:
        begun.start()
    return begun


@contextmanager
def shielded() -> Iterator[None]:
    """Ignore the signals while the block cleans up."""
    with _handled(_ignore):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    for other in _SIGNALS:
        signal.signal(other, _ignore)
    raise Stopped(number)


def _lost(ignored: sys.UnraisableHookArgs) -> None:
    """Send a signal once more if it arrived in a destructor, where Python drops exceptions."""
    if not isinstance(ignored.exc_value, Stopped):
        sys.__unraisablehook__(ignored)
        return
    number = ignored.exc_value.signal_number
    signal.signal(number, _stop)
    threading.Timer(_ONCE_MORE, os.kill, (os.getpid(), number)).start()


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing; with SIG_IGN Python may print a traceback for a signal that arrives just then."""
