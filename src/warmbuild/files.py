"""Files: only regular ones are read, up to a size; written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

# `read_text`, as an argument of modules that may not read files themselves.
ReadText: TypeAlias = Callable[[str], str | None]
# In bytes. The payload of an event has at most 25 MB, and git's index of half a million files 50.
MOST: Final = 64 * 1024 * 1024
# A pipe without a writer does not block, and a terminal does not become this process's own.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file, or a link to one, for reading; raises OSError for anything else."""
    try:
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # the path contains a null character
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    what = "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file"
    raise OSError(errno.EINVAL, what, path)


def read_bytes(path: str | Path, most: int = MOST) -> bytes | None:
    """Return a file's bytes; None if it cannot be read, or is larger than `most`."""
    try:
        with opened(path) as file:
            # Not by the file's size, which is 0 for those of /proc.
            found = file.read(most + 1)
    except OSError:
        return None
    return found if len(found) <= most else None


def read_text(path: str | Path, most: int = MOST) -> str | None:
    """Return a file's text; None if it cannot be read, or is larger than `most` bytes.

    Bytes that are not UTF-8 become U+FFFD, as when Docker's and GitHub's programs read JSON.
    """
    found = read_bytes(path, most)
    if found is None:
        return None
    return found.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def fault(path: str | Path) -> str:
    """Return why a file that an input names cannot be used, as a sentence; empty if it can."""
    try:
        with opened(path) as file:
            is_large = os.fstat(file.fileno()).st_size > MOST
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no file {str(path)!r}."
    except OSError as error:
        return f"{str(path)!r} cannot be read: {error.strerror}."
    return f"{str(path)!r} is larger than {MOST // 1024**2} MB." if is_large else ""


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file atomically, for other processes may use it; raises OSError.

    A link is replaced, and what it points to stays. A lone surrogate, which UTF-8 cannot hold, is
    written as its escape.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
