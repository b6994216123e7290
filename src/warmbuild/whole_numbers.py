"""Whole numbers in what others wrote: ASCII digits, as many as Go's programs can hold."""

from __future__ import annotations

import re
from typing import Final

# The greatest number of Go's int64.
MOST: Final = 2**63 - 1
# Python reads digits of all scripts, and takes a time that is quadratic in their number.
_DIGITS: Final = re.compile("[0-9]{1,19}")


def read(text: str) -> int | None:
    """Return the number that a text is; None for any other text."""
    if not _DIGITS.fullmatch(text):
        return None
    found = int(text)
    return found if found <= MOST else None
