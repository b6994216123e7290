"""Sizes in bytes, as people write and read them: decimal units."""

from __future__ import annotations

import re
from typing import Final

_SIZE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([kKmMgG]?)[bB]?")
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


def read(text: str) -> int | None:
    """Return a size such as 500MB, 1.5g or 4096; None for any other text."""
    found = _SIZE.fullmatch(text.strip())
    return round(float(found[1]) * _UNITS[found[2].lower()]) if found else None


def shown(size: int) -> str:
    """Return a size in its largest unit: 1.5 GB, 20 MB, 3 kB."""
    if size >= _UNITS["g"]:
        return f"{size / _UNITS['g']:.1f} GB"
    if size >= _UNITS["m"]:
        return f"{size // _UNITS['m']} MB"
    return f"{size // _UNITS['k']} kB" if size >= _UNITS["k"] else f"{size} bytes"
