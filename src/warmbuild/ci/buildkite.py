"""Buildkite: environment variables, log groups, outputs through a file.

The variables are documented in Buildkite's "Environment variables", groups in its "Managing log
output": a line that begins with `---` opens a group, and `^^^ +++` unfolds the current one. The
agent's commands (`annotate`, `meta-data`) do not exist in a container, so outputs go to a file. If
a pull request comes from a fork, BUILDKITE_PULL_REQUEST_REPO differs from BUILDKITE_REPO; if the
pipeline prefixes the branches of forks, BUILDKITE_BRANCH has a colon, which no branch can have.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from warmbuild import trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider, fail, say
from warmbuild.run_context import RunContext, is_commit, merged_branch

_NAME: Final = "buildkite"
_TRUSTED: Final = frozenset(("webhook", "ui", "api", "schedule", "trigger_job"))
# https://host/path.git, git://host/path, ssh://git@host/path and git@host:path are the same.
_ADDRESS: Final = re.compile(
    r"(?:\w+://)?(?:[^@/]+@)?(?P<host>[^:/]+)(?::\d+)?[:/]/*(?P<path>[^/].*)"
)


def _context(env: Environment, *_: object) -> RunContext:
    """Read the variables.

    The commit of a manual build is HEAD. Buildkite builds a pushed branch that has a pull request
    as that pull request. The default branch is still built as a branch: its image is the latest.
    """
    branch, commit = env.get("BUILDKITE_BRANCH", ""), env.get("BUILDKITE_COMMIT", "")
    event = env.get("BUILDKITE_SOURCE", "")
    run = RunContext(
        ci=_NAME,
        event=event,
        trust=trust.of_event(event, _TRUSTED, variable="BUILDKITE_SOURCE"),
        default_branch=env.get("BUILDKITE_PIPELINE_DEFAULT_BRANCH", ""),
        commit=commit if is_commit(commit) else "",
        tag=env.get("BUILDKITE_TAG", ""),
    )
    number, fork = env.get("BUILDKITE_PULL_REQUEST", "false"), _is_fork(env)
    is_pull = number != "false" or ":" in branch
    if is_pull and not (fork is False and branch == run.default_branch):
        target_branch = env.get("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "")
        return run.of_pull_request(number, source=branch, target=target_branch, fork=fork)
    if run.tag:
        return run
    owner = _repository(env.get("BUILDKITE_REPO", "")).partition("/")[2].partition("/")[0]
    merged = merged_branch(env.get("BUILDKITE_MESSAGE", ""), owner)
    return replace(run, merged=merged).on_branch(branch)


def _is_fork(env: Environment) -> bool | None:
    """Return whether a pull request comes from another repository; None if that is not known."""
    if ":" in env.get("BUILDKITE_BRANCH", ""):
        return True
    source = _repository(env.get("BUILDKITE_PULL_REQUEST_REPO", ""))
    return source != _repository(env.get("BUILDKITE_REPO", "")) if source else None


def _repository(address: str) -> str:
    """Return host/path of a repository's address, or ""."""
    found = _ADDRESS.fullmatch(address.strip())
    path = found["path"].rstrip("/").removesuffix(".git") if found else ""
    return f"{found['host']}/{path}".lower() if found else ""


def _fail(text: str, file: str = "", line: int = 0) -> None:
    """Write an error, and unfold the group that contains it."""
    say("^^^ +++")
    fail(text, file, line)


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("BUILDKITE") == "true",
    context=_context,
    pipeline_file=lambda _env: ".buildkite/pipeline.yml",  # what `pipeline upload` tries first
    # A group ends at the next one.
    open_group=lambda title: say(f"--- {title}"),
    open_result=lambda: say("+++ warmbuild: result"),
    fail=_fail,
    publish=variables.publish,
    output_files=variables.output_files,
)
