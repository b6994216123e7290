"""A laptop, or a CI system without a module yet: the branch comes from git's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import trust
from warmbuild.ci.provider import Environment, Provider
from warmbuild.project import git_directory
from warmbuild.run_context import RunContext, is_commit

if TYPE_CHECKING:
    from warmbuild.files import ReadText

_NAME: Final = "local"


def _context(_env: Environment, directory: str, read_text: ReadText) -> RunContext:
    run = RunContext(ci=_NAME, event="local", trust=trust.LOCAL)
    tree = git_directory.find(Path(directory), read_text)
    if tree is None:
        return run

    def text(path: Path) -> str:
        return (read_text(str(path)) or "").strip()

    head = text(tree.own / "HEAD")
    ref = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    # HEAD of a reftable repository holds refs/heads/.invalid.
    branch, commit = ref.removeprefix("refs/heads/"), head
    if ref:
        packed = text(tree.common / "packed-refs").splitlines()
        commits = (line.removesuffix(f" {ref}") for line in packed if line.endswith(f" {ref}"))
        commit = text(tree.common / ref) or next(filter(is_commit, commits), "")
    origin = text(tree.common / "refs/remotes/origin/HEAD")
    return replace(
        run,
        branch="" if branch in {ref, ".invalid"} else branch,
        default_branch=origin.removeprefix("ref: refs/remotes/origin/"),
        commit=commit if is_commit(commit) else "",
    )


# The last of the list.
PROVIDER: Final = Provider(name=_NAME, detect=lambda _env: True, context=_context)
