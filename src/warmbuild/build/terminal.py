"""Shows on a terminal what runs, in rows below the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from warmbuild.buildkit.live_progress import LiveProgress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.buildkit.live_progress import Row
    from warmbuild.buildkit.plain_progress import Said
    from warmbuild.buildkit.vertices import News
    from warmbuild.log import Log

# The most rows: more would flicker, and push the log away.
_MOST: Final = 16
# Columns of a bar, of what is beside it, and of a terminal that has room for bars.
_BAR: Final = 20
_AMOUNT: Final = 31
_WIDE: Final = 80


class Terminal:
    """A view of a build whose rows are there while a call of buildx runs.

    rich writes the rows below everything that is printed meanwhile, and nothing else.
    """

    glance: Final = 0.2

    def __init__(self, log: Log, *, is_colored: bool) -> None:
        self._log, self._progress = log, LiveProgress()
        # A long line is left to the terminal, so that it can be copied as one.
        self._console = Console(no_color=not is_colored, soft_wrap=True)
        self._live = self._rows_below()

    def _rows_below(self) -> Live:
        return Live(console=self._console, auto_refresh=False, transient=True)

    def begin(self) -> None:
        """Begin a call, with no rows yet."""
        self._progress.begin()
        self._live = self._rows_below()
        self._live.start()

    def lines(self, news: Sequence[News], now: float) -> Iterator[Said]:
        """Yield the lines that news make."""
        yield from self._progress.lines(news, now)

    def counts(self, now: float) -> bool:
        """Return whether `settle` can use the bytes that the builder has written."""
        return self._progress.counts(now)

    def settle(self, now: float, written: int | None = None) -> Iterator[Said]:
        """Yield the lines that are due, and draw the rows again."""
        yield from self._progress.settle(now, written)
        most = max(1, min(_MOST, self._console.height - 2))
        rows = self._progress.rows(now, most)
        self._live.update(Group(*map(self._grid, rows)), refresh=True)

    def close(self, now: float) -> Iterator[Said]:
        """Remove the rows, and yield the lines that were held back."""
        self._live.stop()
        yield from self._progress.close(now)

    def _grid(self, row: Row) -> Table:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        # Colors that others wrote become styles; markup and the rest are mere text.
        text = Text.from_ansi(f"{'  ' if row.is_part else ''}{self._log.inert(row.text)}")
        if row.total and self._console.width >= _WIDE:
            grid.add_column(width=_BAR)
            grid.add_column(width=_AMOUNT, justify="right")
            grid.add_row(text, ProgressBar(row.total, row.current, _BAR), Text(row.took))
        else:
            grid.add_column(no_wrap=True, justify="right")
            grid.add_row(text, Text(row.took))
        return grid
