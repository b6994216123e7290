"""A terminal: what is left on it once something is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

# Text, the end of a line, or a sequence that moves the cursor or colors the text.
_PARTS: Final = re.compile(
    r"[^\x00-\x1f\x7f]+|\r|\n|\x1b\[(?P<number>\??[0-9;]*)(?P<command>[AKhlm])"
)


@dataclass(slots=True)
class Screen:
    """A terminal of endless height; it knows no sequences but those that rich writes."""

    width: int = 100
    lines: list[list[str]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    has_cursor: bool = True
    colors: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def write(self, text: str) -> None:
        """Write a text; raises ValueError if it has anything that rich does not write."""
        end = 0
        for part in _PARTS.finditer(text):
            if part.start() != end:
                break
            end = part.end()
            if part["command"]:
                self._obey(part["command"], part["number"])
            elif part[0] == "\r":
                self.column = 0
            elif part[0] == "\n":
                self._break()
            else:
                self._print(part[0])
        if end != len(text):
            raise ValueError(f"a terminal may obey {text[end : end + 20]!r}")

    def _obey(self, command: str, number: str) -> None:
        match command:
            case "A":
                self.row = max(0, self.row - int(number or "1"))
            case "K":
                self.lines[self.row] = []
            case "h" | "l":
                assert number == "?25"
                self.has_cursor = command == "h"
            case _:
                self.colors |= {number} - {"", "0"}

    def _break(self) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.lines):
            self.lines.append([])

    def _print(self, text: str) -> None:
        for character in text:
            if self.column == self.width:
                self._break()
            line = self.lines[self.row]
            line += " " * (self.column + 1 - len(line))
            line[self.column] = character
            self.column += 1
