"""What a CI system has to tell and to take: the Protocol that each module here satisfies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from warmbuild.finding import Finding
    from warmbuild.run_context import RunContext

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

    def warning(self, text: str, file: str = "", line: int = 0) -> None:
        """Say something that the user would want to mend, and in which line of which file."""

    def fail(self, text: str) -> None:
        """Say why the run failed."""

    def mask(self, secret: str) -> None:
        """Have the CI system hide a text in everything that follows."""

    def publish(self, env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:
        """Hand outputs and the Markdown summary to the CI system; each output is one line."""

    def publish_findings(self, env: Mapping[str, str], findings: Sequence[Finding]) -> None:
        """Hand what the lints found to the CI system, which may show it beside the sources."""

    def pipeline_file(self, env: Mapping[str, str]) -> str:
        """Return the file that describes this run, from the repository's root; "" for none."""

    def output_files(self, env: Mapping[str, str]) -> tuple[Path, ...]:
        """Return the files that it writes among the sources, to be removed first."""

    def later_file(self, env: Mapping[str, str], name: str) -> tuple[Path, str]:
        """Return where a file for later steps is written, and what they call it."""
