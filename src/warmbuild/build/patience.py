"""Ends a build that waits too long for nothing but a registry."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from warmbuild import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.process import Running

# Seconds that BuildKit may take to read the caches: a few small answers each.
_IMPORT_TIMEOUT: Final = 30.0
# Seconds that a registry may take to accept a manifest, which has some kilobytes.
_MANIFEST_TIMEOUT: Final = 120.0
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
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_GLANCE):
                limit = self._limits.get(self._waiting_for)
                if limit is not None and time.monotonic() - self._since > limit:
                    self.lost_for = self._waiting_for
                    running.end()
                    return

        thread = signals.start_thread(watch)
        try:
            yield
        finally:
            done.set()
            thread.join()
