"""Signals that ask for an end raise an exception, but not while a run cleans up.

PID 1 of a container ignores SIGTERM unless it installs a handler.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from warmbuild import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from warmbuild import errors
else:
    # Signals are handled before anything else is loaded.
    errors = lazy.module("warmbuild.errors")

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
# Seconds that what a run does at its end may take once it is told to stop: GitHub kills a cancelled
# step after 10 s, and its child processes have had some of them.
HURRY: Final = 3.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Seconds until a signal that came too early is sent again. What it met has ended by then, unless
# the machine is busy.
_ONCE_MORE: Final = 0.05
# How many times a signal may be too early because it meets code that is not ours. Code that it
# meets once more is waiting for something, and is interrupted.
_MOST_EARLY: Final = 4
# The same for an import, which takes no longer than a few seconds.
_MOST_EARLY_IN_IMPORT: Final = 100
# The module of Python that imports others.
_IMPORTS: Final = "importlib._bootstrap"
# The signal that stopped the run.
_received: Final[list[int]] = []
# The signals that came too early to stop it.
_early: Final[list[int]] = []


def end_at_once() -> None:
    """Have these signals end the process, which has created nothing yet."""
    _handle(_end)


def install() -> None:
    """Have the first of these signals raise Stopped in the main thread, and ignore later ones."""
    _received.clear()
    _early.clear()
    sys.unraisablehook = _lost
    _handle(_stop)


def _handle(handler: Callable[[int, FrameType | None], object]) -> None:
    """Handle the signals; a run that nohup has started goes on without its terminal."""
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def block() -> None:
    """Let no signal interrupt this thread any more; its exit code is decided."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


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


def is_stopped() -> bool:
    """Return whether the run was told to stop."""
    return bool(_received)


def start_thread(work: Callable[[], object]) -> threading.Thread:
    """Start a daemon thread; a signal in the middle of that would leave it half started."""
    begun = threading.Thread(target=work, daemon=True)
    if threading.current_thread() is threading.main_thread():
        with held():
            begun.start()
    else:
        begun.start()
    return begun


def at_once(jobs: Mapping[_Key, Callable[[], _Result]], seconds: float) -> Mapping[_Key, _Result]:
    """Do several jobs beside each other; return the results of those that end in time.

    The threads are daemons, so that one that hangs does not delay the exit.
    """
    results: dict[_Key, _Result] = {}

    def one(key: _Key) -> None:
        results[key] = jobs[key]()

    threads = [start_thread(partial(one, key)) for key in jobs]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    # A copy, because a late thread still writes.
    return dict(results)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has lasted so long; for the main thread.

    Regular expressions look for signals, too.
    """

    def late(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def shielded() -> Iterator[None]:
    """Ignore the signals while the block cleans up."""
    with _handled(_ignore):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle the signals otherwise in the block; Python handles them in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    block()
    os._exit(128 + number)


def _stop(number: int, frame: FrameType | None) -> None:
    """Raise Stopped, now or soon.

    An exception in the middle of `threading` or the import system may leave a lock held for ever,
    for which the clean-up then waits (python/cpython#74174). A module whose import is interrupted
    lacks a part from then on.
    """
    is_importing = len(_early) < _MOST_EARLY_IN_IMPORT and _is_importing(frame)
    is_early = not (_is_ours(frame) or len(_early) >= _MOST_EARLY)
    if is_early or is_importing or _is_in_hook(frame):
        _early.append(number)
        if len(_early) == 1:
            _thread.start_new_thread(_send, (number, _received))
        return
    for other in _SIGNALS:
        signal.signal(other, _ignore)
    _received.append(number)
    raise errors.Stopped(number)


def _send(number: int, received: Sequence[int]) -> None:
    """Send a signal until one is received."""
    while not received:
        time.sleep(_ONCE_MORE)
        if not received:
            os.kill(os.getpid(), number)


def _is_ours(frame: FrameType | None) -> bool:
    """Return whether a frame is one of warmbuild's, and of nothing that it calls."""
    package = frame.f_globals.get("__package__") if frame else ""
    return str(package).partition(".")[0] == __package__


def _lost(ignored: sys.UnraisableHookArgs) -> None:
    """Stop after all if the signal arrived in a destructor, where Python drops exceptions."""
    if not isinstance(ignored.exc_value, errors.Stopped):
        sys.__unraisablehook__(ignored)
        return
    _received.clear()
    _early.clear()
    _handle(_stop)
    os.kill(os.getpid(), ignored.exc_value.signal_number)


def _is_in_hook(frame: FrameType | None) -> bool:
    """Return whether a frame is in the hook, in which another exception would be lost, too."""
    return any(one.f_code is _lost.__code__ for one in _stack(frame))


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a frame is in the import of a module."""
    return any(one.f_globals.get("__name__") == _IMPORTS for one in _stack(frame))


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that have called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing; with SIG_IGN Python may print a traceback for a signal that arrives just then."""
