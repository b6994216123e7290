"""The clock of a run: since when it is in which phase."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.phases import Phase, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

# Fields of /proc/self/stat behind the name of the program, see proc_pid_stat(5).
_STARTED: Final = 19


class Clock:
    """Notes when a run enters a phase; times are those of `time.monotonic`."""

    def __init__(self) -> None:
        """Begin when this process began."""
        self._marks = [(Phase.START, _begun())]

    def enter(self, phase: Phase) -> None:
        """Note that a phase begins now."""
        self._marks.append((phase, time.monotonic()))

    def was(self, phase: Phase) -> None:
        """Correct what the phase was that has just ended, and is the one before the current."""
        self._marks[-2] = (phase, self._marks[-2][1])

    @property
    def seconds(self) -> float:
        """How long the current phase lasts so far."""
        return time.monotonic() - self._marks[-1][1]

    def spans(self) -> Sequence[Span]:
        """Return the phases up to now, one after another."""
        ends = [*(at for _, at in self._marks[1:]), time.monotonic()]
        return [
            Span(phase=phase, begun=begun, ended=ended)
            for (phase, begun), ended in zip(self._marks, ends, strict=True)
        ]


def _begun() -> float:
    """Return when this process began, or now if the kernel does not tell."""
    now = time.monotonic()
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        started = int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
        return now - max(0.0, age)
    return now
