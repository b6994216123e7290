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
    from collections.abc import Callable, Iterator, Mapping

# Objects and lists in each other: a multiple of what any program writes, and little enough for code
# that calls itself for each.
DEEPEST: Final = 100


def anything(text: str | bytes) -> object:
    """Read JSON; raises ValueError if it is malformed or nested too deeply."""
    try:
        read: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    brackets = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, brackets)) > DEEPEST:  # type: ignore[arg-type]  # of the same type
        _check_depth(read)
    return read


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


def _check_depth(read: object) -> None:
    level = [read]
    for _ in range(DEEPEST):
        inside = (
            one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            for one in level
        )
        level = [one for several in inside for one in several if isinstance(one, (dict, list))]
        if not level:
            return
    raise ValueError("it is nested too deeply")
