"""What BuildKit warns of in a Dockerfile: told while it builds, or as the answer of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warmbuild import loose

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
    file, line = loose.child(item, "sourceInfo"), _line(loose.children(item, "range"))
    # The text ends in the line's number, which is told apart here.
    text = loose.binary(item.get("short")).decode(errors="replace")
    return Warned(
        text=" ".join(text.split()).removesuffix(f" (line {line})"),
        url=loose.text(item, "url"),
        file=loose.text(file, "filename"),
        line=line,
        source=loose.binary(file.get("data")),
    )


def answered(result: Mapping[str, object]) -> tuple[Warned, ...]:
    """Return what a check found; `result` is what buildx's metadata has of the answer."""
    files = dict(enumerate(loose.children(result, "sources")))
    return tuple(_found(item, files) for item in loose.children(result, "warnings"))


def _found(item: Mapping[str, object], files: Mapping[int, Mapping[str, object]]) -> Warned:
    place = loose.child(item, "location")
    file = files.get(loose.number(place, "sourceIndex"), {})
    what = loose.text(item, "detail") or loose.text(item, "description")
    return Warned(
        text=f"{loose.text(item, 'ruleName')}: {what}",
        url=loose.text(item, "url"),
        file=loose.text(file, "filename"),
        line=_line(loose.children(place, "ranges")),
        source=loose.binary(file.get("data")),
    )


def _line(ranges: Iterable[Mapping[str, object]]) -> int:
    first = next(iter(ranges), {})
    return loose.number(loose.child(first, "start"), "line")
