"""GitLab CI/CD: predefined variables, foldable sections, a dotenv report.

Variables are those of GitLab's "Predefined CI/CD variables reference".
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild.ci import plain
from warmbuild.context import RunContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.ci.base import ReadText

NAME: Final = "gitlab"
_FORK: Final = "the code comes from a fork"
# The report that a job declares as artifacts:reports:dotenv; it has to lie in the project.
DOTENV: Final = "warmbuild.env"
# GitLab refuses a larger report; in bytes.
_LONGEST_DOTENV: Final = 5 * 1024
_SECTION: Final = "warmbuild"


def detect(env: Mapping[str, str]) -> bool:
    """Say whether this process runs in it; gitlab-ci-local says GITLAB_CI=false."""
    return "GITLAB_CI" in env


def context(env: Mapping[str, str], directory: str, read_text: ReadText) -> RunContext:  # noqa: ARG001
    """Read what GitLab knows about this run from its variables."""
    run = RunContext(
        ci=NAME,
        event=env.get("CI_PIPELINE_SOURCE", ""),
        branch=env.get("CI_COMMIT_BRANCH", ""),
        default_branch=env.get("CI_DEFAULT_BRANCH", ""),
        tag=env.get("CI_COMMIT_TAG", ""),
        commit=env.get("CI_COMMIT_SHA", ""),
    )
    if env.get("CI_MERGE_REQUEST_IID"):
        return _in_merge_request(run, env)
    if env.get("CI_EXTERNAL_PULL_REQUEST_IID"):
        return _in_external_pull_request(run, env)
    return run


def _in_merge_request(run: RunContext, env: Mapping[str, str]) -> RunContext:
    """Put a run on a merge request's source branch.

    A child pipeline has its parent's variables, so the event's name decides nothing here. A fork
    that builds its own merge request builds its own code; the variables of a source project that
    was deleted are absent.
    """
    fork = env.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "") != env.get("CI_PROJECT_ID", "")
    train = env.get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train"
    return replace(
        run,
        branch=env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "")
        or env.get("CI_COMMIT_REF_NAME", ""),
        target_branch=env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
        pull_request=_number(env["CI_MERGE_REQUEST_IID"]),
        fork=fork,
        untrusted=_FORK if fork else "",
        passing="a merge train's commit belongs to no branch yet" if train else "",
        registry=env.get("CI_REGISTRY", ""),
    )


def _in_external_pull_request(run: RunContext, env: Mapping[str, str]) -> RunContext:
    """Put a run on the source branch of a pull request that was opened on GitHub."""
    source = env.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY", "")
    fork = source != env.get("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY", "")
    return replace(
        run,
        branch=env.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME", ""),
        target_branch=env.get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", ""),
        pull_request=_number(env["CI_EXTERNAL_PULL_REQUEST_IID"]),
        fork=fork,
        untrusted=_FORK if fork else "",
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def known_inputs(env: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG001
    """Return the project's own registry and the job's login for it."""
    names = {
        "image": "CI_REGISTRY_IMAGE",
        "registry": "CI_REGISTRY",
        "username": "CI_REGISTRY_USER",
        "password": "CI_REGISTRY_PASSWORD",
    }
    return {name: env[variable] for name, variable in names.items() if env.get(variable)}


def open_group(title: str) -> None:
    """Begin a section of the job's log."""
    print(f"\x1b[0Ksection_start:{time.time():.0f}:{_SECTION}\r\x1b[0K{title}")


def close_group() -> None:
    """End it."""
    print(f"\x1b[0Ksection_end:{time.time():.0f}:{_SECTION}\r\x1b[0K")


inert = plain.inert
warning = plain.warning
fail = plain.fail
mask = plain.mask


def publish(env: Mapping[str, str], outputs: Mapping[str, str], summary: str) -> None:  # noqa: ARG001
    """Write the dotenv report; the metadata is left out where it would make the file too large.

    GitLab takes no spaces in a value, and the one that may have some is JSON.
    """
    for path in output_files(env):
        outputs = dict(outputs, metadata=outputs["metadata"].replace(" ", "\\u0020"))
        text = dotenv(outputs)
        if len(text.encode()) > _LONGEST_DOTENV:
            text = dotenv({name: value for name, value in outputs.items() if name != "metadata"})
        path.write_text(text, encoding="utf-8")


def output_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the dotenv report's path, which a second run would find in its context."""
    project = env.get("CI_PROJECT_DIR")
    return (Path(project, DOTENV),) if project else ()


def dotenv(outputs: Mapping[str, str]) -> str:
    """Format outputs as WARMBUILD_NAME=value lines."""
    return "".join(
        f"WARMBUILD_{name.upper().replace('-', '_')}={value}\n" for name, value in outputs.items()
    )
