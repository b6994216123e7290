"""JSON that others wrote, read without trusting its shape."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def anything(text: str | bytes) -> object:
    """Read JSON; raises ValueError where it is none."""
    try:
        read: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return read


def parsed(text: str | bytes) -> Mapping[str, object]:
    """Read a JSON object; raises ValueError where it is none."""
    read = anything(text)
    if not isinstance(read, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 (what json raises too)
    return read


def child(item: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object's object; an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def children(item: Mapping[str, object], name: str) -> Iterator[Mapping[str, object]]:
    """Return the objects in an object's list."""
    return objects(item.get(name))


def objects(value: object) -> Iterator[Mapping[str, object]]:
    """Return the objects in a list."""
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


def text(item: Mapping[str, object], name: str) -> str:
    """Return an object's text; an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def number(item: Mapping[str, object], name: str) -> int:
    """Return an object's number; 0 where there is none, as Go leaves it out."""
    value = item.get(name)
    return value if isinstance(value, int) else 0


def numbers(item: Mapping[str, object], name: str) -> list[int]:
    """Return the integers in an object's list."""
    return [one for one in items(item, name) if isinstance(one, int)]


def binary(value: object) -> bytes:
    """Read bytes as Go writes them, in base64; none where there are none."""
    try:
        return base64.b64decode(value) if isinstance(value, str) else b""
    except ValueError:
        return b""


def items(item: Mapping[str, object], name: str) -> list[object]:
    """Return an object's list; an empty one where there is none."""
    value = item.get(name)
    return value if isinstance(value, list) else []
