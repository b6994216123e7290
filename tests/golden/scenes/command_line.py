"""Command lines that cannot be read, and ends of a run that no build knows."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tests.golden import machine
from tests.golden.machine import Interrupted
from tests.golden.scene import Scene, Subject
from warmbuild.errors import Stopped
from warmbuild.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRONG = (
    ["plan", "--imgae", "x", "--cache=of"],
    ["plan", "app"],
    ["build", "--password", "hunter2"],
    ["build", "--github-token=x"],
    ["plan", "--ci"],
)


def _scenes() -> Iterator[Scene]:
    for argv in _WRONG:
        yield Scene(title=f"warmbuild {' '.join(argv)}", said=machine.run(*argv))
    for title, error in (
        ("interrupted (SIGINT)", Stopped(2)),
        ("terminated (SIGTERM)", Stopped(15)),
        ("terminated (SIGHUP)", Stopped(1)),
    ):
        yield Scene(title=title, said=machine.run("plan", env=Interrupted(error)))
    full = OSError(errno.ENOSPC, "No space left on device", "out.json")
    yield Scene(title="a machine that is full", said=machine.run("plan", env=Interrupted(full)))
    with mock.patch.object(Path, "cwd", side_effect=FileNotFoundError(errno.ENOENT, "gone")):
        said = machine.run("plan", "--image=r.io/a")
    yield Scene(title="a working directory that was removed", said=said)
    with mock.patch.object(Log, "write_as", _leave_behind):
        said = machine.run("plan", env=Interrupted(Stopped(15)))
    yield Scene(title="terminated (SIGTERM), with a builder that stays", said=said)
    bug = machine.run("plan", env=Interrupted(ZeroDivisionError("division by zero")))
    yield Scene(title="a bug, but for its traceback", said=bug.splitlines()[-1])


def _leave_behind(log: Log, _provider: object) -> None:
    """Stand for the removal of a builder that fails."""
    log.left_behind("the builder x could not be removed: the engine does not answer")


SUBJECT = Subject(
    name="command_line", about="Wrong command lines, and what ends a run.", scenes=_scenes
)
