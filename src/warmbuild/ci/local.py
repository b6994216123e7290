"""A laptop, or a CI system that has no module yet: the branch comes from git's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci.provider import Provider
from warmbuild.project import git_directory
from warmbuild.run_context import RunContext, is_commit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "local"


def _context(_env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:
    """Read branch, commit and default branch of the repository that `directory` lies in."""
    run = RunContext(ci=_NAME, event="local")
    tree = git_directory.find(Path(directory), read_text)
    if tree is None:
        return run

    def text(path: Path) -> str:
        return (read_text(str(path)) or "").strip()

    head = text(tree.own / "HEAD")
    name = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    packed = {
        name: commit
        for line in text(tree.common / "packed-refs").splitlines()
        for commit, _, name in [line.partition(" ")]
        if is_commit(commit)
    }
    commit = (text(tree.common / name) or packed.get(name, "")) if name else head
    origin = text(tree.common / "refs/remotes/origin/HEAD")
    return replace(
        run,
        branch=_branch(name),
        default_branch=origin.removeprefix("ref: refs/remotes/origin/") if origin else "",
        commit=commit if is_commit(commit) else "",
    )


def _branch(ref: str) -> str:
    """Return the branch of a symbolic ref; a reftable repository has a dummy in its HEAD."""
    name = ref.removeprefix("refs/heads/")
    return "" if name in {ref, ".invalid"} else name


PROVIDER: Final = Provider(
    name=_NAME,
    # The last of the list.
    detect=lambda _env: True,
    context=_context,
)
