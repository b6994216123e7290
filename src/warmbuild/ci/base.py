"""What a CI system has to tell and to take: the Protocol that each module here satisfies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from warmbuild.context import RunContext

    # Returns a file's text, or None where there is no such file.
    ReadText = Callable[[str], str | None]


class Provider(Protocol):
    """A CI system; `self` is the module."""

    @property
    def NAME(self) -> str:  # noqa: N802 (a module's constant)
        """The name that `--ci` takes and `RunContext.ci` holds."""

    def detect(self, env: Mapping[str, str]) -> bool:
        """Say whether this process runs in it."""

    def context(self, env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:
        """Read what it knows about this run, which stands in `directory`."""

    def known_inputs(self, env: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, str]:
        """Return the inputs that it can fill in by itself."""

    def inert(self, text: str) -> str:
        """Return a line that the CI system takes for no command."""

    def open_group(self, title: str) -> None:
        """Begin a part of the log that can be folded."""

    def close_group(self) -> None:
        """End it."""

    def warning(self, text: str) -> None:
        """Say something that the user would want to mend."""

    def fail(self, text: str) -> None:
        """Say why the run failed."""

    def mask(self, secret: str) -> None:
        """Have the CI system hide a text in everything that follows."""

    def publish(self, env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:
        """Hand outputs and the Markdown summary to the CI system; each output is one line."""

    def output_files(self, env: Mapping[str, str]) -> tuple[Path, ...]:
        """Return the files of `publish` that would lie among the sources, to be removed first."""
