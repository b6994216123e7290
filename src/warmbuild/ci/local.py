"""A laptop, or a CI system that has no module yet: the branch comes from git's own files.

The files are read as git's "gitrepository-layout" describes them, so that no git program is
needed, and no repository has to be declared safe for the user of a container.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "local"
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


def detect(env: Mapping[str, str]) -> bool:  # noqa: ARG001
    """Say yes: this is the last in the list."""
    return True


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read branch, commit and default branch of the repository that `directory` lies in."""
    found = _git_directory(PurePosixPath(directory), read_text)
    if found is None:
        return RunContext(ci=NAME, event="local")
    common = _common_directory(found, read_text)

    def text(path: PurePosixPath) -> str:
        return (read_text(str(path)) or "").strip()

    head = text(found / "HEAD")
    name = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    packed = {
        name: commit
        for line in text(common / "packed-refs").splitlines()
        for commit, _, name in [line.partition(" ")]
        if _COMMIT.fullmatch(commit)
    }
    commit = (text(common / name) or packed.get(name, "")) if name else head
    origin = text(common / "refs/remotes/origin/HEAD")
    return RunContext(
        ci=NAME,
        event="local",
        branch=_branch(name),
        default_branch=origin.removeprefix("ref: refs/remotes/origin/") if origin else "",
        commit=commit if _COMMIT.fullmatch(commit) else "",
    )


def _branch(ref: str) -> str:
    """Return the branch of a symbolic ref; a reftable repository has a dummy in its HEAD."""
    name = ref.removeprefix("refs/heads/")
    return "" if name in {ref, ".invalid"} else name


def _git_directory(directory: PurePosixPath, read_text: ReadText) -> PurePosixPath | None:
    """Return the git directory of a work tree, a linked one's included."""
    for place in (directory, *directory.parents):
        if read_text(str(place / ".git/HEAD")) is not None:
            return place / ".git"
        link = read_text(str(place / ".git")) or ""
        if link.startswith("gitdir: "):
            return place / link.removeprefix("gitdir: ").strip()
    return None


def _common_directory(git_directory: PurePosixPath, read_text: ReadText) -> PurePosixPath:
    """Return where the refs are: a linked work tree keeps only its HEAD to itself."""
    common = read_text(str(git_directory / "commondir"))
    return git_directory / common.strip() if common else git_directory


known_inputs = plain.known_inputs
inert = plain.inert
open_group = plain.open_group
close_group = plain.close_group
warning = plain.warning
fail = plain.fail
mask = plain.mask
publish_findings = plain.publish_findings
later_file = plain.later_file
output_files = plain.output_files


def publish(env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:
    """Do nothing: output-file and summary-file are all there is."""


def pipeline_file(env: Mapping[str, str]) -> str:  # noqa: ARG001
    """Return nothing: a person started this."""
    return ""
