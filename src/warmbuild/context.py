"""RunContext: what a CI system knows about a run, in one vocabulary for all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

# What git writes of a merge by itself, and GitLab and GitHub when they merge.
_MERGE: Final = re.compile(
    r"Merge (?:remote-tracking )?branch '(?:origin/)?(?P<branch>[^']+)'"
    r"|Merge pull request #\d+ from (?P<owner>[^/\s]+)/(?P<source>\S+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Where a run stands; an empty text is "not known" or "there is none".

    `event` is the CI system's own word. `branch` is the branch whose sources are built: in a pull
    request its source. `untrusted` is the reason, as half a sentence, why the code may come from
    somebody who may not write to the repository, and is empty where it cannot; `passing` is the
    reason why trusted code that has a branch still has no cache of its own to write. `server` is
    the host of the git server that the CI system belongs to, and `registry` that of its registry.
    `merged` is the branch of the same repository that the commit has just merged, `tagged` the one
    that the tag was set on. `git_context` is the commit as a git URL that BuildKit fetches, to be
    built where no context is given; `provenance` are the attributes of the provenance that an image
    gets unasked, and `builder_id` is who is named in it as its builder.
    """

    ci: str
    event: str = ""
    branch: str = ""
    default_branch: str = ""
    target_branch: str = ""
    merged: str = ""
    tagged: str = ""
    pull_request: int | None = None
    tag: str = ""
    commit: str = ""
    fork: bool = False
    untrusted: str = ""
    passing: str = ""
    server: str = ""
    registry: str = ""
    git_context: str = ""
    provenance: str = ""
    builder_id: str = ""

    def told(self, *, branch: str, default_branch: str) -> RunContext:
        """Return the context with what the user says of it, where that is anything."""
        return replace(
            self,
            branch=branch or self.branch,
            default_branch=default_branch or self.default_branch,
        )


def is_true(text: str) -> bool:
    """Read a variable of the environment as Docker's programs do, by Go's `strconv.ParseBool`."""
    return text in {"1", "t", "T", "true", "TRUE", "True"}


def is_false(text: str) -> bool:
    """Read a variable that is on unless it is switched off, in the same way."""
    return text in {"0", "f", "F", "false", "FALSE", "False"}


def merged_branch(message: str, owner: str) -> str:
    """Return the branch that a commit's message says it has merged, if it is of this repository.

    `owner` is whose repository it is. A message can say anything: what comes of it is read, and
    only runs of this repository have written it.
    """
    found = _MERGE.match(message)
    if not found or found["owner"] not in {None, owner}:
        return ""
    return str(found["branch"] or found["source"])
