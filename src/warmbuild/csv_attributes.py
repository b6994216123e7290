"""Attributes as buildx takes them: one record of CSV, `type=registry,ref=…`."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def entry(attributes: Mapping[str, str]) -> str:
    """Write an entry of these attributes as `--cache-from` and `--cache-to` take it."""
    return joined(*(f"{name}={value}" for name, value in attributes.items()))


def joined(*attributes: str) -> str:
    """Write one entry of a cache as buildx reads it, which is CSV."""
    return ",".join(map(quoted, attributes))


def pairs(entry: str) -> Sequence[tuple[str, str]]:
    """Split an entry as buildx does: CSV, names in lower case, a bare reference is `ref`."""
    pairs = [field.partition("=") for field in fields(entry)]
    return [(name.lower(), value) if equals else ("ref", name) for name, equals, value in pairs]


def fields(entry: str) -> tuple[str, ...]:
    """Split an entry of such a list as buildx does: it is a record of CSV.

    What is none is left whole, for buildx to refuse.
    """
    try:
        return tuple(next(csv.reader([entry]), []))
    except csv.Error:
        return (entry,)


def quoted(field: str) -> str:
    """Quote a field of an entry that holds a comma or a quote."""
    if "," in field or '"' in field:
        return '"' + field.replace('"', '""') + '"'
    return field
