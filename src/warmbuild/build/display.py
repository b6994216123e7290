"""Shows what a build does while it runs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from warmbuild import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from warmbuild.buildkit.vertices import News
    from warmbuild.log import Log

# Seconds between two looks for what is due.
_GLANCE: Final = 0.5


class View(Protocol):
    """Turns the news of a build into lines of the log; times are those of `time.monotonic`."""

    def begin(self) -> None:
        """Begin a call of buildx; what an earlier call has shown is known."""

    def lines(self, news: Sequence[News], now: float) -> Iterator[str]:
        """Yield the lines that news make."""

    def counts(self, now: float) -> bool:
        """Return whether `settle` can use the bytes that the builder has written."""

    def settle(self, now: float, written: int | None = None) -> Iterator[str]:
        """Yield the lines that are due because nothing has come.

        `written` is how many bytes the builder has written by now, if that is known.
        """

    def close(self, now: float) -> Iterator[str]:
        """Yield what was held back, at the end of the call."""


class Display:
    """Writes a view of a build to the log, also while nothing comes."""

    def __init__(
        self, view: View, log: Log, written: Callable[[], int | None] = lambda: None
    ) -> None:
        """Show a view; `written` counts the bytes that the builder has written."""
        self._view, self._log, self._written = view, log, written
        # What watches for silence writes from a thread of its own.
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[Callable[[Sequence[News]], None]]:
        """Show one call of buildx, whose news the block hands over."""
        over = threading.Event()
        with self._lock:
            self._view.begin()

        def watch() -> None:
            while not over.wait(_GLANCE):
                with self._lock:
                    counts = self._view.counts(time.monotonic())
                # The engine may take seconds to tell, in which news are shown.
                count = self._written() if counts else None
                with self._lock:
                    self._write(self._view.settle(time.monotonic(), count))

        def take(news: Sequence[News]) -> None:
            with self._lock:
                self._write(self._view.lines(news, time.monotonic()))

        thread = signals.start_thread(watch)
        try:
            yield take
        finally:
            over.set()
            thread.join()
            self._write(self._view.close(time.monotonic()))

    def _write(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._log.line(line)
