"""Every error that a user can meet, one exit code a class.

    WarmbuildError
    +-- InputError      2    an input is wrong, so nothing was started
    +-- EngineError     3    no engine, no builder, no buildx, no disk left
    +-- BuildError      4    the build itself failed
    +-- RegistryError   5    a registry refused or did not answer
    +-- CacheError      6    with cache-strict: the image is out, and its cache is not in order
    +-- Stopped         130  interrupted; 143 terminated, as a shell counts signals

Exit code 1 is a bug in warmbuild, and 0 is fine. The codes are public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class WarmbuildError(Exception):
    """Something a user can act on; its text says what happened and what to do."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProblem:
    """One thing that is wrong with one input; `text` never holds the value of a secret."""

    name: str
    text: str


class InputError(WarmbuildError):
    """Inputs that cannot be used, all of them in one error."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Sequence[InputProblem]) -> None:
        """Keep the problems and say all of them, a line each."""
        self.problems = tuple(problems)
        lines = [f"  {problem.name}: {problem.text}" for problem in self.problems]
        count = "one input is" if len(lines) == 1 else f"{len(lines)} inputs are"
        super().__init__("\n".join([f"{count} not usable, so nothing was started:", *lines]))


class EngineError(WarmbuildError):
    """The Docker engine, buildx or the builder is not there or cannot work."""

    exit_code: ClassVar[int] = 3


class BuildError(WarmbuildError):
    """BuildKit refused the Dockerfile, or one of its steps failed."""

    exit_code: ClassVar[int] = 4


class RegistryError(WarmbuildError):
    """A registry that the build needs refused it, or did not answer."""

    exit_code: ClassVar[int] = 5


class CacheError(WarmbuildError):
    """The image is out, but its cache could not be read or written, and cache-strict is on."""

    exit_code: ClassVar[int] = 6

    def __init__(self, lost: Sequence[str]) -> None:
        """Say all that was lost, a line each."""
        lines = [f"  {line}" for line in lost]
        super().__init__("\n".join(["the image is built, and its cache is not in order:", *lines]))


class Stopped(WarmbuildError):  # noqa: N818 (being told to stop is no error of anybody's)
    """The run was told to stop: SIGINT or SIGTERM."""

    def __init__(self, signal_number: int) -> None:
        """Remember which signal it was."""
        self.signal_number = signal_number
        super().__init__("interrupted" if signal_number == _SIGINT else "terminated")

    @property
    def code(self) -> int:
        """The exit code a shell gives a process that died of this signal."""
        return 128 + self.signal_number


_SIGINT = 2
