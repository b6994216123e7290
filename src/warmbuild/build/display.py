"""Shows what a build does while it runs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from warmbuild import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.buildkit.plain_progress import Said
    from warmbuild.buildkit.vertices import News
    from warmbuild.ci.provider import Provider
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log

# Seconds that a look may take which the end of a call has overtaken; an engine may hang.
_PARTING: Final = 1.0
# Values of TERM of terminals that cannot move the cursor; without a value it is not known.
_DUMB: Final = ("", "dumb", "unknown")


def is_live(
    inputs: Inputs, provider: Provider, env: Mapping[str, str], *, is_terminal: bool
) -> bool:
    """Return whether somebody watches a run on a terminal that can show what runs."""
    is_plain = inputs.quiet or inputs.verbose or inputs.log_format != "text"
    is_able = is_terminal and env.get("TERM", "") not in _DUMB
    return is_able and provider.is_interactive and not is_plain


class View(Protocol):
    """Turns the news of a build into lines of the log.

    Times are seconds of `time.monotonic`.
    """

    @property
    def glance(self) -> float:
        """Seconds between two looks for what is due."""

    def begin(self) -> None:
        """Begin a call of buildx; what an earlier call has shown is known."""

    def lines(self, news: Sequence[News], now: float) -> Iterator[Said]:
        """Yield the lines that news make."""

    def counts(self, now: float) -> bool:
        """Return whether `settle` can use the bytes that the builder has written."""

    def settle(self, now: float, written: int | None = None) -> Iterator[Said]:
        """Yield the lines that are due because nothing has come.

        `written` is how many bytes the builder has written by now, if that is known.
        """

    def close(self, now: float) -> Iterator[Said]:
        """Yield what was held back, at the end of the call."""


class Display:
    """Writes a view of a build to the log, also while nothing comes."""

    def __init__(
        self, view: View, log: Log, written: Callable[[], int | None] = lambda: None
    ) -> None:
        """Show a view; `written` counts the bytes that the builder has written."""
        self._view, self._log, self._written = view, log, written

    @contextmanager
    def call(self) -> Iterator[Callable[[Sequence[News]], None]]:
        """Show one call of buildx, whose news the block hands over."""
        over = threading.Event()
        watching: list[threading.Thread] = []

        def watch() -> None:
            while not over.wait(self._view.glance):
                with self._log.lock:
                    counts = self._view.counts(time.monotonic())
                # The engine may take seconds to tell, in which news are shown.
                count = self._written() if counts else None
                with self._log.lock:
                    if not over.is_set():
                        self._write(self._view.settle(time.monotonic(), count))

        def take(news: Sequence[News]) -> None:
            self._write(self._view.lines(news, time.monotonic()))

        try:
            self._view.begin()
            watching.append(signals.start_thread(watch))
            yield take
        finally:
            # A view may have to leave a terminal as it was.
            with signals.held():
                over.set()
                for thread in watching:
                    thread.join(_PARTING)
                self._write(self._view.close(time.monotonic()))

    def _write(self, lines: Iterator[Said]) -> None:
        # What watches for silence writes from a thread of its own.
        with self._log.lock:
            for one in lines:
                self._log.line(one.text, one.fields)
