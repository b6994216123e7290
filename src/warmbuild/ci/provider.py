"""What a CI system tells warmbuild and takes from it: the data of each module here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warmbuild.ci import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from warmbuild.files import ReadText
    from warmbuild.finding import Finding
    from warmbuild.run_context import RunContext

    Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A CI system; each default is that of a system without folding, annotations and masks."""

    name: str
    """The name that `--ci` takes and `RunContext.ci` holds."""
    detect: Callable[[Environment], bool]
    """Say whether this process runs in it."""
    context: Callable[[Environment, str, ReadText], RunContext]
    """Read what it knows about this run, whose working directory is the second argument."""
    known_inputs: Callable[[Environment, Mapping[str, str]], Mapping[str, str]] = plain.known_inputs
    """Return the inputs that it can fill in by itself; the second argument are those given."""
    pipeline_file: Callable[[Environment], str] = plain.pipeline_file
    """Return the file that describes this run, from the repository's root; "" for none."""
    inert: Callable[[str], str] = plain.inert
    """Return a line that the CI system takes for no command."""
    open_group: Callable[[str], None] = plain.open_group
    """Begin a part of the log that can be folded."""
    close_group: Callable[[], None] = plain.close_group
    """End that part."""
    warning: Callable[[str, str, int], None] = plain.warning
    """Show a warning: its text, and the file and line it is about ("" and 0 for none)."""
    fail: Callable[[str], None] = plain.fail
    """Say why the run failed."""
    mask: Callable[[str], None] = plain.mask
    """Have the CI system hide a text in everything that follows."""
    publish: Callable[[Environment, Mapping[str, str], str], None] = plain.publish
    """Hand outputs and the Markdown summary to the CI system."""
    publish_findings: Callable[[Environment, Sequence[Finding]], None] = plain.publish_findings
    """Hand what the lints found to the CI system, which may show it beside the sources."""
    output_files: Callable[[Environment], tuple[Path, ...]] = plain.output_files
    """Return the files that `publish` writes among the sources, to be removed first."""
    later_file: Callable[[Environment, str], tuple[Path, str]] = plain.later_file
    """Return where a file of this name is written for later steps, and what they call it."""
