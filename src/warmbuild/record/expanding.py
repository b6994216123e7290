"""The variables and quotes of a Dockerfile's words, as BuildKit's `shell` package reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REFERENCE: Final = (
    r"\$(?:\{(?P<braced>\w+)(?:(?P<sign>:?[-+])(?P<other>[^}$\"'\\`]*))?\}|(?P<name>[A-Za-z_]\w*))"
)
# Without a backquote, which may be the file's escape character.
_BARE: Final = re.compile(
    rf"""{_REFERENCE}|'(?P<single>[^']*)'|(?P<quote>")|\\(?P<escaped>.)|(?P<plain>[^$\\'"`]+)""",
    re.DOTALL,
)
_QUOTED: Final = re.compile(
    rf"""{_REFERENCE}|(?P<quote>")|\\(?P<escaped>["$\\])|(?P<plain>[^$\\"`]+|\\)"""
)


def expanded(
    text: str, values: Mapping[str, str | None], *, unset: str | None = None
) -> str | None:
    """Return a word with its variables and without its quotes; None if only BuildKit knows it.

    `unset` is the value of a variable that is not among `values`.
    """
    found: list[str] = []
    at, is_quoted = 0, False
    while at < len(text):
        piece = (_QUOTED if is_quoted else _BARE).match(text, at)
        if piece is None:
            return None
        at = piece.end()
        match piece.lastgroup:
            case "quote":
                is_quoted = not is_quoted
            case "single" | "escaped" | "plain":
                found.append(piece[piece.lastgroup])
            case _:
                value = _value(piece, values, unset)
                if value is None:
                    return None
                found.append(value)
    return None if is_quoted else "".join(found)


def names(text: str) -> Iterator[str]:
    """Yield the variables that a text refers to."""
    return (found["braced"] or found["name"] for found in _LOOSE.finditer(text))


# Also of what `expanded` does not know, such as ${NAME#prefix}.
_LOOSE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)|(?P<name>[A-Za-z_]\w*))")


def _value(found: re.Match[str], values: Mapping[str, str | None], unset: str | None) -> str | None:
    name, sign = found["braced"] or found["name"], found["sign"] or ""
    value = values.get(name, unset)
    if value is None or not sign:
        return value
    is_set = bool(value) or (":" not in sign and name in values)
    if "-" in sign:
        return value if is_set else found["other"]
    return found["other"] if is_set else ""
