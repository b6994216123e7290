"""Files: only regular ones are read, up to a size; written whole, or as a user has named them."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# `read_text`, as an argument of modules that may not read files themselves.
ReadText: TypeAlias = Callable[[str], str | None]
# In bytes. The payload of an event has at most 25 MB, and git's index of half a million files 50.
MOST: Final = 64 * 1024 * 1024
# A pipe without a writer does not block, and a terminal does not become this process's own.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

# Seconds for which nothing may read a pipe that is written.
_PIPE_TIMEOUT: Final = 10.0


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


def tree(path: str) -> Iterator[str]:
    """Yield a file, or a directory with all that is below it; a link is followed nowhere."""
    if os.path.lexists(path):
        yield path
    for directory, directories, names in os.walk(path):
        yield from (os.path.join(directory, name) for name in (*directories, *names))  # noqa: PTH118 (fast)


def unwritable(path: str | Path) -> str:
    """Return why a file that an input names cannot be written, as a sentence; empty if it can."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        parent = Path(os.path.realpath(path)).parent
        if not parent.is_dir():
            return f"there is no directory {str(parent)!r}."
        return "" if os.access(parent, os.W_OK | os.X_OK) else f"{str(parent)!r} cannot be written."
    except OSError as error:
        return f"{str(path)!r} cannot be written: {error.strerror}."
    if stat.S_ISDIR(mode):
        return f"{str(path)!r} is a directory."
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        return f"{str(path)!r} is neither a file nor a pipe nor a terminal."
    return "" if os.access(path, os.W_OK) else f"{str(path)!r} cannot be written by this user."


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file as `write_bytes` does.

    A lone surrogate, which UTF-8 cannot hold, is written as its escape.
    """
    write_bytes(path, _encoded(text), mode=mode)


def write_bytes(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file whole or not at all, for other processes may use it; raises OSError.

    A link is replaced, and what it points to stays; so nothing but a regular file or a link may be
    there. `mode` is that of the file, by default as it is.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    there = _mode(path, follow_symlinks=False)
    if there is not None and not (stat.S_ISREG(there) or stat.S_ISLNK(there)):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    if mode is None and there is not None and stat.S_ISREG(there):
        mode = stat.S_IMODE(there)
    # Its name is short, for that of the file may be as long as names can be.
    part = path.with_name(f".{os.urandom(8).hex()}")
    descriptor = os.open(
        part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def is_replaceable(path: str) -> bool:
    """Return whether a file is written as a whole, which may happen several times."""
    there = _mode(Path(path), follow_symlinks=True)
    return there is None or stat.S_ISREG(there)


def write_through(path: Path, text: str) -> None:
    """Write what a user has named: a file whole, at the end of links, anything else as it is.

    Raises OSError, also if nothing reads a pipe.
    """
    there = _mode(path, follow_symlinks=True)
    if is_replaceable(str(path)):
        real = Path(os.path.realpath(path))
        try:
            write_text(real, text)
        except OSError:
            # The directory is not writable, or the file is a mount point, as in a container.
            if there is None or not os.access(real, os.W_OK):
                raise
            real.write_bytes(_encoded(text))
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _write_in_time(descriptor, _encoded(text))
    finally:
        os.close(descriptor)


def _write_in_time(descriptor: int, content: bytes) -> None:
    while content:
        _, ready, _ = select.select([], [descriptor], [], _PIPE_TIMEOUT)
        if not ready:
            raise OSError(errno.ETIMEDOUT, "nothing reads it", None)
        content = content[os.write(descriptor, content) :]


def _mode(path: Path, *, follow_symlinks: bool) -> int | None:
    try:
        return path.stat(follow_symlinks=follow_symlinks).st_mode
    except FileNotFoundError:
        return None


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
