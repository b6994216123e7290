"""Which process created something, so that what a dead one has left can be told from the rest.

A process is known by its number, by when it began, by the namespace that counts it, and by the boot
of its kernel. Only the same kernel and namespace can say whether it is dead.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from warmbuild.files import read_text
from warmbuild.frozen import frozen

# Label of the volumes of builders; the lock of a private directory holds the same text.
LABEL: Final = "io.github.warmbuild.owner"
# In bytes.
LONGEST: Final = 256
_FORM: Final = re.compile(
    r"user=[0-9]{1,10} pid=(?P<process>[0-9]{1,10}) begun=(?P<begun>[0-9]{1,20}) "
    r"pids=(?P<namespace>[0-9]{1,20}) boot=(?P<boot>[0-9a-f-]{36}) at=\S{1,40}"
)
# Identifies the running kernel, also inside a container.
_KERNEL: Final = "/proc/sys/kernel/random/boot_id"
# Where the beginning of a process is among the words of its `stat`, counted from its state: the
# words before may hold anything (proc_pid_stat(5)).
_BEGUN: Final = 19


@frozen
class _Owner:
    process: str
    begun: str
    namespace: str
    boot: str


def own() -> str:
    """Return what this process writes on what it creates; empty if this is not Linux."""
    me = _this()
    if me is None:
        return ""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return (
        f"user={os.geteuid()} pid={me.process} begun={me.begun} pids={me.namespace} "
        f"boot={me.boot} at={now}"
    )


def is_dead(text: str) -> bool:
    """Return whether the process that wrote this is surely dead."""
    return _lives(text) is False


def is_alive(text: str) -> bool:
    """Return whether the process that wrote this surely has not ended."""
    return _lives(text) is True


def _lives(text: str) -> bool | None:
    """Return whether the process that wrote this has not ended; None if that is unknown here."""
    found, me = _FORM.fullmatch(text), _this()
    if not found or me is None:
        return None
    owner = _Owner(**found.groupdict())
    if (owner.boot, owner.namespace) != (me.boot, me.namespace):
        return None
    return _begun(owner.process) == owner.begun


def is_of_this_kernel(text: str) -> bool:
    """Return whether the process that wrote this ran on this kernel, in whatever namespace."""
    found, me = _FORM.fullmatch(text), _this()
    return found is not None and me is not None and found["boot"] == me.boot


def _this() -> _Owner | None:
    process, boot = str(os.getpid()), (read_text(_KERNEL, 64) or "").strip()
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return None
    begun = _begun(process)
    if not begun or not boot:
        return None
    return _Owner(process=process, begun=begun, namespace=str(namespace), boot=boot)


def _begun(process: str) -> str:
    """Return when a process began, in ticks of its kernel; empty if there is none."""
    words = (read_text(f"/proc/{process}/stat", 4096) or "").rpartition(")")[2].split()
    # A zombie has ended.
    return words[_BEGUN] if len(words) > _BEGUN and words[0] not in {"Z", "X"} else ""
