"""What a .dockerignore excludes from a build's context.

BuildKit's client reads the patterns in the same way: Go's `filepath.Match`, `**`, and `!` for
exceptions; the last pattern that matches decides.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PART: Final = re.compile(r"\*\*/?|\*|\?|\[\^?(?:\\.|[^\]\\])+\]|\\?.", re.DOTALL)
# Such as `**.py`: every path with this end.
_SUFFIX: Final = re.compile(r"\*\*[^/*?\[\\][^*?\[\\]*")


def patterns(text: str) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore; an exception begins with `!`."""
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        pattern = "" if line.startswith("#") else line.strip()
        sign = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            cleaned = posixpath.normpath(pattern)
            found.append(sign + (cleaned.lstrip("/") or cleaned))
    return tuple(found)


def excludes_by_default(found: Sequence[str]) -> bool:
    """Return whether only exceptions (`!`) are in the context."""
    return any(pattern in {"*", "**", "**/*"} for pattern in found)


def matcher(found: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that returns whether a path below the context is excluded."""
    rules = [(pattern[:1] != "!", _expression(pattern.removeprefix("!"))) for pattern in found]

    def is_excluded(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        excluded = False
        for excludes, expression in rules:
            if excludes != excluded and any(map(expression.fullmatch, above)):
                excluded = excludes
        return excluded

    return is_excluded


def _expression(pattern: str) -> re.Pattern[str]:
    if _SUFFIX.fullmatch(pattern):
        return re.compile(f".*{re.escape(pattern[2:])}", re.DOTALL)
    *parts, last = _PART.findall(pattern) or [""]
    text = "".join([*map(_part, parts), ".*" if last.startswith("**") else _part(last)])
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        # BuildKit reports such a pattern and stops; this expression matches nothing.
        return re.compile(r"(?!)")


# Characters with a meaning in Python's sets, but not in Go's.
_IN_SET: Final = re.compile(r"[\[&~|]")


def _part(part: str) -> str:
    if part.startswith("**"):
        return "(?:.*/)?"
    if part in {"*", "?"}:
        return "[^/]*" if part == "*" else "[^/]"
    if part.startswith("[") and len(part) > 1:
        return "[" + _IN_SET.sub(r"\\\g<0>", part[1:-1]) + "]"
    return re.escape(part.removeprefix("\\") or part)
