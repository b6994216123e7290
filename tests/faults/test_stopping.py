"""A run that is told to stop stops soon, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Ended, Lab, Registry, Run, Warmbuild

# GitHub kills a cancelled step after 7.5 s and GitLab one after 10 s.
SOON = 7.5
# Seconds after the first instruction of a run.
MOMENTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5)
SLEEPER = "FROM busybox:1.37\nRUN echo has begun; sleep 60\n"


def kill_process(run: Run, number: int) -> None:
    """Signal the process alone, as a CI system's runner does."""
    os.kill(run.process.pid, number)


def kill_group(run: Run, number: int) -> None:
    """Signal buildx and warmbuild at once, as a terminal does at Ctrl-C."""
    os.killpg(run.process.pid, number)


@pytest.mark.parametrize(
    ("number", "kill", "code", "word"),
    [
        pytest.param(signal.SIGTERM, kill_process, 143, "terminated", id="SIGTERM"),
        pytest.param(signal.SIGINT, kill_process, 130, "interrupted", id="SIGINT"),
        pytest.param(signal.SIGINT, kill_group, 130, "interrupted", id="Ctrl-C"),
        pytest.param(signal.SIGHUP, kill_process, 129, "terminated", id="SIGHUP"),
        pytest.param(signal.SIGQUIT, kill_process, 131, "terminated", id="SIGQUIT"),
    ],
)
def test_a_build_that_is_stopped_leaves_nothing(
    number: int,
    kill: Callable[[Run, int], None],
    code: int,
    word: str,
    *,
    warmbuild: Warmbuild,
    auth_registry: Registry,
    lab: Lab,
    secured: str,
    project: Callable[..., Path],
) -> None:
    run = warmbuild.start(
        project(SLEEPER), image=secured, username=lab.username, password=lab.password
    )
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    # It is all there while the build runs, or its absence would show nothing.
    assert len(warmbuild.remains(run.builder)) == 2
    (private,) = warmbuild.temporary.iterdir()
    assert private.stat().st_mode & 0o777 == 0o700
    assert lab.basic in (private / "docker" / "config.json").read_text()
    assert len(processes_of(run)) == 2

    begun = time.monotonic()
    kill(run, number)
    ended = run.end()
    assert time.monotonic() - begun < SOON
    assert ended.code == code
    assert f"error: warmbuild was {word}; everything it had created is removed" in ended.errors
    assert warmbuild.remains(ended.builder) == [], ended.log
    assert list(warmbuild.temporary.iterdir()) == []
    assert processes_of(run) == []
    assert not ended.outputs.get("digest")
    assert auth_registry.tags(secured) == []


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT], ids=str
)
def test_a_signal_at_any_moment_from_the_first_instruction_on(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    number: signal.Signals,
    times: int,
) -> None:
    place = project(SLEEPER)

    def one(moment: float) -> Ended:
        run = warmbuild.start(place, image=repository)
        while not run.has_begun:
            assert run.process.poll() is None, run.log
        time.sleep(moment)
        for _ in range(times):
            os.kill(run.process.pid, number)
            time.sleep(0.1)
        return run.end()

    with ThreadPoolExecutor(2) as pool:
        for ended in pool.map(one, MOMENTS):
            assert ended.code == 128 + number
            # A run that has not begun says nothing.
            if ended.log:
                Case(code=128 + number, said="error: warmbuild was ", seconds=30).check(ended)
    assert list(warmbuild.temporary.iterdir()) == []
    assert warmbuild.builders_left() == []


def has_volume(warmbuild: Warmbuild, run: Run) -> bool:
    return len(warmbuild.remains(run.builder)) > 0


def has_both(warmbuild: Warmbuild, run: Run) -> bool:
    return len(warmbuild.remains(run.builder)) > 1


def is_up(warmbuild: Warmbuild, run: Run) -> bool:  # noqa: ARG001 (as the others are called)
    return "is up after" in run.log


def at_once(warmbuild: Warmbuild, run: Run) -> bool:  # noqa: ARG001 (as the others are called)
    return True


@pytest.mark.parametrize("moment", [at_once, has_volume, has_both, is_up])
def test_a_builder_that_is_stopped_while_it_boots_is_removed(
    moment: Callable[[Warmbuild, Run], bool],
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
) -> None:
    run = warmbuild.start(project(SLEEPER), image=repository)
    run.wait_for(r"^\+ docker buildx create ")
    deadline = time.monotonic() + SOON
    while not moment(warmbuild, run):
        assert time.monotonic() < deadline, run.log
    os.kill(run.process.pid, signal.SIGTERM)
    ended = run.end()
    assert ended.code == 143, ended.log
    assert warmbuild.remains(ended.builder) == [], ended.log
    assert list(warmbuild.temporary.iterdir()) == []
    assert processes_of(run) == []


def test_an_impatient_ctrl_c_does_not_keep_the_builder_from_being_removed(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    run = warmbuild.start(project(SLEEPER), image=repository)
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    deadline = time.monotonic() + 60
    while run.process.poll() is None:
        assert time.monotonic() < deadline, run.log
        kill_group(run, signal.SIGINT)
        time.sleep(0.05)
    ended = run.end()
    assert ended.code == 130
    assert "error: warmbuild was interrupted; everything it had created is removed" in ended.errors
    assert ended.warnings == []
    assert warmbuild.remains(ended.builder) == [], ended.log
    assert list(warmbuild.temporary.iterdir()) == []


# A run whose end takes a moment, in which it is told to stop; coverage writes its figures there.
ENDING = """
import os, signal, sys, time
from warmbuild import cli, signals

def ending(code):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(os.getpid(), number)
    time.sleep(0.5)
    print("it ends by itself", flush=True)
    ends(code)

ends, os._exit = os._exit, ending
"""


@pytest.mark.parametrize(
    ("way", "code"),
    [
        pytest.param("sys.argv[1:] = ['--bad']; cli.entry()", 2, id="after a run"),
        pytest.param(
            "signals.end_at_once(); os.kill(os.getpid(), signal.SIGTERM)", 143, id="at its start"
        ),
    ],
)
def test_a_signal_does_not_interrupt_the_exit(way: str, code: int) -> None:
    done = subprocess.run(  # noqa: S603 (Python)
        [sys.executable, "-c", f"{ENDING}\n{way}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1:] == ["it ends by itself"], done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


# A module that is told to stop while it is imported, and goes on for a while.
STOPPED_IMPORT = """
import os, signal, time
print("begins")
os.kill(os.getpid(), signal.SIGTERM)
for _ in range(10):
    time.sleep(0.1)
whole = True
print("ends")
"""
IMPORTING = """
import sys, time
from warmbuild import errors, lazy, signals
signals._MOST_EARLY_IN_IMPORT = int(sys.argv[1])
signals.install()
stopped_import = lazy.module("stopped_import")
try:
    stopped_import.whole
    time.sleep(60)
except errors.Stopped:
    print("stopped")
    if "stopped_import" in sys.modules:
        print(stopped_import.whole)
"""


@pytest.mark.parametrize(
    ("most", "printed"),
    [
        pytest.param(100, ["begins", "ends", "stopped", "True"], id="waits for its end"),
        pytest.param(6, ["begins", "stopped"], id="waits no longer than for an import"),
    ],
)
def test_a_signal_in_an_import(most: int, printed: list[str], tmp_path: Path) -> None:
    """A module without its second half would fail wherever it is used next."""
    (tmp_path / "stopped_import.py").write_text(STOPPED_IMPORT)
    done = subprocess.run(  # noqa: S603 (Python)
        [sys.executable, "-c", IMPORTING, str(most)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    assert done.stdout.splitlines() == printed, done.stderr


# An object that is told to stop while Python discards it, and again in the hook that hears of that.
DISCARDED = """
import os, signal, time
from warmbuild import errors, signals
__package__ = "warmbuild"
handle = signals._handle

def once_more(handler):
    handle(handler)
    os.kill(os.getpid(), signal.SIGTERM)

class Discarded:
    def __del__(self):
        signals._handle = once_more
        os.kill(os.getpid(), signal.SIGTERM)

signals.install()
try:
    Discarded()
    time.sleep(20)
except errors.Stopped:
    print("stopped")
"""


def test_a_signal_is_not_lost_where_python_drops_exceptions() -> None:
    done = subprocess.run(  # noqa: S603 (Python)
        [sys.executable, "-c", DISCARDED], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.stdout, done.stderr) == ("stopped\n", "")


def processes_of(run: Run) -> list[str]:
    """Return the command lines of what is still there of a run's session."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            _, _, rest = (directory / "stat").read_text().rpartition(") ")
            state, _, _, session, *_ = rest.split()
            if int(session) == run.process.pid and state != "Z":
                found.append((directory / "cmdline").read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
