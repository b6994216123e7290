"""Runs and stops commands; the only module that imports subprocess."""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from warmbuild import lazy
from warmbuild.frozen import frozen
from warmbuild.signals import held, is_stopped

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

else:
    subprocess = lazy.module("subprocess")

# Seconds between SIGTERM and SIGKILL; GitHub gives a cancelled step 7.5 s, in which warmbuild
# has to remove the builder too.
_GRACE: Final = 3
# Seconds that it has to end by itself at most, if the run is told to stop.
_HURRIED: Final = 2.0


@frozen
class Result:
    """How a command ended."""

    code: int  # that of its exit, or the number of the signal that killed it, negative
    output: str  # stdout and stderr, in the order they were written; a last line names that signal


class LateError(Exception):
    """A command did not end in time; `output` is what it has printed so far."""

    def __init__(self, output: str) -> None:
        super().__init__("a command did not end in time")
        self.output = output


class Running(Protocol):
    """A command that runs."""

    def lines(self) -> Iterator[str]:
        """Yield its output as it is printed, line by line, without line ends."""

    def wait(self) -> int:
        """Wait until it ends and return its exit code; a signal that killed it is negative."""

    def finish(self, patience: float) -> Result:
        """Wait until it ends; raises LateError after `patience` seconds."""

    def end(self) -> None:
        """Terminate it, from another thread; `lines` then ends."""

    def stop(self, linger: float) -> None:
        """Wait `linger` seconds for it to end, then terminate it, then kill it."""


class Runner(Protocol):
    """Starts commands: `started`, or a fake in tests."""

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], *, linger: float = 0
    ) -> AbstractContextManager[Running]:
        """Run a command while the block runs, as `started` does."""


class _Child:
    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def lines(self) -> Iterator[str]:
        assert self._child.stdout is not None  # noqa: S101 (for mypy: it was started with a pipe)
        for line in self._child.stdout:
            yield line.decode(errors="replace").rstrip("\r\n")

    def wait(self) -> int:
        return self._child.wait()

    def finish(self, patience: float) -> Result:
        try:
            output, _ = self._child.communicate(timeout=patience)
        except subprocess.TimeoutExpired as late:
            raise LateError(_text(late.output or b"")) from late
        code, text = self._child.returncode, _text(output)
        if killed := death(code):
            text = f"{text}\nERROR: {killed}".lstrip("\n")
        return Result(code=code, output=text)

    def end(self) -> None:
        self._child.terminate()

    def stop(self, linger: float) -> None:
        if not self._ended(linger):
            self._child.send_signal(signal.SIGTERM)
            if not self._ended(_GRACE):
                self._child.kill()
                self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _ended(self, patience: float) -> bool:
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        return True


def _text(output: bytes) -> str:
    return output.decode(errors="replace").replace("\r\n", "\n").removesuffix("\n")


@contextmanager
def started(argv: Sequence[str], env: Mapping[str, str], *, linger: float = 0) -> Iterator[Running]:
    """Run a command while the block runs, then stop it.

    The command has `linger` seconds to end by itself, and fewer if the run is told to stop. Raises
    FileNotFoundError if the program does not exist.
    """
    running = None
    try:
        with held():
            running = _Child(
                subprocess.Popen(  # a list of arguments, no shell
                    list(argv),
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    # Keeps Ctrl-C from the child: warmbuild stops builds itself, but not cleanup.
                    process_group=0,
                    # The lock of the private directory is held for as long as the child lives.
                    close_fds=False,
                )
            )
        yield running
    finally:
        if running is not None:
            running.stop(min(linger, _HURRIED) if is_stopped() else linger)


def run(runner: Runner, argv: Sequence[str], env: Mapping[str, str], *, patience: float) -> Result:
    """Run a command until it ends; raises LateError, and ends it, after `patience` seconds."""
    with runner(argv, env) as running:
        return running.finish(patience)


def answered(
    argv: Sequence[str], env: Mapping[str, str], given: bytes, *, patience: float
) -> Result:
    """Return what a command answers on its standard output to what it is given as its input.

    Raises LateError, after killing it, if it does not end within `patience` seconds, and OSError
    if it cannot be started.
    """
    child = None
    try:
        with held():
            child = subprocess.Popen(  # a list of arguments, no shell
                list(argv),
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        output, _ = child.communicate(given, timeout=patience)
        return Result(code=child.returncode, output=_text(output))
    except subprocess.TimeoutExpired as late:
        raise LateError("") from late
    finally:
        if child is not None:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            for stream in filter(None, (child.stdin, child.stdout)):
                with suppress(OSError):
                    stream.close()


def death(code: int) -> str:
    """Return which signal killed a command that ended so, as a sentence; empty if none did."""
    if code >= 0:
        return ""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    why = ". Perhaps the machine ran out of memory" if -code == signal.SIGKILL else ""
    return f"it was killed by signal {-code} ({name}){why}"


def shown(argv: Sequence[str], redact: Callable[[str], str]) -> str:
    """Return a command as a person would type it, with secrets hidden.

    Secrets are hidden before arguments are quoted, because quoting may change their text.
    """
    return shlex.join(redact(argument) for argument in argv)
