"""Carries out a planned build: runs it, prints its progress, reads and publishes what it did.

Loaded while the builder boots.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import buildx, plan, process, report
from warmbuild.errors import EngineError
from warmbuild.progress import Progress
from warmbuild.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.credentials import Private
    from warmbuild.inputs import Inputs
    from warmbuild.log import Log
    from warmbuild.plan import BuildPlan

_SUMMARY: Final = "warmbuild-summary.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """buildx as this run uses it."""

    program: str
    env: Mapping[str, str]
    files: buildx.Files


def say_plan(decided: BuildPlan, log: Log) -> None:
    """Write what was decided, with reasons, and what is lost already."""
    with log.group("warmbuild: plan"):
        for line in report.plan_text(decided).splitlines():
            log.line(line)
    for warning in decided.cache.warnings:
        log.warning(warning)
    for found in decided.findings:
        log.warning(report.finding(found), found.file, found.line)


def build(decided: BuildPlan, tool: Tool, log: Log) -> report.Outcome:
    """Build, a second time without the cache beside the push where that may help.

    Raises BuildError, RegistryError or EngineError with what went wrong.
    """
    code, first = _attempt(decided, tool, log)
    last = exported = first
    again = report.second_try(decided, first.failure()) if code else None
    if again:
        log.warning(again.reason)
        code, last = _attempt(plan.image_alone(decided), tool, log)
    if code:
        raise report.failure_error(last.failure())
    metadata, image_id = json.loads(_read(tool.files.metadata) or "{}"), _read(tool.files.iid)
    after = again.export_after if again else report.exports_again(decided, exported)
    if after:
        log.line("the image is out; now the cache alone")
        _, exported = _attempt(plan.cache_alone(decided), tool, log)
    # What ran, ran in the first attempt that came so far.
    built = first if first.steps() else last
    read, written, warnings = report.cache_outcome(decided, imported=built, exported=exported)
    for warning in warnings:
        log.warning(warning)
    return report.Outcome(
        digest=str(metadata.get("containerimage.digest", "")),
        image_id=image_id,
        metadata=json.dumps(redact_json(metadata, log.redact), separators=(",", ":")),
        tags=decided.tags,
        steps=built.steps(),
        cache_read=read,
        cache_written=written,
        seconds=0.0,
        notes=(*decided.notes, *decided.cache.notes),
        warnings=(),
    )


def _attempt(decided: BuildPlan, tool: Tool, log: Log) -> tuple[int, Progress]:
    """Run one build, print its progress; return its exit code and what happened."""
    argv = buildx.build(decided, tool.files)
    progress = Progress()
    with log.group("warmbuild: build"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with process.started([tool.program, *argv], tool.env) as running:
            for line in running.lines():
                for text in progress.feed(line):
                    log.line(text)
            return running.wait(), progress


def files(private: Private) -> buildx.Files:
    """Return where buildx reads and writes in the private directory of a run."""
    return buildx.Files(
        metadata=str(private.file("metadata.json")),
        iid=str(private.file("iid")),
        secret=lambda key: str(private.secret(key)),
    )


def _read(path: str) -> str:
    """Return a file's text; buildx leaves one out where it has nothing to say."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def publish(inputs: Inputs, env: Mapping[str, str], log: Log, outcome: report.Outcome) -> None:
    """Hand outputs and summary to the log, the CI system and the files that were asked for.

    Raises EngineError where such a file cannot be written.
    """
    values, summary = report.outputs(outcome), log.redact(report.summary(outcome))
    with log.group("warmbuild: result"):
        for line in report.outcome_text(outcome).splitlines():
            log.line(line)
    log.provider.publish(env, values, summary)
    if inputs.output_file:
        _write(Path(inputs.output_file), json.dumps(values, indent=2) + "\n")
    summary_file = inputs.summary_file
    if summary_file or not env.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary_file or Path(tempfile.gettempdir(), _SUMMARY)), summary)


def publish_findings(decided: BuildPlan, env: Mapping[str, str], log: Log) -> None:
    """Hand what the lints found to the CI system, also where the build failed."""
    findings = [replace(found, text=log.redact(found.text)) for found in decided.findings]
    log.provider.publish_findings(env, findings)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for another run may write it too."""
    try:
        whole = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; the image is built all the same"
        raise EngineError(message) from error
