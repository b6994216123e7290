"""GitLab CI/CD: predefined variables, foldable sections, a dotenv report.

The variables are documented in GitLab's "Predefined CI/CD variables reference".
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files, lazy, trust
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, Provider, say
from warmbuild.run_context import Project, RunContext, merged_branch, moment

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Mapping, Sequence

    from warmbuild.finding import Finding
else:
    hashlib = lazy.module("hashlib")

_NAME: Final = "gitlab"
# Pipelines that only a member of the project can start. A merge request's also shows its source.
_TRUSTED: Final = frozenset(
    ("push", "web", "webide", "api", "trigger", "schedule", "chat", "pipeline", "parent_pipeline")
) | {"merge_request_event", "external_pull_request_event", "security_orchestration_policy"}
# The file that a job declares as artifacts:reports:dotenv; it must be inside the project.
DOTENV: Final = "warmbuild.env"
# The same for artifacts:reports:codequality.
CODE_QUALITY: Final = "gl-code-quality-report.json"
# Outputs that are JSON.
_JSON: Final = ("metadata", "targets", "nodes", "json")
# In bytes; GitLab refuses a larger report.
_LONGEST_DOTENV: Final = 5 * 1024


def _context(env: Environment, *_: object) -> RunContext:
    event = env.get("CI_PIPELINE_SOURCE", "")
    run = RunContext(
        ci=_NAME,
        event=event,
        trust=trust.of_event(event, _TRUSTED, variable="CI_PIPELINE_SOURCE"),
        branch=env.get("CI_COMMIT_BRANCH", ""),
        default_branch=env.get("CI_DEFAULT_BRANCH", ""),
        tag=env.get("CI_COMMIT_TAG", ""),
        commit=env.get("CI_COMMIT_SHA", ""),
        registry=env.get("CI_REGISTRY", ""),
        committed=moment(env.get("CI_COMMIT_TIMESTAMP", "")),
        project=_project(env),
    )
    if env.get("CI_MERGE_REQUEST_IID"):
        return _in_merge_request(run, env)
    if env.get("CI_EXTERNAL_PULL_REQUEST_IID"):
        return _in_external_pull_request(run, env)
    if run.tag:
        return run
    merged = merged_branch(env.get("CI_COMMIT_MESSAGE", ""), "")
    return replace(run, merged=merged).on_branch(run.branch)


def _project(env: Environment) -> Project:
    url = env.get("CI_PROJECT_URL", "")
    return Project(
        title=env.get("CI_PROJECT_TITLE", "") or env.get("CI_PROJECT_NAME", ""),
        description=env.get("CI_PROJECT_DESCRIPTION", ""),
        url=url,
        source=f"{url}.git" if url else "",
    )


def _in_merge_request(run: RunContext, env: Environment) -> RunContext:
    """Put a run on a merge request's source branch.

    A child pipeline has its parent's variables, so the event's name decides nothing here. A fork
    that builds its own merge request builds its own code. If the source project was deleted, its
    variables are not set.
    """
    is_train = env.get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train"
    source = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "")
    return replace(
        run.of_pull_request(
            env["CI_MERGE_REQUEST_IID"],
            source=source or env.get("CI_COMMIT_REF_NAME", ""),
            target=env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
            fork=env.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "") != env.get("CI_PROJECT_ID", ""),
        ),
        passing="a merge train's commit belongs to no branch yet" if is_train else "",
    )


def _in_external_pull_request(run: RunContext, env: Environment) -> RunContext:
    """Put a run on the source branch of a pull request that was opened on GitHub."""
    source = env.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY", "")
    return run.of_pull_request(
        env["CI_EXTERNAL_PULL_REQUEST_IID"],
        source=env.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME", ""),
        target=env.get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", ""),
        fork=source != env.get("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY", ""),
    )


def _known_inputs(env: Environment, _given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the project's own registry and the job's login for it."""
    names = {
        "image": "CI_REGISTRY_IMAGE",
        "registry": "CI_REGISTRY",
        "username": "CI_REGISTRY_USER",
        "password": "CI_REGISTRY_PASSWORD",
    }
    return {name: env[variable] for name, variable in names.items() if env.get(variable)}


def _section(mark: str, title: str = "") -> None:
    say(f"\x1b[0Ksection_{mark}:{time.time():.0f}:warmbuild\r\x1b[0K{title}")


def _publish(env: Environment, outputs: Mapping[str, str]) -> None:
    """Write the dotenv report, without JSON outputs if the file would be too large.

    GitLab accepts no spaces in a value; only JSON outputs can have spaces, so they are escaped. It
    accepts no line breaks either, so a list of several items is only in the output file.
    """
    if project := env.get("CI_PROJECT_DIR"):
        in_line = {name: variables.in_line(name, value) for name, value in outputs.items()}
        outputs = {
            name: value.replace(" ", "\\u0020") if name in _JSON else value
            for name, value in in_line.items()
            if "\n" not in value
        }
        text = dotenv(outputs)
        if len(text.encode()) > _LONGEST_DOTENV:
            text = dotenv({name: value for name, value in outputs.items() if name not in _JSON})
        variables.write(Path(project, DOTENV), text)


def _publish_findings(env: Environment, findings: Sequence[Finding]) -> None:
    """Write the code quality report; an empty report marks earlier findings as fixed.

    A report that cannot be written does not fail the build.
    """
    if project := env.get("CI_PROJECT_DIR"):
        with suppress(OSError):
            files.write_text(Path(project, CODE_QUALITY), code_quality(findings))


def _pipeline_file(env: Environment) -> str:
    """Return the pipeline's file, unless it is in another project or a URL."""
    path = env.get("CI_CONFIG_PATH") or ".gitlab-ci.yml"
    return "" if "@" in path or "://" in path else path


def _output_files(env: Environment) -> tuple[Path, ...]:
    """Return the reports, which a second run would find in its context."""
    project = env.get("CI_PROJECT_DIR")
    return (Path(project, DOTENV), Path(project, CODE_QUALITY)) if project else ()


def dotenv(outputs: Mapping[str, str]) -> str:
    """Format outputs as WARMBUILD_NAME=value lines."""
    return "".join(f"{variables.variable(name)}={value}\n" for name, value in outputs.items())


def code_quality(findings: Sequence[Finding]) -> str:
    """Format findings as GitLab's code quality report.

    A fingerprint does not depend on the line, so that GitLab can tell what a merge request adds.
    GitLab would show two findings with the same fingerprint once.
    """
    seen: list[tuple[str, str, str]] = []
    issues = []
    for finding in (item for item in findings if item.file):
        key = (finding.rule, finding.file, finding.about)
        identity = "\0".join([*key, str(seen.count(key))])
        seen.append(key)
        issues.append(
            {
                "description": finding.text,
                "check_name": f"warmbuild/{finding.rule}",
                "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
                "severity": finding.severity,
                "location": {"path": finding.file, "lines": {"begin": finding.line}},
            }
        )
    return json.dumps(issues, indent=2) + "\n"


PROVIDER: Final = Provider(
    name=_NAME,
    # gitlab-ci-local sets GITLAB_CI=false.
    detect=lambda env: "GITLAB_CI" in env,
    context=_context,
    known_inputs=_known_inputs,
    pipeline_file=_pipeline_file,
    open_group=lambda title: _section("start", title),
    close_group=lambda: _section("end"),
    publish=_publish,
    publish_findings=_publish_findings,
    output_files=_output_files,
)
