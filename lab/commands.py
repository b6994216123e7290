"""Run a command to its end; when it fails, say which one and show its last lines."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LAST_LINES = 15


def run(
    argv: Sequence[str], *, cwd: Path | None = None, extra: Mapping[str, str] | None = None
) -> str:
    """Run `argv` with the variables of `extra` added; return what it printed to stdout.

    Raises LabError when the program is missing or its exit code is not 0.
    """
    try:
        done = subprocess.run(  # noqa: S603  a list, never a shell
            argv,
            cwd=cwd,
            env={**os.environ, **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        message = f"{argv[0]} is not installed, but the lab needs it."
        raise LabError(message) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        tail = "".join(f"\n    {line}" for line in lines)
        message = f"command failed with exit code {done.returncode}: {shlex.join(argv)}{tail}"
        raise LabError(message)
    return done.stdout
