"""Files as text: read if possible, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

# `read_text`, as an argument of modules that may not read files themselves.
ReadText: TypeAlias = Callable[[str], str | None]


def read_text(path: str | Path) -> str | None:
    """Return a file's text, or None if it cannot be read.

    Bytes that are not UTF-8 become U+FFFD, as when Docker's and GitHub's programs read JSON.
    """
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return None


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file atomically, for other processes may use it; raises OSError."""
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
