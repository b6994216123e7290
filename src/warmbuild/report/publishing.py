"""Publishes plans and outcomes: to the log, the CI system and the requested files."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files, lazy
from warmbuild.bake import bake_file
from warmbuild.build import outcomes
from warmbuild.ci.provider import LossError
from warmbuild.errors import EngineError
from warmbuild.files import write_text
from warmbuild.report import measured, outputs, plain_text, result_json
from warmbuild.run_context import is_false

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.ci.provider import Provider
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.report import markdown, page
else:
    markdown = lazy.module("warmbuild.report.markdown")
    page = lazy.module("warmbuild.report.page")
    tempfile = lazy.module("tempfile")

_SUMMARY: Final = "warmbuild-summary.md"


def say_plan(decided: Sequence[BuildPlan], log: Log) -> None:
    """Log the plans with their reasons, and their warnings."""
    with log.group("warmbuild: plan"):
        for line in plain_text.plan_text(*decided, warns=False).splitlines():
            log.line(line)
    for warning in dict.fromkeys(text for one in decided for text in one.warnings):
        log.warning(warning)


def set_outputs(
    done: Outcome, inputs: Inputs, env: Mapping[str, str], provider: Provider, log: Log
) -> None:
    """Publish the outputs; raises EngineError if they cannot be written.

    They are in the log then.
    """
    values = outputs.outputs(outcomes.shown(done, log.redact), inputs)
    lost: list[str] = []
    with _warned(log):
        lost += _hand_over(values, env, provider)
    if inputs.output_file:
        lost += _write(inputs.output_file, _json(values))
    with _warned(log):
        provider.export(env, outputs.variables(values, inputs))
    if lost:
        for name, value in values.items():
            log.answer(f"output {name}={value}")
        raise EngineError(
            "; ".join([*lost, "everything else is done, and the log has the outputs"])
        )


def hand_over(
    done: Outcome, inputs: Inputs, env: Mapping[str, str], provider: Provider, log: Log
) -> None:
    """Publish the outputs so far, which will be published again; what fails then fails later.

    What reads a pipe or a terminal is to get them once.
    """
    values = outputs.outputs(outcomes.shown(done, log.redact), inputs)
    with suppress(LossError):
        _hand_over(values, env, provider)
    if inputs.output_file and files.is_replaceable(inputs.output_file):
        _write(inputs.output_file, _json(values))


def _hand_over(values: Mapping[str, str], env: Mapping[str, str], provider: Provider) -> list[str]:
    try:
        provider.publish(env, values)
    except EngineError as error:
        return [str(error)]
    return []


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(values, indent=2) + "\n"


def conclude(
    done: Outcome, inputs: Inputs, env: Mapping[str, str], provider: Provider, log: Log
) -> Sequence[str]:
    """Publish summary and report, and say the result; return what is asked for and not written."""
    lost: list[str] = []
    # Markdown escapes characters, so secrets are hidden before and, in names, after it.
    done = outcomes.shown(done, log.redact)
    given = {name: log.redact(value) for name, value in inputs.given.items()}
    summary = markdown.summary(done, given, log.redact)
    # As for docker/build-push-action; a file that an input names is written in any case.
    is_unwanted = is_false(env.get("DOCKER_BUILD_SUMMARY", ""))
    is_kept = is_unwanted
    if not is_unwanted:
        with _warned(log):
            is_kept = provider.summarize(env, summary)
    with _warned(log):
        provider.measure(env, measured.measures(done))
    if inputs.summary_file:
        lost += _write(inputs.summary_file, summary)
    elif not is_kept:
        # Another user may have put anything there.
        with suppress(OSError):
            write_text(Path(tempfile.gettempdir(), _SUMMARY), summary)
    if inputs.report_file:
        lost += _write(inputs.report_file, page.page(done, log.redact))
    if text := plain_text.outcome_text(done):
        log.open_result()
        log.answer(text, {"event": "result", "result": result_json.result(done)})
    return lost


def plan(
    decided: Sequence[BuildPlan],
    inputs: Inputs,
    env: Mapping[str, str],
    provider: Provider,
    log: Log,
) -> None:
    """Publish plans: their caches as outputs, and as bake definitions in files.

    Another tool needs secrets of caches as they are. They are handed on only where the CI system
    masks them, and never to a file that outlives the job.
    """
    bare = [outputs.without_secrets(one) for one in decided]
    handed_on = decided if provider.mask else bare
    if bare != list(decided) and (inputs.output_file or not provider.mask):
        left_out = "output-file leaves" if provider.mask else "the outputs leave"
        log.warning(
            f"{left_out} out the secrets of cache-from and cache-to, which others could read "
            "there: set them where the image is built"
        )
    definitions: dict[str, str] = {}
    for output, definition in bake_file.definitions(handed_on, inputs.bake_target).items():
        path, name = provider.later_file(env, f"warmbuild-{os.urandom(4).hex()}.json")
        try:
            write_text(path, json.dumps(definition, indent=2) + "\n")
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error.strerror}") from error
        definitions[output] = name
    for text in bake_file.left_to_files(decided):
        log.warning(text)
    values = outputs.plan_outputs(handed_on, definitions, inputs)
    with _warned(log):
        provider.publish(env, values)
    with _warned(log):
        provider.export(env, outputs.variables(values, inputs))
    if inputs.output_file:
        values = outputs.plan_outputs(bare, definitions, inputs)
        if lost := _write(inputs.output_file, _json(values)):
            raise EngineError("; ".join(lost))


def findings(
    decided: Sequence[BuildPlan], env: Mapping[str, str], provider: Provider, log: Log
) -> None:
    """Log what the lints found, at its lines, and publish it to the CI system.

    A summary has findings apart from warnings.
    """
    found = plain_text.findings(decided)
    for one in found:
        log.warning(plain_text.finding(one), one.file, one.line, in_summary=False)
    provider.publish_findings(env, [replace(one, text=log.redact(one.text)) for one in found])


@contextmanager
def _warned(log: Log) -> Iterator[None]:
    """Warn of what the CI system does not get, and go on."""
    try:
        yield
    except LossError as error:
        log.warning(str(error), in_summary=False)


def _write(path: str, text: str) -> list[str]:
    """Write a file that an input names; return why that failed, if it did."""
    try:
        files.write_through(Path(path), text)
    except OSError as error:
        return [f"{path} cannot be written: {error.strerror}"]
    return []
