"""What BuildKit warns of in a Dockerfile: told while it builds, or as the answer of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What buildx heads the answer of a check with.
HEADLINE: Final = "Check complete, "


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning of BuildKit; `source` is the text of the file it is about, empty for none."""

    text: str
    url: str
    file: str = ""
    line: int = 0
    source: bytes = field(default=b"", repr=False)


def warned(item: Mapping[str, object]) -> Warned:
    """Read a warning of BuildKit's progress."""
    file, line = (
        untrusted_json.child(item, "sourceInfo"),
        _line(untrusted_json.children(item, "range")),
    )
    # The text ends in the line's number, which is told apart here.
    text = untrusted_json.binary(item.get("short")).decode(errors="replace")
    return Warned(
        text=" ".join(text.split()).removesuffix(f" (line {line})"),
        url=untrusted_json.text(item, "url"),
        file=untrusted_json.text(file, "filename"),
        line=line,
        source=untrusted_json.binary(file.get("data")),
    )


def answered(result: Mapping[str, object]) -> tuple[Warned, ...]:
    """Return what a check found; `result` is what buildx's metadata has of the answer."""
    files = dict(enumerate(untrusted_json.children(result, "sources")))
    return tuple(_found(item, files) for item in untrusted_json.children(result, "warnings"))


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
