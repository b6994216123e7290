"""A laptop, or a CI system without a module yet: the branch comes from git's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import trust
from warmbuild.ci.provider import Environment, Provider
from warmbuild.project import git_directory
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from warmbuild.files import ReadText

_NAME: Final = "local"


def _context(_env: Environment, directory: str, read_text: ReadText) -> RunContext:
    run = RunContext(ci=_NAME, event="local", trust=trust.LOCAL)
    tree = git_directory.find(Path(directory), read_text)
    if tree is None:
        return run
    ref, commit = git_directory.head(tree, read_text)
    # HEAD of a reftable repository holds refs/heads/.invalid.
    branch = ref.removeprefix("refs/heads/")
    origin = (read_text(str(tree.common / "refs/remotes/origin/HEAD")) or "").strip()
    return replace(
        run,
        branch="" if branch in {ref, ".invalid"} else branch,
        default_branch=origin.removeprefix("ref: refs/remotes/origin/"),
        commit=commit,
    )


# The last of the list.
PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda _env: True,
    context=_context,
    # Somebody who types a name at a terminal wants to know that it does not exist.
    refuses_unknown=True,
    is_interactive=True,
)
