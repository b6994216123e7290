"""Background processes: start them, and find and stop those of an earlier run.

They are found by program and by a path of the lab in their arguments. So no pid file can be stale,
and no process that the lab did not start is ever stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

POLL_SECONDS = 0.05
LAST_LINES = 15


def start(
    argv: Sequence[str], *, output: Path, errors: Path, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, with its two streams in files made anew.

    The variables of `extra` are added to its environment.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        return subprocess.Popen(  # noqa: S603  a list, never a shell
            argv,
            env={**os.environ, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait up to 30 s for `ready`; raise LabError with the log's last lines if it never is."""
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
            tail = "".join(f"\n    {line}" for line in lines)
            message = f"{process.args!r} did not become ready; the end of {log}:{tail}"
            raise LabError(message)
        time.sleep(POLL_SECONDS)


def find(programs: Collection[str], path: Path) -> list[int]:
    """Return the ids of processes of these programs with `path` in an argument."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            argv = (directory / "cmdline").read_text(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if Path(argv[0]).name in programs and any(str(path) in argument for argument in argv):
            found.append(int(directory.name))
    return found


def children(parents: Collection[int]) -> list[int]:
    """Return the ids of all processes below `parents`."""
    below: list[int] = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            stat = (directory / "stat").read_text(errors="replace")
        except OSError:
            continue
        # "pid (name) state parent ...", and the name may hold blanks and brackets.
        if int(stat.rpartition(")")[2].split()[1]) in parents:
            below.append(int(directory.name))
    return below + children(below) if below else below


def stop(pids: Collection[int], *, number: signal.Signals, seconds: float) -> None:
    """Signal these processes and wait up to `seconds` for their end; kill those that are left."""
    _signal(pids, number)
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _signal(left, signal.SIGKILL)


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
