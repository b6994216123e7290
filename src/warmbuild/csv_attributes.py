"""Attributes as buildx takes them: one record of CSV, `type=registry,ref=…`."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def joined(*attributes: str) -> str:
    """Return the entry with these attributes, each `name=value`."""
    return ",".join(map(quoted, attributes))


def pairs(entry: str) -> Sequence[tuple[str, str]]:
    """Return an entry's attributes; names are lower-cased, and a bare reference is `ref`."""
    parts = [field.partition("=") for field in fields(entry)]
    return [(name.lower(), value) if equals else ("ref", name) for name, equals, value in parts]


def fields(entry: str) -> tuple[str, ...]:
    """Return an entry's fields; malformed CSV is one field, which buildx will refuse."""
    try:
        return tuple(next(csv.reader([entry]), []))
    except csv.Error:
        return (entry,)


def quoted(field: str) -> str:
    """Quote a field that contains a comma or a quote."""
    if "," in field or '"' in field:
        return '"' + field.replace('"', '""') + '"'
    return field
