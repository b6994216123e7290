"""Run slow parts side by side, each after the parts it needs, with a line of progress each."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

QUIET_SECONDS = 0.5  # a part that was there already is not worth a line


class SkippedError(Exception):
    """A part was not tried because one that it needs has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One part of the lab: what makes it, and the names of the tasks that come before it."""

    name: str
    action: Callable[[], object]
    needs: tuple[str, ...] = ()


def say(line: str) -> None:
    """Show one line of progress."""
    print(f"lab: {line}", file=sys.stderr, flush=True)


def run_all(tasks: Sequence[Task]) -> None:
    """Run every task; raise LabError with the messages of those that failed.

    `tasks` are in an order in which each comes after the ones it needs.
    """
    futures: dict[str, Future[None]] = {}
    # One thread per task: a waiting task never keeps a ready one from running.
    with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
        for task in tasks:
            needed = {name: futures[name] for name in task.needs}
            futures[task.name] = pool.submit(_run, task, needed)
    errors = {name: future.exception() for name, future in futures.items()}
    for error in errors.values():
        if error is not None and not isinstance(error, (LabError, SkippedError)):
            raise error
    failures = [f"{name}: {error}" for name, error in errors.items() if isinstance(error, LabError)]
    if failures:
        raise LabError("\n".join(failures))


def _run(task: Task, needed: Mapping[str, Future[None]]) -> None:
    for name, future in needed.items():
        if future.exception() is not None:
            message = f"{task.name} needs {name}"
            raise SkippedError(message)
    start = time.monotonic()
    try:
        task.action()
    except LabError:
        say(f"{task.name}: failed after {time.monotonic() - start:.1f} s")
        raise
    seconds = time.monotonic() - start
    if seconds >= QUIET_SECONDS:
        say(f"{task.name}: {seconds:.1f} s")
