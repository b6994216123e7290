"""GitHub Actions: events and payloads, workflow commands, output and summary files.

Events and variables are documented in GitHub's "Events that trigger workflows" and "Variables
reference"; actions-toolkit writes the workflow commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy, surrogates, trust, untrusted_json, whole_numbers
from warmbuild.ci.provider import Environment, LossError, Provider
from warmbuild.errors import EngineError
from warmbuild.run_context import (
    Project,
    RunContext,
    is_commit,
    is_true,
    merged_branch,
    moment,
)
from warmbuild.trust import Trust

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Mapping

    from actions_toolkit import core

    from warmbuild.files import ReadText
else:
    core = lazy.module("actions_toolkit.core")
    tempfile = lazy.module("tempfile")

_NAME: Final = "github"
_PULL_REQUEST: Final = frozenset(
    ("pull_request", "pull_request_review", "pull_request_review_comment")
)
# Events that need write access, and events whose payload shows where the code comes from.
_TRUSTED: Final = _PULL_REQUEST.union(
    ("push", "create", "delete", "schedule", "workflow_dispatch", "repository_dispatch"),
    ("release", "merge_group", "deployment", "deployment_status", "workflow_run"),
)
# What a workflow may have followed; a run that follows another `workflow_run` is of anybody.
_FOLLOWED: Final = _TRUSTED - {"workflow_run", "deployment", "deployment_status"}
_BY_ANYBODY: Final = {
    "pull_request_target": "pull_request_target may build a stranger's code with this repository's "
    "rights",
    "issue_comment": "anybody may comment",
    "discussion_comment": "anybody may comment",
    "issues": "anybody may open an issue",
    "discussion": "anybody may open a discussion",
    "workflow_run": "it follows a workflow that followed another one",
}
_OF_ISSUE: Final = Trust(reason="the event is about an issue, and anybody may open one")
_OF_NO_SHAPE: Final = Trust(reason="the event's payload has an unknown shape")
_OF_NO_REF: Final = Trust(reason="GitHub names no branch or tag that has the commit")
_BY_DEPENDABOT: Final = Trust(reason="GitHub gives Dependabot read-only access, as it does a fork")
_UNPROVEN: Final = "nothing shows that the commit is on the default branch"
# Events for which GitHub gives Dependabot a read-only token and no secrets of the repository.
_READ_ONLY_FOR_DEPENDABOT: Final = _PULL_REQUEST.union(
    ("push", "create", "deployment", "deployment_status")
)
# Where the runner mounts its directories in the container of an action.
_CONTAINER: Final = "/github"
# Its work directory in the container of a job.
_WORK_OF_JOB: Final = "/__w"
# Directories of RUNNER_TEMP, with their names in the container of an action.
_TEMPORARY: Final = (("_github_home", "home"), ("_github_workflow", "workflow"))
# In bytes; the runner drops a longer step summary.
_LONGEST_SUMMARY: Final = 1024 * 1024


def _context(env: Environment, _directory: str, read_text: ReadText) -> RunContext:
    return context(_NAME, _TRUSTED, env, read_text)


def context(ci: str, trusted: frozenset[str], env: Environment, read_text: ReadText) -> RunContext:
    """Read what the CI system `ci` knows about this run; it trusts these events."""
    event = env.get("GITHUB_EVENT_NAME", "")
    payload = _payload(read_text(env.get("GITHUB_EVENT_PATH", "")) or "{}")
    run = RunContext(
        ci=ci,
        event=event,
        default_branch=payload.text("repository", "default_branch"),
        commit=env.get("GITHUB_SHA", ""),
        source_commit=payload.text("pull_request", "head", "sha"),
        trust=_trust(event, trusted, payload),
        server=_server(env),
        git_context=_git_context(env, payload),
        provenance=_provenance(env, payload),
        builder_id=_builder_id(env),
        committed=moment(payload.text("head_commit", "timestamp"))
        or moment(payload.text("workflow_run", "head_commit", "timestamp")),
        project=_project(payload),
    )
    if event in _PULL_REQUEST or event == "pull_request_target":
        run = _in_pull_request(run, payload, env)
    elif event == "workflow_run":
        run = _after_workflow(run, payload, trusted)
    elif event == "push" and payload.at("deleted") is True:
        # The pushed ref no longer exists, and GITHUB_SHA is the default branch's.
        run = replace(run, branch=run.default_branch)
    else:
        run = run.at(env.get("GITHUB_REF", ""))
        owner = env.get("GITHUB_REPOSITORY", "").partition("/")[0]
        message = payload.text("head_commit", "message")
        run = replace(
            run, merged=merged_branch(message, owner), tagged=_tagged(payload) if run.tag else ""
        )
    if event == "schedule" and not run.default_branch:
        # Older servers send no repository here; a schedule runs only on the default branch.
        run = replace(run, default_branch=run.branch)
    if payload.at("issue", "pull_request") is not None:
        run = replace(run, pull_request=payload.number("issue", "number"))
    # A commit can be deployed that only a fork's pull request has; nobody vouches for that.
    limits = [_OF_NO_REF if run.trust == trust.NOWHERE else run.trust]
    if _is_by_dependabot(run, env):
        limits.append(_BY_DEPENDABOT)
    run = replace(run, trust=trust.least(*limits))
    if not is_true(env.get("ACT", "")):
        return run
    # nektos/act runs the workflow of a checkout on somebody's machine. The engine cannot load an
    # image with attestations.
    return replace(run, trust=trust.least(run.trust, trust.LOCAL), provenance="")


def _trust(event: str, trusted: frozenset[str], payload: _Payload) -> Trust:
    """Return how far an event is trusted, and its payload, whatever the event is called."""
    if not isinstance(payload.root, dict):
        return _OF_NO_SHAPE
    is_of_pull = event in _PULL_REQUEST or "pull_request" in payload.root
    is_ours = not is_of_pull or payload.same_repository("pull_request", "head", "repo")
    return trust.least(
        trust.TRUSTED if is_ours else trust.FORK,
        trust.of_event(event, trusted, variable="GITHUB_EVENT_NAME", others=_BY_ANYBODY),
        _OF_ISSUE if "issue" in payload.root else trust.TRUSTED,
    )


def _tagged(payload: _Payload) -> str:
    """Return the branch that a tag was pushed with, or that its release was made from."""
    drafted = payload.text("release", "target_commitish")
    pushed = payload.text("base_ref").removeprefix("refs/heads/")
    return pushed or ("" if is_commit(drafted) else drafted)


def _in_pull_request(run: RunContext, payload: _Payload, env: Environment) -> RunContext:
    """Put a run on a pull request's source branch or, after the merge, on its target branch.

    GITHUB_REF tells the two apart: refs/pull/N/merge, or the branch that it was merged into. A
    fork's merged pull request still runs with a fork's rights.
    """
    ref = env.get("GITHUB_REF", "")
    source = payload.text("pull_request", "head", "ref") or env.get("GITHUB_HEAD_REF", "")
    target_branch = payload.text("pull_request", "base", "ref") or env.get("GITHUB_BASE_REF", "")
    fork = not payload.same_repository("pull_request", "head", "repo")
    if run.event in _PULL_REQUEST and not fork and not ref.startswith("refs/pull/"):
        return replace(run, branch=target_branch, merged=source)
    return replace(
        run,
        branch=source,
        target_branch=target_branch,
        pull_request=payload.number("pull_request", "number") or _number_of(ref),
        fork=fork,
    )


def _after_workflow(run: RunContext, payload: _Payload, trusted: frozenset[str]) -> RunContext:
    """Put a run on the branch or tag of the run that it follows.

    After an event of a tag, `head_branch` is the tag's name, and nothing marks it as a tag. It is
    certainly a tag only after a release; a pushed tag is taken for a branch, whose cache no other
    run reads. A tag may have the default branch's name, so a run is on that branch only if its
    commit is GITHUB_SHA, which is that branch's, or if only that branch has such events.
    """
    event = payload.text("workflow_run", "event")
    name = payload.text("workflow_run", "head_branch")
    fork = not payload.same_repository("workflow_run", "head_repository")
    followed = trust.of_event(
        event, trusted & _FOLLOWED, variable="workflow_run.event", others=_BY_ANYBODY
    )
    source = trust.FORK if fork else trust.TRUSTED
    run = replace(run, fork=fork, trust=trust.least(source, followed, run.trust))
    is_tip = run.commit != "" and payload.text("workflow_run", "head_sha") == run.commit
    is_proven = event == "schedule" or (is_tip and event not in _PULL_REQUEST)
    if run.default_branch in {name, ""} and not is_proven:
        return replace(run, passing=_UNPROVEN)
    run = run.at(f"refs/{'tags' if event == 'release' else 'heads'}/{name}")
    # A push also lists its branch's pull requests, and every event lists pull requests into forks.
    here = payload.at("repository", "id")
    listed = untrusted_json.objects(payload.at("workflow_run", "pull_requests"))
    pulls = [
        pull
        for pull in map(_Payload, listed)
        if event in _PULL_REQUEST and pull.at("base", "repo", "id") == here
    ]
    if len(pulls) == 1:
        target_branch, number = pulls[0].text("base", "ref"), pulls[0].number("number")
        run = replace(run, target_branch=target_branch, pull_request=number)
    return run


def _git_context(env: Environment, payload: _Payload) -> str:
    """Return the git URL of this run's commit, as docker/build-push-action makes it.

    A pull request has the merge commit, or with DOCKER_DEFAULT_GIT_CONTEXT_PR_HEAD_REF the head.
    With BUILDX_SEND_GIT_QUERY_AS_INPUT the URL has a query instead of a fragment.
    """
    if not env.get("GITHUB_REPOSITORY"):
        return ""
    ref, commit = env.get("GITHUB_REF", ""), env.get("GITHUB_SHA", "")
    is_pull = ref.startswith("refs/pull/")
    if is_pull and env.get("DOCKER_DEFAULT_GIT_CONTEXT_PR_HEAD_REF") == "true":
        ref = re.sub("/merge$", "/head", ref)
        commit = payload.text("pull_request", "head", "sha")
    repository = f"{_repository_url(env)}.git"
    if not is_true(env.get("BUILDX_SEND_GIT_QUERY_AS_INPUT", "")):
        return f"{repository}#{commit or ref}"
    if is_pull or not commit:
        return f"{repository}?ref={commit or ref}"
    ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    return f"{repository}?ref={ref}&checksum={commit}"


def _project(payload: _Payload) -> Project:
    return Project(
        title=payload.text("repository", "name"),
        description=payload.text("repository", "description"),
        url=payload.text("repository", "html_url"),
        source=payload.text("repository", "html_url"),
        licenses=payload.text("repository", "license", "spdx_id"),
    )


def _provenance(env: Environment, payload: _Payload) -> str:
    """Return the provenance that docker/build-push-action adds by default.

    `mode=max` holds the values of build arguments, so it is for repositories known to be public.
    """
    if is_true(env.get("BUILDX_NO_DEFAULT_ATTESTATIONS", "")):
        return ""
    is_public = payload.at("repository", "private") is False
    return "mode=max" if is_public else "mode=min,inline-only=true"


def _builder_id(env: Environment) -> str:
    """Return the address of this attempt of the run."""
    run = env.get("GITHUB_RUN_ID", "")
    attempt = env.get("GITHUB_RUN_ATTEMPT") or "1"
    return f"{_repository_url(env)}/actions/runs/{run}/attempts/{attempt}" if run else ""


def _repository_url(env: Environment) -> str:
    server = env.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server}/{env.get('GITHUB_REPOSITORY', '')}"


def _is_by_dependabot(run: RunContext, env: Environment) -> bool:
    """Return whether Dependabot started this run on a branch of its own.

    Code that it merges into another branch belongs to that branch, and a member who pushes to
    Dependabot's branch has a member's rights. A repeated run keeps its actor, and so its rights.
    """
    return (
        env.get("GITHUB_ACTOR") == "dependabot[bot]"
        and run.event in _READ_ONLY_FOR_DEPENDABOT
        and run.branch.startswith("dependabot")
    )


def _known_inputs(env: Environment, given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the login for GitHub's container registry, which accepts the job's token.

    An Enterprise Server has its own registry; its token must not be sent to ghcr.io.
    """
    token, actor = given.get("github-token", ""), env.get("GITHUB_ACTOR", "")
    if not token or not actor:
        return {}
    server = _server(env).partition(":")[0]
    registry = "ghcr.io" if server in {"", "github.com"} else f"containers.{server}"
    return {"registry": registry, "username": actor, "password": token}


def _warning(text: str, file: str = "", line: int = 0) -> None:
    at = line or None
    core.warning(text, title="warmbuild", file=file or None, start_line=at, end_line=at)


def _fail(text: str, file: str = "", line: int = 0) -> None:
    at = line or None
    core.error(text, title="warmbuild", file=file or None, start_line=at, end_line=at)


def _publish(env: Environment, outputs: Mapping[str, str]) -> None:
    """Write outputs to the file that the runner names; it takes the last value of each.

    Raises EngineError if they cannot be written, for later steps use them.
    """
    place = env.get("GITHUB_OUTPUT")
    try:
        if place:
            # actions-toolkit writes only to a file that exists.
            Path(place).touch()
            for name, value in outputs.items():
                core.set_output(name, surrogates.escaped(value))
    except OSError as error:
        text = f"the outputs could not be written to GITHUB_OUTPUT: {error.strerror}"
        raise EngineError(text) from error


def _summarize(env: Environment, summary: str) -> bool:
    """Write the summary to the file that the runner names, if it names one."""
    summary, place = surrogates.escaped(summary), env.get("GITHUB_STEP_SUMMARY")
    try:
        if summary and place and len(summary.encode()) < _LONGEST_SUMMARY:
            Path(place).touch()
            # actions-toolkit has no function for the summary.
            core.issue_file_command("STEP_SUMMARY", summary)
    except OSError as error:
        text = f"the summary could not be written to GITHUB_STEP_SUMMARY: {error.strerror}"
        raise LossError(text) from error
    return bool(place)


def _export(env: Environment, variables: Mapping[str, str]) -> None:
    """Set variables in the file that the runner names for them.

    actions-toolkit puts random lines around each value, so that no value sets another variable.
    """
    place = env.get("GITHUB_ENV")
    if not (place and variables):
        return
    try:
        Path(place).touch()
        for name, value in variables.items():
            # `export_variable` would also change the environment of this process.
            message = core.prepare_key_value_message(name, surrogates.escaped(value))
            core.issue_file_command("ENV", message)
    except OSError as error:
        text = f"the variables could not be written to GITHUB_ENV: {error.strerror}"
        raise LossError(text) from error


def _pipeline_file(env: Environment) -> str:
    """Return `path` of `owner/repository/path@ref`."""
    path = env.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    return path.removeprefix(f"{env.get('GITHUB_REPOSITORY', '')}/")


def _shared(env: Environment) -> tuple[tuple[str, str], ...]:
    """Return what the runner mounts into the container of an action under a path of its own.

    It is in the runner's work directory, which the container of a job has as /__w, and the runner
    gives the container RUNNER_WORKSPACE as the machine knows it (ContainerActionHandler.cs of
    actions/runner).
    """
    place, temporary = env.get("GITHUB_WORKSPACE", ""), env.get("RUNNER_TEMP", "")
    own = Path(env.get("RUNNER_WORKSPACE", ""))
    if not (place.startswith(f"{_CONTAINER}/") and own.is_absolute()):
        return ()
    name = env.get("GITHUB_REPOSITORY", "").rpartition("/")[2]
    found = []
    for work in (own.parent, Path(_WORK_OF_JOB)):
        found += [(str(work / own.name / name), place)]
        if temporary.startswith(f"{_CONTAINER}/"):
            found += [(str(work / "_temp"), temporary)]
        else:
            # Runners before 2.329 mount of RUNNER_TEMP only these.
            found += [(str(work / "_temp" / one), f"{_CONTAINER}/{to}") for one, to in _TEMPORARY]
    return tuple(found)


def _later_file(env: Environment, name: str) -> tuple[Path, str]:
    """Return a file in RUNNER_TEMP, and its path on the machine, for steps outside of a container.

    The runner mounts RUNNER_TEMP into the container of an action under another path. On the machine
    it is `_temp` beside RUNNER_WORKSPACE, the only variable that keeps the machine's path. Runners
    before 2.329 mount only the home directory of RUNNER_TEMP.
    """
    temporary = Path(env.get("RUNNER_TEMP") or tempfile.gettempdir())
    home = Path(env.get("HOME") or "/")
    if temporary.is_relative_to(_CONTAINER):
        outside = Path(env.get("RUNNER_WORKSPACE", "")).parent / "_temp"
        return temporary / name, str(outside / name)
    if home.is_relative_to(_CONTAINER):
        return home / name, str(temporary / "_github_home" / name)
    return temporary / name, str(temporary / name)


def _payload(text: str) -> _Payload:
    try:
        return _Payload(untrusted_json.anything(text))
    except ValueError:
        return _Payload(None)


@dataclass(frozen=True, slots=True)
class _Payload:
    """An event's payload, read without trusting its shape."""

    root: object

    def at(self, *path: str) -> object:
        node = self.root
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def text(self, *path: str) -> str:
        value = self.at(*path)
        return value if isinstance(value, str) else ""

    def number(self, *path: str) -> int | None:
        return untrusted_json.whole(self.at(*path))

    def same_repository(self, *path: str) -> bool:
        """Return whether a repository is the event's; a deleted fork has no name."""
        name = self.text(*path, "full_name")
        return bool(name) and name == self.text("repository", "full_name")


def _server(env: Environment) -> str:
    """Return the host of github.com or of an Enterprise Server, with its port if any."""
    try:
        return urlsplit(env.get("GITHUB_SERVER_URL", "")).netloc.lower()
    except ValueError:
        return ""


def _number_of(ref: str) -> int | None:
    """Return N of refs/pull/N/merge."""
    return whole_numbers.read(ref.removeprefix("refs/pull/").partition("/")[0])


PROVIDER: Final = Provider(
    name=_NAME,
    detect=lambda env: env.get("GITHUB_ACTIONS") == "true",
    context=_context,
    known_inputs=_known_inputs,
    pipeline_file=_pipeline_file,
    # actions_toolkit is imported at the first call, hence the lambdas.
    open_group=lambda title: core.start_group(title),  # noqa: PLW0108
    close_group=lambda _title: core.end_group(),
    warning=_warning,
    fail=_fail,
    mask=lambda secret: core.set_secret(secret),  # noqa: PLW0108
    publish=_publish,
    summarize=_summarize,
    shared=_shared,
    export=_export,
    later_file=_later_file,
)
