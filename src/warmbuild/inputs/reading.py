"""Reads inputs by their kind, and collects what is wrong with them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from warmbuild import sizes, whole_numbers
from warmbuild.errors import InputProblem
from warmbuild.inputs import checks, lists
from warmbuild.inputs.table import BY_NAME, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.inputs.table import Input

    Value = str | bool | int | timedelta | tuple[str, ...] | None

TRUE: Final = ("true", "True", "TRUE")
_FALSE: Final = ("false", "False", "FALSE")
_DURATION: Final = re.compile(r"([0-9]{1,5})([smhdw])")
NO_DURATION: Final = "is not a duration; use a number and s, m, h, d or w, such as 90m."
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
# Inputs that only a build from bake or compose files has.
OF_FILES: Final = ("bake-files", "files", "compose-files", "source", "targets", "set", "vars")
_SPLIT: Final[Mapping[Kind, Callable[[str], tuple[str, ...]]]] = {
    Kind.WORDS: lists.words,
    Kind.LINES: lists.lines,
    Kind.RAW_LINES: lists.raw_lines,
    Kind.UNTRIMMED_LINES: lists.untrimmed_lines,
}


class Reader:
    """Reads the texts of inputs, by the name of their row, and collects problems."""

    def __init__(self, values: dict[str, str], problems: list[InputProblem]) -> None:
        """Read from `values`, which has a text for every row, and add to `problems`."""
        self.values = values
        self.problems = problems
        self.warnings: list[str] = []

    def bad(self, name: str, text: str) -> None:
        """Add a problem."""
        self.problems.append(InputProblem(name=name, text=text))

    def warn(self, name: str, text: str) -> None:
        """Add a warning."""
        self.warnings.append(f"{name} {text}")

    def ignore(self, name: str, why: str) -> None:
        """Read an input as if it were omitted, and warn of it if it is set."""
        if self.is_set(name):
            self.values[name] = BY_NAME[name].default
            self.warn(name, f"is ignored: {why}")

    def shown(self, name: str, value: str | None = None, number: int = 0) -> str:
        """Quote a value for a message, or name it by its number if it may hold a secret."""
        if BY_NAME[name].secret or BY_NAME[name].may_hold_secrets:
            return f"item {number}" if number else "its value"
        return repr(self.values[name] if value is None else value)

    def value(self, row: Input) -> Value:
        """Read an input by its kind; an omitted boolean or duration without a default is None."""
        match row.kind:
            case Kind.TEXT:
                return self.choice(row.name) if row.choices else self.checked(row.name)
            case Kind.RAW_TEXT:
                return self.values[row.name]
            case Kind.BOOLEAN:
                found = self.maybe(row.name)
                return bool(found) if row.default else found
            case Kind.NUMBER | Kind.SIZE:
                return self._number(row) if row.kind is Kind.NUMBER else self._size(row)
            case Kind.DURATION:
                return self._duration(row) or (timedelta() if row.default else None)
            case Kind.WORDS | Kind.LINES | Kind.RAW_LINES | Kind.UNTRIMMED_LINES:
                return self.items(row.name)
            case _ as never:
                assert_never(never)

    @property
    def has_files(self) -> bool:
        """Whether bake or compose files define what is built; without a name, the usual ones."""
        return any(map(self.text, OF_FILES))

    def is_set(self, name: str) -> bool:
        """Return whether an input differs from its default, or a switch is on."""
        if BY_NAME[name].kind is Kind.BOOLEAN:
            return self.text(name) in TRUE
        return self.text(name) != BY_NAME[name].default

    def text(self, name: str) -> str:
        """Return a text without the spaces around it."""
        return self.values[name].strip()

    def choice(self, name: str) -> str:
        """Return a text that has to be one of the row's choices."""
        value = self.text(name)
        if wrong := checks.among(BY_NAME[name].choices, value):
            self.bad(name, f"{self.shown(name)} {wrong}")
        return value

    def maybe(self, name: str) -> bool | None:
        """Return a boolean, or None for an empty text."""
        value = self.text(name)
        if not value:
            return None
        if value not in (*TRUE, *_FALSE):
            self.bad(name, f"{self.shown(name)} is not accepted; use true or false.")
        return value in TRUE

    def items(self, name: str) -> tuple[str, ...]:
        """Return the items of a list, which have to pass the row's check."""
        row = BY_NAME[name]
        try:
            items = _SPLIT[row.kind](self.values[name])
        except ValueError as error:
            self.bad(name, f"{self.shown(name)} cannot be read: {error}.")
            return ()
        for number, item in enumerate(items, start=1):
            self._check(row, item, number)
        return items

    def checked(self, name: str) -> str:
        """Return a text that has to pass the row's check, unless it is omitted."""
        value = self.text(name)
        if value or BY_NAME[name].default:
            self._check(BY_NAME[name], value)
        return value

    def _check(self, row: Input, text: str, number: int = 0) -> None:
        if row.check and (wrong := row.check(text)):
            self.bad(row.name, f"{self.shown(row.name, text, number)} {wrong}")

    def _number(self, row: Input) -> int:
        found, (least, most) = whole_numbers.read(self.text(row.name)), row.bounds
        if found is not None and least <= found <= most:
            return found
        self.bad(row.name, f"{self.shown(row.name)} is not accepted; use {least} to {most}.")
        return least

    def _size(self, row: Input) -> int:
        found = sizes.read(self.text(row.name))
        if found is None:
            self.bad(
                row.name, f"{self.shown(row.name)} is not a size; use a number and kB, MB or GB."
            )
        return found or 0

    def _duration(self, row: Input) -> timedelta | None:
        value = self.text(row.name)
        found = duration(value)
        if value and not found:
            self.bad(row.name, f"{self.shown(row.name)} {NO_DURATION}")
        return found or None


def duration(text: str) -> timedelta | None:
    """Read a duration such as 90m; return None if the text is none."""
    found = _DURATION.fullmatch(text)
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None
