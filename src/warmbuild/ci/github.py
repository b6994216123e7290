"""GitHub Actions: events and payloads, workflow commands, output and summary files.

Events and variables are those of GitHub's "Events that trigger workflows" and "Variables
reference"; workflow commands are written by actions-toolkit.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild.ci import plain
from warmbuild.context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from warmbuild.ci.base import ReadText

NAME: Final = "github"
_QUEUE: Final = "gh-readonly-queue/"
# A step's summary above this is dropped by the runner; in bytes.
_LONGEST_SUMMARY: Final = 1024 * 1024


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it."""
    return env.get("GITHUB_ACTIONS") == "true"


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what GitHub knows about this run, from its variables and the event's payload."""
    event = env.get("GITHUB_EVENT_NAME", "")
    payload = _Payload.read(read_text(env.get("GITHUB_EVENT_PATH", "")) or "{}")
    ref = env.get("GITHUB_REF", "")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    branch = name if kind == "heads" else ""
    tag = name if kind == "tags" else ""
    target = number = None
    fork, untrusted, passing = False, "", ""
    if event in {"pull_request", "pull_request_target", "pull_request_review"}:
        branch = payload.text("pull_request", "head", "ref") or env.get("GITHUB_HEAD_REF", "")
        target = payload.text("pull_request", "base", "ref") or env.get("GITHUB_BASE_REF", "")
        number = payload.number("pull_request", "number") or _number_of(ref)
        fork = not payload.same_repository("pull_request", "head", "repo")
    elif event == "issue_comment":
        number = payload.number("issue", "number") if payload.has("issue", "pull_request") else None
        untrusted = "anybody may comment"
    elif event == "workflow_run":
        branch = payload.text("workflow_run", "head_branch")
        fork = not payload.same_repository("workflow_run", "head_repository")
    elif branch.startswith(_QUEUE):
        # refs/heads/gh-readonly-queue/<base>/pr-<number>-<sha>
        target, _, _ = branch.removeprefix(_QUEUE).rpartition("/")
        branch, passing = "", "a merge queue's commit belongs to no branch yet"
    if fork:
        untrusted = "the code comes from a fork"
    elif event == "pull_request_target":
        untrusted = "pull_request_target may build a stranger's code with this repository's rights"
    return RunContext(
        ci=NAME,
        event=event,
        branch=branch,
        default_branch=payload.text("repository", "default_branch"),
        target_branch=target or "",
        pull_request=number,
        tag=tag,
        commit=env.get("GITHUB_SHA", ""),
        fork=fork,
        untrusted=untrusted,
        passing=passing,
        server=urlsplit(env.get("GITHUB_SERVER_URL", "")).hostname or "",
    )


def known_inputs(env: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the login for ghcr.io, which the job's own token is good for."""
    token, actor = given.get("github-token", ""), env.get("GITHUB_ACTOR", "")
    if not token or not actor:
        return {}
    return {"registry": "ghcr.io", "username": actor, "password": token}


def inert(text: str) -> str:
    """Break what the runner would take for a workflow command: `::` first, `##[` anywhere."""
    if text.lstrip().startswith("::"):
        text = f"| {text}"
    return text.replace("##[", "## [")


def open_group(title: str) -> None:
    """Begin a part of the log that can be folded."""
    _core().start_group(title)


def close_group() -> None:
    """End it."""
    _core().end_group()


def warning(text: str, file: str = "", line: int = 0) -> None:
    """Write a warning annotation."""
    at = line or None
    _core().warning(text, title="warmbuild", file=file or None, start_line=at, end_line=at)


def fail(text: str) -> None:
    """Write an error annotation."""
    _core().error(text, title="warmbuild")


def mask(secret: str) -> None:
    """Have the runner hide a text, each line of it, for it compares line by line."""
    for line in secret.splitlines():
        if line.strip():
            _core().set_secret(line)


def publish(env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:
    """Write outputs and summary to the files that the runner named."""
    if env.get("GITHUB_OUTPUT"):
        for name, value in outputs.items():
            _core().set_output(name, value)
    if env.get("GITHUB_STEP_SUMMARY") and len(summary.encode()) < _LONGEST_SUMMARY:
        # The package knows every command file by its variable, but has no function for this one.
        _core().issue_file_command("STEP_SUMMARY", summary)


publish_findings = plain.publish_findings


def pipeline_file(env: Mapping[str, str]) -> str:
    """Return the workflow's file, of `owner/repository/path@ref`."""
    path = env.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    return path.removeprefix(f"{env.get('GITHUB_REPOSITORY', '')}/")


def output_files(env: Mapping[str, str]) -> tuple[Path, ...]:  # noqa: ARG001
    """Return nothing: the runner keeps its files outside the workspace."""
    return ()


@dataclass(frozen=True, slots=True)
class _Payload:
    """An event's payload, read without trusting its shape."""

    root: object

    @classmethod
    def read(cls, text: str) -> _Payload:
        try:
            return cls(json.loads(text))
        except ValueError:
            return cls(None)

    def at(self, *path: str) -> object:
        node = self.root
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def has(self, *path: str) -> bool:
        return self.at(*path) is not None

    def text(self, *path: str) -> str:
        value = self.at(*path)
        return value if isinstance(value, str) else ""

    def number(self, *path: str) -> int | None:
        value = self.at(*path)
        return value if isinstance(value, int) else None

    def same_repository(self, *path: str) -> bool:
        """Say whether a repository is the one the event is of; a deleted fork has no name."""
        name = self.text(*path, "full_name")
        return bool(name) and name == self.text("repository", "full_name")


def _number_of(ref: str) -> int | None:
    """Return N of refs/pull/N/merge."""
    number = ref.removeprefix("refs/pull/").partition("/")[0]
    return int(number) if number.isdigit() else None


def _core() -> ModuleType:
    """Import the package on use: it takes 80 ms."""
    return importlib.import_module("actions_toolkit.core")
