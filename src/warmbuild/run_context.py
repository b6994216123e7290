"""RunContext: what a CI system knows about a run, in the same words for all systems."""

from __future__ import annotations

import re
from dataclasses import field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from warmbuild import surrogates, trust, whole_numbers
from warmbuild.frozen import frozen
from warmbuild.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

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
# Digits of a commit in a name, as in docker/metadata-action.
_SHORT: Final = 7
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
# Python has no times after the year 9999; every time zone's is before it.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


_Value = TypeVar("_Value", "Project", "RunContext")


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
    source_commit: str = field(default="", compare=False)
    """The last commit of a pull request's source, if `commit` is a merge."""
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
    digits: int = _SHORT  # Of a commit in the names of an image
    named: RunContext | None = None
    """The run as the names and labels of its image tell it, if they tell another ref or commit."""

    naming_note: str = ""  # What nobody would expect of the names, as a sentence

    @property
    def naming(self) -> RunContext:
        """The run as the names and labels of its image tell it."""
        return self.named or self

    @property
    def short_commit(self) -> str:
        """The commit as the names of an image have it."""
        return self.commit[: self.digits]

    @property
    def is_pull_request(self) -> bool:
        """Whether the sources are those of a pull request, even of one without a number."""
        return self.pull_request is not None or bool(self.target_branch)

    def at_time(self, begun: datetime, epoch: str) -> RunContext:
        """Return the context with its times; `epoch`, SOURCE_DATE_EPOCH, is the commit's.

        BuildKit reports an epoch that is no time.
        """
        seconds = whole_numbers.read(epoch)
        is_time = seconds is not None and seconds < _LATEST.timestamp()
        committed = datetime.fromtimestamp(seconds or 0, UTC) if is_time else None
        named = self.named and self.named.at_time(begun, epoch)
        return replace(self, begun=begun, committed=committed or self.committed, named=named)

    def legible(self) -> RunContext:
        """Return the context with an escape for each byte that is not UTF-8.

        Escapes have a backslash, which no branch or tag has, so that names stay apart.
        """
        return replace(_escaped(self), project=_escaped(self.project))

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
                pull_request=whole_numbers.read(queued["number"]),
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

    def checked_out(self, ref: str, commit: str, others: Sequence[str]) -> RunContext:
        """Put a run on what is checked out: a full ref, or if it is empty, the best of others.

        All of them are refs of the commit. If it is the event's own, a tag or a pull request that
        the event names is better than others, and the event's branch is better than another branch.
        """
        is_own = commit == self.commit
        if not ref and is_own and (self.tag or self.pull_request is not None):
            return self
        own = f"refs/heads/{self.branch}"
        ref = ref or next((one for one in others if not one.startswith("refs/heads/")), "")
        ref = ref or next((one for one in (own, *others) if one in others), own if is_own else "")
        found = replace(self, branch="", tag="", pull_request=None, commit=commit).at(ref)
        target_branch = found.target_branch or self.target_branch
        committed = self.committed if is_own else None
        return replace(found, target_branch=target_branch, committed=committed)

    def of_pull_request(
        self, number: str, *, source: str, target: str, fork: bool | None
    ) -> RunContext:
        """Put a run on a pull request's source branch; `fork` is None if unknown."""
        return replace(
            self,
            branch=source,
            target_branch=target,
            pull_request=whole_numbers.read(number),
            fork=bool(fork),
            trust=trust.least(trust.of_source(self.ci, fork=fork), self.trust),
        )


def _escaped(value: _Value) -> _Value:
    """Return a value with all its texts escaped."""
    texts: dict[str, Any] = {
        field.name: surrogates.escaped(text)
        for field in fields(value)
        if isinstance(text := getattr(value, field.name), str)
    }
    return replace(value, **texts)


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
    """Read an ISO 8601 time since 1970; None if it is malformed or has no time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo and _EARLIEST <= found < _LATEST else None


def merged_branch(message: str, owner: str) -> str:
    """Return the branch of this repository that a commit has merged, by its message.

    `owner` is the repository's owner. Whoever may push a branch can forge a message, so its cache
    is read only if `cache-trust-merged` is on.
    """
    found = _MERGE.match(message)
    if not found or found["owner"] not in {None, owner}:
        return ""
    return str(found["branch"] or found["source"] or found["ours"])
