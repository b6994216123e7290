"""What a page of HTML says: its texts line by line, and the data that its script shows."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Final

_LINES: Final = frozenset(
    {
        *("button", "dt", "h1", "h2", "h3", "h4", "input", "label", "legend", "li", "noscript"),
        *("output", "p", "pre", "summary", "template", "title", "tr"),
    }
)
_CELLS: Final = frozenset({"dd", "span", "td", "text", "th"})
_READ: Final = ("placeholder", "aria-label")


def page_text(page: str) -> str:
    """Return the texts of a page, without its style and its script."""
    found = _Text()
    found.feed(page)
    found.close()
    lines = (" ".join(line.split()) for line in "".join(found.said).splitlines())
    rows = json.loads(found.data or "[]")
    return "\n".join([*filter(None, lines), *map(_row, rows)])


def _row(row: dict[str, object]) -> str:
    """Return what a row shows once it is opened."""
    return json.dumps(row, ensure_ascii=False)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.data = ""
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        self.said.append("\n" if tag in _LINES else " " if tag in _CELLS else "")
        self.said += [f"[{value}]" for name, value in attrs if name in _READ]

    def handle_endtag(self, _tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.data = self.data or data
        elif self._within != "style":
            self.said.append(data)
