"""JSON that others wrote, read without trusting its shape.

A member that is missing or of another type is an empty object, list or text, or 0. Nothing is
nested so deeply that a function which calls itself could not follow.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

from warmbuild import whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


# Levels of lists and objects. The deepest of what warmbuild reads, provenance, has about 15.
DEEPEST: Final = 100


def anything(text: str | bytes) -> object:
    """Read JSON; raises ValueError if it is malformed or nested too deeply."""
    try:
        read: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [read]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return read
    raise ValueError("it is nested too deeply")


def _inside(value: object) -> Iterable[object]:
    match value:
        case list():
            return value
        case dict():
            return value.values()
        case _:
            return ()


def parsed(text: str | bytes) -> Mapping[str, object]:
    """Read a JSON object; raises ValueError if it is anything else."""
    read = anything(text)
    if not isinstance(read, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 (what json raises too)
    return read


def child(item: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object's object."""
    return value if isinstance(value := item.get(name), dict) else {}


def children(item: Mapping[str, object], name: str) -> Iterator[Mapping[str, object]]:
    """Return the objects in an object's list."""
    return objects(item.get(name))


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """Return the objects in a list."""
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


def text(item: Mapping[str, object], name: str) -> str:
    """Return an object's text."""
    return value if isinstance(value := item.get(name), str) else ""


def number(item: Mapping[str, object], name: str) -> int:
    """Return an object's number; Go leaves out a 0."""
    return whole(item.get(name)) or 0


def numbers(item: Mapping[str, object], name: str) -> list[int]:
    """Return the integers in an object's list."""
    return [one for one in map(whole, items(item, name)) if one is not None]


def whole(value: object) -> int | None:
    """Return a number that Go's programs can hold; None for anything else."""
    return value if isinstance(value, int) and abs(value) <= whole_numbers.MOST else None


def binary(value: object) -> bytes:
    """Read bytes as Go writes them, in base64."""
    try:
        return base64.b64decode(value) if isinstance(value, str) else b""
    except ValueError:
        return b""


def items(item: Mapping[str, object], name: str) -> list[object]:
    """Return an object's list."""
    return value if isinstance(value := item.get(name), list) else []


def with_texts(value: object, change: Callable[[str], str]) -> object:
    """Return a JSON value with every text in it changed; names of members stay."""
    match value:
        case str():
            return change(value)
        case list() | tuple():
            return [with_texts(item, change) for item in value]
        case dict():
            return {name: with_texts(item, change) for name, item in value.items()}
        case _:
            return value
