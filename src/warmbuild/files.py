"""Files as text: read if that can be done, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

# What is handed to modules that decide from the texts of files.
ReadText: TypeAlias = Callable[[str], str | None]


def read_text(path: str | Path) -> str | None:
    """Return a file's text, or None if it cannot be read.

    A byte that is not UTF-8 becomes U+FFFD, as Docker's and GitHub's own programs read JSON.
    """
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        # ValueError: the path holds a null character.
        return None


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file whole or not at all: another process may read or write it at the same time.

    The umask takes its bits off `mode`. Raises OSError.
    """
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
