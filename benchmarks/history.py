"""The history of a repository, and the environment in which CI builds each of its commits.

Small teams work like this: most commits change only sources, and a few change a dependency. CI
builds each push to a branch or, once the branch has a pull request, the pull request instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What a commit changes; `projects` maps each kind to files.
Change = Literal["source", "template", "tests", "readme", "dependency", "dockerfile"]

MAIN: Final = "main"
_OWNER: Final = "octo-org"
_REPOSITORY: Final = f"{_OWNER}/shop"
_FORK: Final = "mona/shop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A change on a branch; a new branch begins at `start`."""

    branch: str
    change: Change
    start: str = ""
    pull_request: int | None = None
    fork: bool = False

    def __str__(self) -> str:
        return self.change + (f", from {self.start}" if self.start else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase:
    """A branch is rebased onto the main branch."""

    branch: str
    pull_request: int | None = None
    fork: bool = False

    def __str__(self) -> str:
        return f"rebase onto {MAIN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A pull request is merged into the main branch by a merge commit."""

    source: str
    number: int
    branch: str = MAIN

    def __str__(self) -> str:
        return f"merge of {self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """The last commit of a branch is reverted."""

    branch: str = MAIN

    def __str__(self) -> str:
        return "revert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """The last commit of a branch is tagged."""

    name: str
    branch: str

    def __str__(self) -> str:
        return f"tag of {self.branch}"


Event = Commit | Rebase | Merge | Revert | Tag

HISTORY: Final[tuple[Event, ...]] = (
    Commit(branch=MAIN, change="source"),
    Commit(branch=MAIN, change="source"),
    Tag(name="v1.0", branch=MAIN),
    Commit(branch="feature/search", change="source", start=MAIN),
    Commit(branch=MAIN, change="tests"),
    Commit(branch="feature/search", change="source"),
    Commit(branch="feature/export", change="source", start=MAIN),
    Commit(branch="feature/export", change="template", pull_request=1),
    Commit(branch=MAIN, change="dependency"),
    Commit(branch="feature/search", change="source"),
    Rebase(branch="feature/search"),
    Commit(branch="feature/export", change="source", pull_request=1),
    Commit(branch="typo", change="source", start=MAIN, pull_request=2, fork=True),
    Commit(branch="feature/search", change="source"),
    Commit(branch="typo", change="tests", pull_request=2, fork=True),
    Merge(source="feature/export", number=1),
    Commit(branch=MAIN, change="source"),
    Revert(),
    Commit(branch="hotfix/login", change="source", start="v1.0"),
    Commit(branch="hotfix/login", change="tests"),
    Tag(name="v1.0.1", branch="hotfix/login"),
    Commit(branch=MAIN, change="readme"),
    Commit(branch="feature/search", change="source", pull_request=3),
    Commit(branch=MAIN, change="dockerfile"),
    Commit(branch="feature/search", change="template", pull_request=3),
    Commit(branch=MAIN, change="source"),
    Commit(branch="feature/search", change="source", pull_request=3),
)

# A short history, by what each build is to a cache. Main has gone on when the branch is merged.
LIFE: Final[Mapping[str, Event]] = {
    "cold": Commit(branch=MAIN, change="source"),
    "unchanged": Commit(branch=MAIN, change="readme"),
    "dependency change": Commit(branch=MAIN, change="dependency"),
    "source edit": Commit(branch=MAIN, change="source"),
    "new branch": Commit(branch="feature/search", change="source", start=MAIN),
    "revert": Revert(),
    "release tag": Tag(name="v1.0", branch=MAIN),
    "merge": Merge(source="feature/search", number=1),
}


def first(events: Sequence[Event], commits: int) -> tuple[Event, ...]:
    """Return the first events, at most `commits` of them not counting tags."""
    made = 0
    kept: list[Event] = []
    for event in events:
        made += not isinstance(event, Tag)
        if made > commits:
            break
        kept.append(event)
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What CI runs after an event; it checks out `commit`, and `message` is the pushed commit's."""

    event: Event
    commit: str
    message: str

    @property
    def tag(self) -> str:
        """The tag that is built, or an empty string."""
        return self.event.name if isinstance(self.event, Tag) else ""

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that is built."""
        return self.event.pull_request if isinstance(self.event, Commit | Rebase) else None

    @property
    def fork(self) -> bool:
        """Whether a stranger's code is built, by a job that may read and not write."""
        return isinstance(self.event, Commit | Rebase) and self.event.fork

    @property
    def name(self) -> str:
        """The branch or tag, as a cache ref's name is made of it by hand."""
        return self.tag or self.event.branch

    def __str__(self) -> str:
        if self.pull_request is None:
            return f"{self.name}: {self.event}"
        whose = "a fork's pull request" if self.fork else "pull request"
        return f"{self.name}, {whose} {self.pull_request}: {self.event}"


def github(pipeline: Pipeline, event_path: str) -> Mapping[str, str]:
    """Return what GitHub sets; the event's payload is in `event_path`."""
    ref = f"refs/heads/{pipeline.event.branch}"
    if pipeline.tag:
        ref = f"refs/tags/{pipeline.tag}"
    env = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "mona" if pipeline.fork else "octocat",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": event_path,
        "GITHUB_REF": ref,
        "GITHUB_REPOSITORY": _REPOSITORY,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": pipeline.commit,
    }
    if pipeline.pull_request is None:
        return env
    return env | {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REF": f"refs/pull/{pipeline.pull_request}/merge",
        "GITHUB_HEAD_REF": pipeline.event.branch,
        "GITHUB_BASE_REF": MAIN,
    }


def github_payload(pipeline: Pipeline) -> Mapping[str, object]:
    """Return the payload of GitHub's event, as far as a build may read it."""
    repository = {"full_name": _REPOSITORY, "fork": False, "default_branch": MAIN}
    if pipeline.pull_request is None:
        return {
            "ref": github(pipeline, "")["GITHUB_REF"],
            "base_ref": f"refs/heads/{pipeline.event.branch}" if pipeline.tag else None,
            "after": pipeline.commit,
            "deleted": False,
            "head_commit": {"id": pipeline.commit, "message": pipeline.message},
            "repository": repository,
        }
    source = {"full_name": _FORK if pipeline.fork else _REPOSITORY, "fork": pipeline.fork}
    return {
        "action": "synchronize",
        "number": pipeline.pull_request,
        "pull_request": {
            "number": pipeline.pull_request,
            "head": {"ref": pipeline.event.branch, "repo": source},
            "base": {"ref": MAIN, "repo": repository},
        },
        "repository": repository,
    }


def gitlab(pipeline: Pipeline) -> Mapping[str, str]:
    """Return what GitLab sets; a fork's merge request runs in the parent project."""
    env = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_PROJECT_ID": "1",
        "CI_DEFAULT_BRANCH": MAIN,
        "CI_COMMIT_MESSAGE": pipeline.message,
        "CI_COMMIT_REF_NAME": pipeline.name,
        "CI_COMMIT_SHA": pipeline.commit,
    }
    if pipeline.tag:
        return env | {"CI_COMMIT_TAG": pipeline.tag}
    if pipeline.pull_request is None:
        return env | {"CI_COMMIT_BRANCH": pipeline.event.branch}
    return env | {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
        "CI_MERGE_REQUEST_IID": str(pipeline.pull_request),
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2" if pipeline.fork else "1",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": pipeline.event.branch,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": MAIN,
    }
