"""Command lines that cannot be read, and ends of a run that no build knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.golden import machine
from tests.golden.machine import Interrupted
from tests.golden.scene import Scene, Subject
from warmbuild.errors import Stopped

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
    bug = machine.run("plan", env=Interrupted(ZeroDivisionError("division by zero")))
    yield Scene(title="a bug, but for its traceback", said=bug.splitlines()[-1])


SUBJECT = Subject(
    name="command_line", about="Wrong command lines, and what ends a run.", scenes=_scenes
)
