"""Where the git directory of a checkout lies.

The layout is documented in git's "gitrepository-layout". Reading the files directly needs no git
program, and no `safe.directory` for the user of a container.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.run_context import is_commit

if TYPE_CHECKING:
    from pathlib import Path

    from warmbuild.files import ReadText

_LINK: Final = "gitdir: "


@frozen
class WorkTree:
    """A checkout of a repository."""

    root: Path  # the top directory
    own: Path  # the git directory with HEAD and the index; each linked work tree has its own
    common: Path  # the git directory with refs, objects and config, shared by linked work trees


def find(directory: Path, read_text: ReadText) -> WorkTree | None:
    """Return the work tree that an absolute directory lies in, or None."""
    for place in (directory, *directory.parents):
        own = place / ".git"
        if read_text(str(own / "HEAD")) is None:
            link = read_text(str(own)) or ""
            if not link.startswith(_LINK):
                continue
            own = place / link.removeprefix(_LINK).strip()
        common = own / (read_text(str(own / "commondir")) or "").strip()
        return WorkTree(root=place, own=own, common=common)
    return None


def head(tree: WorkTree, read_text: ReadText) -> tuple[str, str]:
    """Return the ref that HEAD names, "" if it names a commit, and the commit, "" if unknown."""

    def text(path: Path) -> str:
        return (read_text(str(path)) or "").strip()

    found = text(tree.own / "HEAD")
    ref = found.removeprefix("ref: ") if found.startswith("ref: ") else ""
    if ref:
        packed = text(tree.common / "packed-refs").splitlines()
        commits = (line.removesuffix(f" {ref}") for line in packed if line.endswith(f" {ref}"))
        found = text(tree.common / ref) or next(filter(is_commit, commits), "")
    return ref, found if is_commit(found) else ""
