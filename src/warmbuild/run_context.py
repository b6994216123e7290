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
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
FORK: Final = "the code comes from a fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a CI system says of the repository, for labels."""

    title: str = ""
    description: str = ""
    url: str = ""
    source: str = ""
    licenses: str = ""
    """An SPDX expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Where a run stands; an empty text is "not known" or "there is none".

    The times and the project decide only the names of an image and its labels.
    """

    ci: str
    """The name of the CI system, one of `ci.NAMES`."""
    event: str = ""
    """What started the run, in the CI system's own word."""
    branch: str = ""
    """The branch whose sources are built: in a pull request its source."""
    default_branch: str = ""
    target_branch: str = ""
    """The branch that a pull request or a merge queue goes into."""
    merged: str = ""
    """The branch of the same repository that the commit has just merged."""
    tagged: str = ""
    """The branch that the tag was set on."""
    pull_request: int | None = None
    tag: str = ""
    commit: str = ""
    fork: bool = False
    untrusted: str = ""
    """Why the code may be of somebody who may not write to the repository: half a sentence."""
    passing: str = ""
    """Why trusted code that has a branch has no cache of its own to write: half a sentence."""
    server: str = ""
    """The host of the git server that the CI system belongs to."""
    registry: str = ""
    """The host of the registry that the CI system belongs to."""
    git_context: str = ""
    """The commit as a git URL that BuildKit fetches; the default build context."""
    provenance: str = ""
    """Attributes of the provenance that an image gets by default."""
    builder_id: str = ""
    """The builder that the provenance names."""
    begun: datetime | None = field(default=None, compare=False)
    """When the run began."""
    committed: datetime | None = field(default=None, compare=False)
    """When the commit was made."""
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

    def pushed(self, ref: str, message: str, owner: str) -> RunContext:
        """Put a run on a full ref; on a branch, with the one that its commit's message merged.

        `owner` is whose repository it is.
        """
        found = self.at(ref)
        return replace(found, merged=merged_branch(message, owner)) if found.branch else found

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


def is_commit(text: str) -> bool:
    """Say whether a text is the full name of a commit."""
    return bool(_COMMIT.fullmatch(text))


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
