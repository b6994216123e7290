"""Reads BuildKit's warnings about a Dockerfile, from the progress or from the answer of a check."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# How buildx begins the answer of a check, and what it says if a file cannot be checked.
_HEADLINE: Final = "Check complete, "
_ERROR: Final = "error: "


@frozen
class Warned:
    """A warning of BuildKit."""

    text: str
    url: str
    file: str = ""
    line: int = 0
    source: bytes = field(default=b"", repr=False)  # content of the file


def warned(item: Mapping[str, object]) -> Warned:
    """Read a warning of BuildKit's progress."""
    file = untrusted_json.child(item, "sourceInfo")
    line = _line(untrusted_json.children(item, "range"))
    # The text ends in the number of the line, which is a field here.
    text = untrusted_json.binary(item.get("short")).decode(errors="replace")
    return Warned(
        text=" ".join(text.split()).removesuffix(f" (line {line})"),
        url=untrusted_json.text(item, "url"),
        file=untrusted_json.text(file, "filename"),
        line=line,
        source=untrusted_json.binary(file.get("data")),
    )


def answered(result: Mapping[str, object]) -> tuple[Warned, ...]:
    """Read what a check found from `result.json` of buildx's metadata."""
    files = dict(enumerate(untrusted_json.children(result, "sources")))
    return tuple(_found(item, files) for item in untrusted_json.children(result, "warnings"))


def headline(said: Iterable[str], found: Mapping[str, int]) -> str:
    """Return the answer of checks in one line; empty if they did not come to an end.

    `said` is what buildx printed, and `found` has the number of warnings by target.
    """
    lines = list(said)
    counts = [f"{count} in {name}" for name, count in found.items() if count]
    if len(found) > 1 and counts:
        return f"{_HEADLINE}{sum(found.values())} warnings have been found: {', '.join(counts)}"
    kinds = (text for begin in (_ERROR, _HEADLINE) for text in lines if text.startswith(begin))
    return next(kinds, "").removeprefix(_ERROR)


def _found(item: Mapping[str, object], files: Mapping[int, Mapping[str, object]]) -> Warned:
    place = untrusted_json.child(item, "location")
    file = files.get(untrusted_json.number(place, "sourceIndex"), {})
    what = untrusted_json.text(item, "detail") or untrusted_json.text(item, "description")
    return Warned(
        text=f"{untrusted_json.text(item, 'ruleName')}: {what}",
        url=untrusted_json.text(item, "url"),
        file=untrusted_json.text(file, "filename"),
        line=_line(untrusted_json.children(place, "ranges")),
        source=untrusted_json.binary(file.get("data")),
    )


def _line(ranges: Iterable[Mapping[str, object]]) -> int:
    first = next(iter(ranges), {})
    return untrusted_json.number(untrusted_json.child(first, "start"), "line")
