"""GitLab CI/CD: predefined variables, foldable sections, reports and artifacts.

The variables are documented in GitLab's "Predefined CI/CD variables reference", the reports in its
"CI/CD artifacts reports types".
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files, lazy, trust, whole_numbers
from warmbuild.ci import variables
from warmbuild.ci.provider import Environment, LossError, MergeRequest, Provider, say
from warmbuild.run_context import Project, RunContext, merged_branch, moment

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Mapping, Sequence

    from warmbuild.finding import Finding
    from warmbuild.measure import Measure
else:
    hashlib = lazy.module("hashlib")

_NAME: Final = "gitlab"
# Pipelines that only a member of the project can start. A merge request's also shows its source.
_TRUSTED: Final = frozenset(
    ("push", "web", "webide", "api", "trigger", "schedule", "chat", "pipeline", "parent_pipeline")
) | {"merge_request_event", "external_pull_request_event", "security_orchestration_policy"}
# The files that a job declares as artifacts:reports; they must be inside the project.
DOTENV: Final = "warmbuild.env"
CODE_QUALITY: Final = "gl-code-quality-report.json"
METRICS: Final = "warmbuild-metrics.txt"
# The files that it declares as artifacts:paths.
OUTPUTS: Final = "warmbuild.json"
SUMMARY: Final = "warmbuild-summary.md"
REPORT: Final = "warmbuild-report.html"  # by the component's default of report-file
_FILES: Final = (DOTENV, CODE_QUALITY, METRICS, OUTPUTS, SUMMARY, REPORT)
# Outputs that are JSON.
_JSON: Final = ("metadata", "targets", "nodes", "json", "misses")
# GitLab refuses a dotenv report of that size in bytes, or with more variables, as a whole
# (ParseDotenvArtifactService); the number is an instance's default.
_TOO_LARGE: Final = 5 * 1024
_MOST_VARIABLES: Final = 20
# The outputs that later jobs use most, which come first.
_FIRST: Final = (
    *("digest", "tags", "version", "imageid", "changed"),
    *("cache-hit-ratio", "cache-hits", "cache-steps", "cache-written", "cache-write-error"),
    *("cache-read", "cache-age", "cache-from", "cache-to", "bake-file"),
    *("tag-names", "name", "driver", "platforms", "targets"),
)
_EMPTY: Final = ("", "{}", "[]")
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_.-]+")
# What GitLab's reader of metrics takes for quotes or for a comment.
_NO_LABEL: Final = re.compile(r"[\\\"'#\s]+")


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


def _section(mark: str, title: str, shown: str = "") -> None:
    """Begin or end a section; GitLab folds all sections of one name together."""
    name = _NO_NAME.sub("_", title)
    say(f"\x1b[0Ksection_{mark}:{time.time():.0f}:{name}\r\x1b[0K{shown}")


def _publish(env: Environment, outputs: Mapping[str, str]) -> None:
    """Write what later jobs may need as a dotenv report, and all outputs as JSON."""
    if project := env.get("CI_PROJECT_DIR"):
        variables.write(Path(project, DOTENV), dotenv(outputs))
        variables.write(Path(project, OUTPUTS), json.dumps(outputs, indent=2) + "\n")


def _summarize(env: Environment, summary: str) -> bool:
    return _kept(env, SUMMARY, summary, "the summary")


def _measure(env: Environment, measures: Sequence[Measure]) -> None:
    _kept(env, METRICS, openmetrics(measures, env.get("CI_JOB_NAME", "")), "the metrics")


def _kept(env: Environment, name: str, text: str, what: str) -> bool:
    """Write a file among the sources, if it is known where they are; else return false."""
    project = env.get("CI_PROJECT_DIR")
    if not project:
        return False
    try:
        files.write_text(Path(project, name), text)
    except OSError as error:
        text = f"{what} could not be written to {name}: {error.strerror}"
        raise LossError(text) from error
    return True


def _merge_request(env: Environment) -> MergeRequest | None:
    """Return the merge request, unless it is in another project, as that of a fork is."""
    project = env.get("CI_PROJECT_ID", "")
    number, api = env.get("CI_MERGE_REQUEST_IID", ""), env.get("CI_API_V4_URL", "")
    is_here = project == env.get("CI_MERGE_REQUEST_PROJECT_ID", "")
    is_url = api.startswith(("https://", "http://"))
    if not (is_here and is_url and all(map(whole_numbers.read, (project, number)))):
        return None
    return MergeRequest(
        api=api.rstrip("/"),
        path=f"/projects/{project}/merge_requests/{number}",
        token=env.get("CI_JOB_TOKEN", ""),
        authorities=env.get("CI_SERVER_TLS_CA_FILE", ""),
        job=env.get("CI_JOB_NAME", ""),
        page=env.get("CI_JOB_URL", ""),
        commit=env.get("CI_COMMIT_SHORT_SHA", ""),
    )


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
    """Return the files that a second run would find in its context.

    A job of a later stage has them, too, because GitLab gives it the artifacts of earlier ones.
    """
    project = env.get("CI_PROJECT_DIR")
    return tuple(Path(project, name) for name in _FILES) if project else ()


def dotenv(outputs: Mapping[str, str]) -> str:
    """Format outputs as WARMBUILD_NAME=value lines: what later jobs use most, as far as it fits.

    An output that is empty or has several lines is left out. GitLab's runner would fill in what
    looks like a variable, so that is escaped in JSON, and spaces with it; another output that has a
    dollar sign is left out.
    """
    lines: list[str] = []
    left = _TOO_LARGE - 1
    for name in dict.fromkeys((*_FIRST, *outputs)):
        value = variables.in_line(name, outputs.get(name, ""))
        if name in _JSON:
            value = value.replace(" ", "\\u0020").replace("$", "\\u0024")
        line = f"{variables.variable(name)}={value}\n"
        size = len(line.encode(errors="backslashreplace"))
        is_fit = value not in _EMPTY and not any(one in value for one in "\n\r$")
        if is_fit and size <= left and len(lines) < _MOST_VARIABLES:
            lines.append(line)
            left -= size
    return "".join(lines)


def openmetrics(measures: Sequence[Measure], job: str) -> str:
    """Format numbers as OpenMetrics text, as far as GitLab's reader of metrics takes it.

    GitLab puts the numbers of all jobs of a pipeline together, so each names its job.
    """
    of_job = f'job="{_NO_LABEL.sub("_", job)}"'
    lines: list[str] = []
    for one in measures:
        kind = f"# TYPE warmbuild_{one.name} gauge"
        lines += [] if kind in lines else [kind]
        labels = f'{of_job},phase="{_NO_LABEL.sub("_", one.phase)}"' if one.phase else of_job
        lines.append(f"warmbuild_{one.name}{{{labels}}} {round(one.value, 2)}")
    return "\n".join([*lines, "# EOF\n"])


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
    open_group=lambda title: _section("start", title, title),
    close_group=lambda title: _section("end", title),
    publish=_publish,
    summarize=_summarize,
    measure=_measure,
    merge_request=_merge_request,
    publish_findings=_publish_findings,
    output_files=_output_files,
)
