"""The name that was meant, for messages about a name that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import lazy

if TYPE_CHECKING:
    import difflib
    from collections.abc import Iterable
else:
    difflib = lazy.module("difflib")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the name nearest to `name`, or an empty text."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
