"""Buildkite: environment variables, log groups, outputs through a file.

Variables are those of Buildkite's "Environment variables", groups those of its "Managing log
output": a line that begins with `---` opens one, and `^^^ +++` unfolds the one that it is in. The
agent's commands (`annotate`, `meta-data`) are not in a container, so files are written for them.
A fork's pull request has another BUILDKITE_PULL_REQUEST_REPO than BUILDKITE_REPO; a pipeline that
prefixes the branches of forks has a colon in BUILDKITE_BRANCH, which no branch can have.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain, variables
from warmbuild.ci.provider import Provider
from warmbuild.run_context import RunContext, is_commit, merged_branch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.files import ReadText

_NAME: Final = "buildkite"
# https://host/path.git, git://host/path, ssh://git@host/path and git@host:path are one place.
_ADDRESS: Final = re.compile(r"(?:\w+://)?(?:[^@/]+@)?(?P<host>[^:/]+)(?::\d+)?[:/]/*(?P<path>.+)")
_GROUP: Final = re.compile(r"(?:---|\+\+\+|~~~|\^\^\^)\s")


def _context(env: Mapping[str, str], _directory: str, _read_text: ReadText) -> RunContext:
    """Read what Buildkite knows about this run from its variables.

    A build that somebody starts by hand has HEAD for its commit. A pushed branch that has a pull
    request is told as that, which the default branch is not: its image is the latest.
    """
    branch, commit = env.get("BUILDKITE_BRANCH", ""), env.get("BUILDKITE_COMMIT", "")
    run = RunContext(
        ci=_NAME,
        event=env.get("BUILDKITE_SOURCE", ""),
        default_branch=env.get("BUILDKITE_PIPELINE_DEFAULT_BRANCH", ""),
        commit=commit if is_commit(commit) else "",
        tag=env.get("BUILDKITE_TAG", ""),
    )
    number, fork = env.get("BUILDKITE_PULL_REQUEST", "false"), _is_fork(env)
    is_pull = number != "false" or ":" in branch
    if is_pull and not (fork is False and branch == run.default_branch):
        target = env.get("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "")
        return run.of_pull_request(number, source=branch, target=target, fork=fork)
    if run.tag:
        return run
    owner = _place(env.get("BUILDKITE_REPO", "")).partition("/")[2].partition("/")[0]
    merged = merged_branch(env.get("BUILDKITE_MESSAGE", ""), owner)
    return replace(run, merged=merged).on_branch(branch)


def _is_fork(env: Mapping[str, str]) -> bool | None:
    """Say whether a pull request comes from another repository, or that nobody says."""
    if ":" in env.get("BUILDKITE_BRANCH", ""):
        return True
    source = _place(env.get("BUILDKITE_PULL_REQUEST_REPO", ""))
    return source != _place(env.get("BUILDKITE_REPO", "")) if source else None


def _place(address: str) -> str:
    """Return host/path of a repository's address, or an empty text."""
    found = _ADDRESS.fullmatch(address.strip())
    path = found["path"].rstrip("/").removesuffix(".git") if found else ""
    return f"{found['host']}/{path}".lower() if found else ""


def _inert(text: str) -> str:
    """Return a line that opens no group."""
    return f"| {text}" if _GROUP.match(text) else text


def _open_group(title: str) -> None:
    """Begin a group, which ends where the next one begins."""
    print(f"--- {title}")


def _fail(text: str) -> None:
    """Write an error, and unfold the group that it stands in."""
    print("^^^ +++")
    plain.fail(text)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("BUILDKITE") == "true",
    context=_context,
    # The place that `buildkite-agent pipeline upload` looks at first.
    pipeline_file=lambda _env: ".buildkite/pipeline.yml",
    inert=_inert,
    open_group=_open_group,
    fail=_fail,
    publish=variables.publish,
    output_files=variables.output_files,
)
