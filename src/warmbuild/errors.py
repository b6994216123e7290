"""The errors that users can meet, with one exit code for each class.

    WarmbuildError
    +-- InputError      2    an input is wrong; nothing was started
    +-- EngineError     3    no engine, no builder, no buildx, or no disk space left
    +-- BuildError      4    the build failed
    +-- RegistryError   5    a registry refused a request or did not answer
    +-- CacheError      6    with cache-strict: the image is built, but its cache failed
    +-- Stopped         130  interrupted; 143 if terminated, 129 if hung up, 131 if quit, as in a
                             shell

Exit code 0 is success, and 1 a bug in warmbuild. The codes are public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


class WarmbuildError(Exception):
    """An error that a user can act on; its text says what happened and what to do."""

    exit_code: int = 1
    # What it is about, from the repository's root, for CI systems that show it there.
    file: str = ""
    line: int = 0


@frozen
class InputProblem:
    """What is wrong with one input; `text` never contains a secret."""

    name: str
    text: str


class InputError(WarmbuildError):
    """Inputs that cannot be used, all in one error."""

    exit_code = 2

    def __init__(self, problems: Sequence[InputProblem]) -> None:
        self.problems = tuple(problems)
        lines = [f"  {problem.name}: {problem.text}" for problem in self.problems]
        count = "one input is" if len(lines) == 1 else f"{len(lines)} inputs are"
        super().__init__("\n".join([f"{count} not usable, so nothing was started:", *lines]))


class EngineError(WarmbuildError):
    """The Docker engine, buildx or the builder is missing or does not work."""

    exit_code = 3


class BuildError(WarmbuildError):
    """BuildKit refused the Dockerfile, or one of its steps failed."""

    exit_code = 4


class RegistryError(WarmbuildError):
    """A registry that the build needs refused a request or did not answer."""

    exit_code = 5


class CacheError(WarmbuildError):
    """The image is built, but its cache could not be read or written, and cache-strict is on."""

    exit_code = 6

    def __init__(self, losses: Sequence[str]) -> None:
        lines = ["the image is built, but its cache could not be read or written:"]
        super().__init__("\n  ".join([*lines, *losses]))


class Stopped(WarmbuildError):  # noqa: N818 (a request to stop is not an error)
    """The run was told to stop, by SIGINT, SIGTERM, SIGHUP or SIGQUIT."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted" if signal_number == _SIGINT else "terminated")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


_SIGINT: Final = 2
