"""Ends a build that waits too long for nothing but a registry, or goes beyond its bounds."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from warmbuild import signals, sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warmbuild.process import Running

# Seconds that BuildKit may take to read the caches: a few small answers each.
_IMPORT_TIMEOUT: Final = 30.0
# Seconds that a registry may take to accept a manifest, which has some kilobytes.
_MANIFEST_TIMEOUT: Final = 120.0
# Bytes that may not count because something else is done meanwhile: more than images have.
_MOST_SHARED: Final = 10 * 1000**3
# Seconds between two looks for news.
_GLANCE: Final = 0.5


class Patience:
    """Watches what a build waits for; `lost_for` is what it was ended for."""

    def __init__(self, cache_timeout: float, push_timeout: float) -> None:
        """Allow so many seconds without news: to the export of a cache, and to a push.

        An import and the manifest of an image get no more than they need.
        """
        self.lost_for = ""
        to_import = min(cache_timeout, _IMPORT_TIMEOUT)
        self._limits = {
            **dict.fromkeys(("import", "layers"), to_import),
            "export": cache_timeout,
            "push": push_timeout,
            "manifest": min(push_timeout, _MANIFEST_TIMEOUT),
        }
        self._waiting_for, self._moves, self._since = "", 0, time.monotonic()

    def news(self, waiting_for: str, moves: int) -> None:
        """Note what the build waits for now; the time of an import runs from its start."""
        is_on = waiting_for == self._waiting_for
        if not is_on or (waiting_for != "import" and moves != self._moves):
            self._since = time.monotonic()
        self._waiting_for, self._moves = waiting_for, moves

    @contextmanager
    def over(self, running: Running) -> Iterator[None]:
        """Watch a command while the block runs."""

        def is_lost() -> bool:
            limit = self._limits.get(self._waiting_for)
            if limit is not None and time.monotonic() - self._since > limit:
                self.lost_for = self._waiting_for
            return bool(self.lost_for)

        with _watched(running, is_lost):
            yield


class Bounds:
    """Ends a command that takes too long or makes too much; `why` says which, as a clause."""

    def __init__(
        self,
        seconds: float,
        size: int,
        written: Callable[[], int | None],
        is_shared: Callable[[], bool] = bool,
    ) -> None:
        """Allow so many seconds, and bytes that the builder writes; `written` counts these.

        What is written while `is_shared` says that the builder does something else, too, does not
        count, within reason.
        """
        self.why = ""
        self._end, self._seconds = time.monotonic() + seconds, seconds
        self._size, self._written = size, written
        self._is_shared = is_shared
        self._first: int | None = None
        self._before = 0

    @contextmanager
    def over(self, running: Running) -> Iterator[None]:
        """Watch a command while the block runs."""
        with _watched(running, self._is_exceeded):
            yield

    def _is_exceeded(self) -> bool:
        # What is over at once needs no count, which takes a call of the engine.
        now = self._written() or 0
        is_first = self._first is None
        self._first = now if self._first is None else self._first
        if is_first or (self._is_shared() and now - self._first < _MOST_SHARED):
            self._before = now
        if time.monotonic() > self._end:
            self.why = f"it takes more than {self._seconds:.0f} s"
        elif now - self._before > self._size:
            self.why = f"it makes more than {sizes.shown(self._size)}"
        return bool(self.why)


@contextmanager
def _watched(running: Running, is_over: Callable[[], bool]) -> Iterator[None]:
    """End a command while the block runs, if it is over."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_GLANCE):
            if is_over():
                running.end()
                return

    thread = signals.start_thread(watch)
    try:
        yield
    finally:
        done.set()
        thread.join()
