"""What a .dockerignore keeps out of a build's context.

The patterns are read as BuildKit's client reads them: Go's `filepath.Match`, `**`, and `!` for what
comes in all the same; the last pattern that matches decides.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PART: Final = re.compile(r"\*\*/?|\*|\?|\[\^?(?:\\.|[^\]\\])+\]|\\?.", re.DOTALL)
# Such as `**.py`: whatever ends so.
_SUFFIX: Final = re.compile(r"\*\*[^/*?\[\\][^*?\[\\]*")


def patterns(text: str) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore, `!` first where one lets in."""
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        pattern = "" if line.startswith("#") else line.strip()
        sign = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            cleaned = posixpath.normpath(pattern)
            found.append(sign + (cleaned.lstrip("/") or cleaned))
    return tuple(found)


def lets_in_only_what_it_names(found: Sequence[str]) -> bool:
    """Say whether everything is kept out but for what `!` lets in."""
    return any(pattern in {"*", "**", "**/*"} for pattern in found)


def matcher(found: Sequence[str]) -> Callable[[str], bool]:
    """Return what says of a path below the context whether it is kept out."""
    rules = [(pattern[:1] != "!", _expression(pattern.removeprefix("!"))) for pattern in found]

    def is_out(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        out = False
        for keeps_out, expression in rules:
            if keeps_out != out and any(map(expression.fullmatch, above)):
                out = keeps_out
        return out

    return is_out


def _expression(pattern: str) -> re.Pattern[str]:
    if _SUFFIX.fullmatch(pattern):
        return re.compile(f".*{re.escape(pattern[2:])}", re.DOTALL)
    parts = _PART.findall(pattern)
    text = "".join(
        _part(part, last=number == len(parts)) for number, part in enumerate(parts, start=1)
    )
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        # BuildKit refuses such a pattern, and says so.
        return _NEVER


# What means more in a set of Python's than in one of Go's.
_IN_SET: Final = re.compile(r"[\[&~|]")
_ESCAPED: Final = r"\\\g<0>"
_NEVER: Final = re.compile(r"(?!)")


def _part(part: str, *, last: bool) -> str:
    if part.startswith("**"):
        return ".*" if last else "(?:.*/)?"
    if part in {"*", "?"}:
        return "[^/]*" if part == "*" else "[^/]"
    if part.startswith("[") and len(part) > 1:
        return f"[{_IN_SET.sub(_ESCAPED, part[1:-1])}]"
    return re.escape(part.removeprefix("\\") or part)
