"""What a CI system tells warmbuild and takes from it: the data of each module here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import tempfile

    from warmbuild.files import ReadText
    from warmbuild.finding import Finding
    from warmbuild.measure import Measure
    from warmbuild.run_context import RunContext
else:
    tempfile = lazy.module("tempfile")

Environment: TypeAlias = Mapping[str, str]


class LossError(Exception):
    """The CI system does not get something without which a run goes on; a sentence says what."""


def say(text: str) -> None:
    """Write a line to standard output in a single write.

    `print` may write the end of a line apart, and always does so in the image, where the output is
    not buffered. A signal between the two writes would leave half a line, and a CI system does not
    recognize a command that follows on it, such as the one that says why the run has failed.
    """
    sys.stdout.write(f"{text}\n")


def warning(text: str, file: str = "", line: int = 0) -> None:
    """Write a warning for a CI system without annotations."""
    say(f"warning: {file}:{line}: {text}" if file else f"warning: {text}")


def fail(text: str, file: str = "", line: int = 0) -> None:  # noqa: ARG001 (the text has them)
    """Write an error for a CI system without annotations."""
    say(f"error: {text}")


def _temporary_file(_env: Environment, name: str) -> tuple[Path, str]:
    path = Path(tempfile.gettempdir(), name)
    return path, str(path)


@frozen
class MergeRequest:
    """A merge request on GitLab, in which a run may keep a note."""

    api: str  # URL of the server's API, version 4
    path: str  # path of the merge request in it
    token: str = field(repr=False)  # the job's
    authorities: str = ""  # file of those that vouch for the server; empty for the usual ones
    job: str  # name of the job
    page: str  # URL of the job
    commit: str


@frozen
class Provider:
    """A CI system; each default suits a system without folding, annotations, masks and outputs."""

    name: str  # as `--ci` takes it and `RunContext.ci` holds it
    detect: Callable[[Environment], bool]  # whether this process runs in the CI system
    context: Callable[[Environment, str, ReadText], RunContext]
    """Read what it knows about this run; the second argument is the working directory."""
    known_inputs: Callable[[Environment, Mapping[str, str]], Mapping[str, str]] = (
        lambda _env, _given: {}
    )
    """Return the inputs that it can fill in; the second argument is the inputs given."""
    refuses_unknown: bool = False  # whether an unknown input is an error, and not a warning
    is_interactive: bool = False  # whether somebody may watch a run on a terminal
    pipeline_file: Callable[[Environment], str] = lambda _env: ""
    """Return the path of the file that describes this run, from the repository's root, or ""."""
    # What these get is without control characters, and no line of it is a command.
    open_group: Callable[[str], None] = lambda title: say(f"== {title}")
    """Begin a part of the log that can be folded."""
    close_group: Callable[[str], None] = lambda _title: None
    open_result: Callable[[], None] = lambda: None
    """Begin what must not be folded, in a CI system whose last group does not end by itself."""
    warning: Callable[[str, str, int], None] = warning
    """Show a warning: its text, and the file and line that it is about ("" and 0 for none)."""
    fail: Callable[[str, str, int], None] = fail
    """Say why the run failed, and at which file and line ("" and 0 for none)."""
    mask: Callable[[str], None] | None = None
    """Have the CI system hide a text of one line in everything that follows, if it can.

    It prints the text, as a command that the CI system does not show.
    """
    publish: Callable[[Environment, Mapping[str, str]], None] = lambda *_: None
    """Hand outputs to the CI system; what was handed over before is replaced.

    This, `summarize`, `measure` and `export` raise LossError if they lose what a run can do
    without.
    """
    summarize: Callable[[Environment, str], bool] = lambda *_: False
    """Hand the Markdown summary to the CI system; return whether it has a place for that."""
    measure: Callable[[Environment, Sequence[Measure]], None] = lambda *_: None
    """Hand the numbers of a run to the CI system, which may compare those of two branches."""
    merge_request: Callable[[Environment], MergeRequest | None] = lambda _env: None
    """Return the merge request of this run, if notes in it are those of this project."""
    export: Callable[[Environment, Mapping[str, str]], None] = lambda *_: None
    """Set variables for the later steps of the job, where a container can do that."""
    publish_findings: Callable[[Environment, Sequence[Finding]], None] = lambda *_: None
    """Hand the findings of the lint to the CI system, which may show them beside the sources."""
    output_files: Callable[[Environment], tuple[Path, ...]] = lambda _env: ()
    """Return the files that a run writes among the sources, to be removed first."""
    shared: Callable[[Environment], Sequence[tuple[str, str]]] = lambda _env: ()
    """Return the directories that the container of a run shares with its job under another name.

    Each is the path that other steps know, and the path here.
    """
    later_file: Callable[[Environment, str], tuple[Path, str]] = _temporary_file
    """Return the path of a file for later steps, and the path by which those steps know it."""
