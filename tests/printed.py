"""A stream of BuildKit, read and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.buildkit.plain_progress import Printer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warmbuild.buildkit.plain_progress import Said
    from warmbuild.buildkit.progress import Progress


def printed(
    progress: Progress, lines: Iterable[str], printer: Printer | None = None, *, pause: float = 1.0
) -> list[str]:
    """Feed a stream of one call, a line each `pause` seconds; return what is printed of it."""
    printer, now = printer or Printer(), 0.0
    shown: list[Said] = []
    printer.begin()
    for line in lines:
        shown += printer.lines(progress.take(line, now), now)
        now += pause
        shown += printer.settle(now)
    return [one.text for one in (*shown, *printer.close(now))]
