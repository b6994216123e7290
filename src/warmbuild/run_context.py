"""RunContext: what a CI system knows about a run, in one vocabulary for all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

# What git writes of a merge by itself, and GitLab and GitHub when they merge.
_MERGE: Final = re.compile(
    r"Merge (?:remote-tracking )?branch '(?:origin/)?(?P<branch>[^']+)'"
    r"|Merge pull request #\d+ from (?P<owner>[^/\s]+)/(?P<source>\S+)"
    # Gitea and Forgejo; a fork's branch has the fork and a colon before it.
    r"|Merge pull request '.*' \(#\d+\) from (?P<ours>[^:\s]+) into \S+"
)
# The temporary branch of GitHub's merge queue, which every CI system builds that GitHub tells of
# pushes; the number is the last pull request's in the group.
_QUEUED: Final = re.compile(r"gh-readonly-queue/(?P<target>.+)/pr-(?P<number>\d+)-[0-9a-f]+")
# What the servers call the sources of a pull request.
_PULL: Final = re.compile(r"refs/(?:pull|pull-requests|merge-requests)/(?P<number>\d+)(?:/.*)?")
FORK: Final = "the code comes from a fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a CI system says of the repository, for labels; `licenses` is an SPDX expression."""

    title: str = ""
    description: str = ""
    url: str = ""
    source: str = ""
    licenses: str = ""


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
    gets unasked, and `builder_id` is who is named in it as its builder. `begun` is when
    the run began and `committed` when the commit was made; they and the `project` decide nothing
    but how the image is called and what is written on it.
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
    begun: datetime | None = field(default=None, compare=False)
    committed: datetime | None = field(default=None, compare=False)
    project: Project = field(default=Project(), compare=False)

    def at_time(self, begun: datetime, epoch: str) -> RunContext:
        """Return the context with its times; SOURCE_DATE_EPOCH, in seconds, is the commit's."""
        committed = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else None
        return replace(self, begun=begun, committed=committed or self.committed)

    def told(self, *, branch: str, default_branch: str) -> RunContext:
        """Return the context with what the user says of it, where that is anything."""
        return replace(
            self,
            branch=branch or self.branch,
            default_branch=default_branch or self.default_branch,
        )

    def on_branch(self, name: str) -> RunContext:
        """Put a run on a branch, or into a merge queue where it is one's temporary branch."""
        if queued := _QUEUED.fullmatch(name):
            return replace(
                self,
                target_branch=queued["target"],
                pull_request=int(queued["number"]),
                passing="a merge queue's commit belongs to no branch yet",
            )
        return replace(self, branch=name)

    def at(self, ref: str) -> RunContext:
        """Put a run on the branch or tag of a full ref, or on nothing.

        A pull request's is one that nobody says more about, so it is taken for a stranger's.
        """
        if pull := _PULL.fullmatch(ref):
            return self.of_pull_request(pull["number"], source="", target="", fork=None)
        kind, _, name = ref.removeprefix("refs/").partition("/")
        if kind == "heads":
            return self.on_branch(name)
        return replace(self, tag=name if kind == "tags" else "")

    def of_pull_request(
        self, number: str, *, source: str, target: str, fork: bool | None
    ) -> RunContext:
        """Put a run on a pull request's source branch; `fork` is None where nobody says."""
        unknown = f"{self.ci} does not say whether the pull request comes from a fork"
        return replace(
            self,
            branch=source,
            target_branch=target,
            pull_request=int(number) if number.isdecimal() else None,
            fork=bool(fork),
            untrusted=FORK if fork else unknown if fork is None else "",
        )


def is_true(text: str) -> bool:
    """Read a variable of the environment as Docker's programs do, by Go's `strconv.ParseBool`."""
    return text in {"1", "t", "T", "true", "TRUE", "True"}


def is_false(text: str) -> bool:
    """Read a variable that is on unless it is switched off, in the same way."""
    return text in {"0", "f", "F", "false", "FALSE", "False"}


def moment(text: str) -> datetime | None:
    """Read a time as ISO 8601 writes it; None for what is none, or is of no known zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def merged_branch(message: str, owner: str) -> str:
    """Return the branch that a commit's message says it has merged, if it is of this repository.

    `owner` is whose repository it is. A message can say anything: what comes of it is read, and
    only runs of this repository have written it.
    """
    found = _MERGE.match(message)
    if not found or found["owner"] not in {None, owner}:
        return ""
    return str(found["branch"] or found["source"] or found["ours"])
