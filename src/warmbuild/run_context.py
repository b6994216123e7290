"""RunContext: what a CI system knows about a run, in the same words for all systems."""

from __future__ import annotations

import re
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Final

from warmbuild import trust
from warmbuild.frozen import frozen
from warmbuild.trust import Trust

# The messages of merges by git, GitLab and GitHub.
_MERGE: Final = re.compile(
    r"Merge (?:remote-tracking )?branch '(?:origin/)?(?P<branch>[^']+)'"
    r"|Merge pull request #\d+ from (?P<owner>[^/\s]+)/(?P<source>\S+)"
    # Gitea and Forgejo; a fork's branch is prefixed with the fork and a colon.
    r"|Merge pull request '.*' \(#\d+\) from (?P<ours>[^:\s]+) into \S+"
)
# The temporary branch of GitHub's merge queue, which other CI systems see as a push; the number
# belongs to the last pull request in the group.
_QUEUED: Final = re.compile(r"gh-readonly-queue/(?P<target>.+)/pr-(?P<number>\d+)-[0-9a-f]+")
# The refs of pull requests on git servers.
_PULL: Final = re.compile(r"refs/(?:pull|pull-requests|merge-requests)/(?P<number>\d+)(?:/.*)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


@frozen
class Project:
    """What a CI system knows about the repository, for labels."""

    title: str = ""
    description: str = ""
    url: str = ""
    source: str = ""
    licenses: str = ""  # An SPDX expression


@frozen
class RunContext:
    """The facts about a run; an empty text means unknown or absent.

    The times and the project affect only the names and labels of an image.
    """

    ci: str  # The name of the CI system, one of `ci.NAMES`
    event: str = ""  # What started the run, in the CI system's own word
    branch: str = ""  # The branch whose sources are built: in a pull request its source
    default_branch: str = ""
    target_branch: str = ""  # The branch that a pull request or a merge queue goes into
    merged: str = ""  # The branch of the same repository that the commit has just merged
    tagged: str = ""  # The branch that the tag was set on
    pull_request: int | None = None
    tag: str = ""
    commit: str = ""
    fork: bool = False
    trust: Trust = Trust()  # What the run may do; nothing, unless a CI system says more
    passing: str = ""
    """Why trusted code on a branch has no cache of its own to write, as a clause."""
    server: str = ""  # The host of the git server that the CI system belongs to
    registry: str = ""  # The host of the registry that the CI system belongs to
    git_context: str = ""  # The commit as a git URL for BuildKit; the default build context
    provenance: str = ""  # Attributes of the provenance that an image gets by default
    builder_id: str = ""  # The builder that the provenance names
    begun: datetime | None = field(default=None, compare=False)  # When the run began
    committed: datetime | None = field(default=None, compare=False)  # When the commit was made
    project: Project = field(default=Project(), compare=False)

    @property
    def is_pull_request(self) -> bool:
        """Whether the sources are those of a pull request, even of one without a number."""
        return self.pull_request is not None or bool(self.target_branch)

    def at_time(self, begun: datetime, epoch: str) -> RunContext:
        """Return the context with its times; `epoch`, SOURCE_DATE_EPOCH, is the commit's."""
        committed = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else None
        return replace(self, begun=begun, committed=committed or self.committed)

    def told(self, *, branch: str, default_branch: str) -> RunContext:
        """Return the context with the branches that the user gives, if any.

        Whoever names the branch of a run whose branch is all that was unknown vouches for it.
        """
        vouched = branch and self.trust == trust.NOWHERE
        return replace(
            self,
            branch=branch or self.branch,
            default_branch=default_branch or self.default_branch,
            trust=trust.TRUSTED if vouched else self.trust,
        )

    def on_branch(self, name: str) -> RunContext:
        """Put a run on a branch, or into the merge queue whose temporary branch it is."""
        if not name:
            return replace(self, trust=trust.least(self.trust, trust.NOWHERE))
        if queued := _QUEUED.fullmatch(name):
            return replace(
                self,
                target_branch=queued["target"],
                pull_request=int(queued["number"]),
                passing="a merge queue's commit belongs to no branch yet",
            )
        return replace(self, branch=name)

    def at(self, ref: str) -> RunContext:
        """Put a run on the branch or tag of a full ref, or on neither.

        The ref of a pull request says nothing about its source, so it is untrusted.
        """
        if pull := _PULL.fullmatch(ref):
            return self.of_pull_request(pull["number"], source="", target="", fork=None)
        kind, _, name = ref.removeprefix("refs/").partition("/")
        if kind == "tags" and name:
            return replace(self, tag=name)
        return self.on_branch(name if kind == "heads" else "")

    def pushed(self, ref: str, message: str, owner: str) -> RunContext:
        """Put a run on a full ref; on a branch, also with the branch its commit has merged."""
        found = self.at(ref)
        return replace(found, merged=merged_branch(message, owner)) if found.branch else found

    def of_pull_request(
        self, number: str, *, source: str, target: str, fork: bool | None
    ) -> RunContext:
        """Put a run on a pull request's source branch; `fork` is None if unknown."""
        return replace(
            self,
            branch=source,
            target_branch=target,
            pull_request=int(number) if number.isdecimal() else None,
            fork=bool(fork),
            trust=trust.least(trust.of_source(self.ci, fork=fork), self.trust),
        )


def is_true(text: str) -> bool:
    """Return whether a variable is true for Docker's programs, by Go's `strconv.ParseBool`."""
    return text in {"1", "t", "T", "true", "TRUE", "True"}


def is_false(text: str) -> bool:
    """Return whether a variable is false in the same way."""
    return text in {"0", "f", "F", "false", "FALSE", "False"}


def is_commit(text: str) -> bool:
    """Return whether a text is a full commit hash."""
    return bool(_COMMIT.fullmatch(text))


def moment(text: str) -> datetime | None:
    """Read an ISO 8601 time; None if it is malformed or has no time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def merged_branch(message: str, owner: str) -> str:
    """Return the branch of this repository that a commit has merged, by its message.

    `owner` is the repository's owner. Whoever may push a branch can forge a message, so its cache
    is read only if `cache-trust-merged` is on.
    """
    found = _MERGE.match(message)
    if not found or found["owner"] not in {None, owner}:
        return ""
    return str(found["branch"] or found["source"] or found["ours"])
