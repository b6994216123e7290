"""How much a builder's daemon writes: its progress has no bytes of pushes and exports of caches."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from warmbuild.builder import engine_calls, leftovers
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from warmbuild.builder.engine_calls import Address

# What each process in the container has written, to files and connections; see proc_pid_io(5).
_LOOK: Final = ("sh", "-c", "cat /proc/[0-9]*/io")
_WRITTEN: Final = re.compile(r"^wchar: ([0-9]{1,20})$", re.MULTILINE)
# The most that is read, in bytes.
_MOST: Final = 256 * 1024


def written(at: Address | None, builder: str) -> int | None:
    """Return the bytes that the process of a builder which writes most has written so far.

    This is the daemon, or what its connections pass through. None if the builder has no container
    that this run can enter.
    """
    if at is None:
        return None
    found = ""
    with (
        suppress(EngineError, OSError),
        closing(engine_calls.attached(at, leftovers.container(builder), _LOOK)) as connection,
    ):
        found = engine_calls.said(connection, most=_MOST)
    return max(map(int, _WRITTEN.findall(found)), default=None)
