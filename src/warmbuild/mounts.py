"""Mounts: what the container of a run shares with its job; everything else is lost with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the kernel makes up in every container.
_OF_KERNEL: Final = ("/dev", "/proc", "/sys")
# In /proc/PID/mountinfo, a byte that would end a field is three octal digits.
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
# Position of the mount point in a line of mountinfo (proc_pid_mountinfo(5)).
_POINT: Final = 4


@frozen
class Mounts:
    """What a container shares with its job; outside of one, everything is shared."""

    points: Sequence[str] | None = None  # Where something is mounted; None outside of a container
    has_own_files: bool = True  # Whether an input may mean a file that the image brings

    def hold(self, path: str) -> bool:
        """Return whether the job has what is at an absolute path without links."""
        return self.points is None or _is_below(path, self.points)


def is_of_kernel(path: str) -> bool:
    """Return whether an absolute path is a device or a stream, such as /dev/stdout."""
    return _is_below(path, _OF_KERNEL)


def points(mountinfo: str) -> Sequence[str]:
    """Return the places where something is mounted that a user may have wanted there.

    `mountinfo` is the text of /proc/self/mountinfo. The container's own root is none of them.
    """
    fields = (line.split(" ") for line in mountinfo.splitlines())
    found = (_OCTAL.sub(_byte, line[_POINT]) for line in fields if len(line) > _POINT)
    return tuple(place for place in found if place != "/" and not is_of_kernel(place))


def _byte(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def _is_below(path: str, directories: Sequence[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in directories)
