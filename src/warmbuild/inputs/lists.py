"""The list syntaxes of inputs, which are those of docker/build-push-action."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def words(text: str) -> tuple[str, ...]:
    """Split a list by newline or comma; in a quoted field, only a newline does not separate."""
    return _items(
        word
        for record in _records(text.strip())
        for word in (record[0].split(",") if len(record) == 1 else record)
    )


def lines(text: str) -> tuple[str, ...]:
    """Split a list by newline; a quoted item may hold newlines, and `""` in it is a quote."""
    return _items(",".join(record) for record in _records(text.strip()))


def raw_lines(text: str) -> tuple[str, ...]:
    """Split a list by newline and keep quotes."""
    return _items(text.replace("\r\n", "\n").split("\n"))


def untrimmed_lines(text: str) -> tuple[str, ...]:
    """Split a list by newline as `lines` does, and keep the spaces of each item."""
    joined = (",".join(record) for record in _records(text))
    return tuple(line for line in joined if line.strip())


def _records(text: str) -> Iterator[list[str]]:
    """Yield the records of a CSV text that are not empty.

    As in csv-parse with `relax_quotes`, the parser of Docker's actions, a quote opens only as the
    first character of a field, and is literal if the closing one is not at the end of the field.
    Python's csv module drops such quotes.
    """
    record: list[str] = []
    field, quoted = "", False
    characters = deque(text.replace("\r\n", "\n") + "\n")
    while characters:
        character = characters.popleft()
        if quoted and character == '"':
            following = characters[0]
            if following == '"':
                field += characters.popleft()
            else:
                quoted = False
                field = field if following in ",\n" else f'"{field}"'
        elif quoted or character not in ',\n"' or (character == '"' and field):
            field += character
        elif character == '"':
            quoted = True
        else:
            record.append(field)
            field = ""
            if character == "\n":
                if any(record):
                    yield record
                record = []
    if quoted:
        raise ValueError("a quote is opened and never closed")


def _items(texts: Iterable[str]) -> tuple[str, ...]:
    stripped = (text.strip() for text in texts)
    return tuple(text for text in stripped if text)
