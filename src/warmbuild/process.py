"""Runs a command and stops it; the only module that imports subprocess."""

from __future__ import annotations

import shlex
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from warmbuild import lazy
from warmbuild.signals import held

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from warmbuild.redaction import Redact
else:
    subprocess = lazy.module("subprocess")

# How long a command may take to stop when it is told to, in seconds; GitHub gives a cancelled
# step 7.5 s, and the builder has to be removed in them too.
_GRACE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended; `output` is its stdout with stderr folded in, as text."""

    code: int
    output: str


class LateError(Exception):
    """A command did not end in time; `output` is what it had printed by then."""

    def __init__(self, output: str) -> None:
        super().__init__("a command did not end in time")
        self.output = output


class Running(Protocol):
    """A command on its way."""

    def lines(self) -> Iterator[str]:
        """Yield what it prints, line by line and at once, without line ends."""

    def wait(self) -> int:
        """Wait for its end and return its exit code."""

    def finish(self, patience: float | None = None) -> Result:
        """Read it to its end; raises LateError if that takes longer than `patience` seconds."""

    def end(self) -> None:
        """Tell it to stop, from another thread; who reads its lines comes to their end."""

    def stop(self, linger: float) -> None:
        """End it: after `linger` seconds in which it may end by itself, politely, then not."""


class Runner(Protocol):
    """Starts commands: `started`, or in a test what answers in its place."""

    def __call__(
        self, argv: Sequence[str], env: Mapping[str, str], *, linger: float = 0
    ) -> AbstractContextManager[Running]:
        """Run a command while the block runs, as `started` does."""


class _Child:
    """A command that runs as a child process."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def lines(self) -> Iterator[str]:
        assert self._child.stdout is not None  # noqa: S101 (for mypy: it was started with a pipe)
        for line in self._child.stdout:
            yield line.decode(errors="replace").rstrip("\r\n")

    def wait(self) -> int:
        return self._child.wait()

    def finish(self, patience: float | None = None) -> Result:
        try:
            output, _ = self._child.communicate(timeout=patience)
        except subprocess.TimeoutExpired as late:
            raise LateError(_text(late.output or b"")) from late
        return Result(code=self._child.returncode, output=_text(output))

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
    """Run a command while the block runs; what is left of it at the end is stopped.

    It gets `linger` seconds to end by itself, for what it should not be interrupted in.
    Raises FileNotFoundError if there is no such program.
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
                    # A terminal's Ctrl-C is for us alone: we stop what builds, and not what
                    # cleans up.
                    process_group=0,
                )
            )
        yield running
    finally:
        if running is not None:
            running.stop(linger)


def run(runner: Runner, argv: Sequence[str], env: Mapping[str, str]) -> Result:
    """Run a command to its end."""
    with runner(argv, env) as running:
        return running.finish()


def shown(argv: Sequence[str], redact: Redact) -> str:
    """Return a command as a person would type it, secrets hidden.

    They are hidden in each argument before it is quoted: quoting may change a secret's text.
    """
    return shlex.join(redact(argument) for argument in argv)
