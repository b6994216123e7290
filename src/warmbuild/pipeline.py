"""The order of things: plan, boot and ask at once, build, report, clean up."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import builder, buildx, credentials, policy, process, refs, report
from warmbuild import plan as plans
from warmbuild.errors import EngineError, InputError, Problem
from warmbuild.progress import Progress
from warmbuild.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.context import RunContext
    from warmbuild.credentials import Private
    from warmbuild.inputs import Inputs, Login
    from warmbuild.log import Log
    from warmbuild.plan import BuildPlan
    from warmbuild.policy import CachePlan
    from warmbuild.registry import Registry

_SUMMARY: Final = "warmbuild-summary.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of warmbuild works with."""

    inputs: Inputs
    context: RunContext
    env: Mapping[str, str]
    log: Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """buildx as this run uses it."""

    program: str
    env: Mapping[str, str]
    files: buildx.Files


def plan(run: Run, *, probe: bool) -> BuildPlan:
    """Decide everything; start nothing, and contact nothing but, with `probe`, the registry."""
    decided = _decide(run)
    return replace(decided, cache=_settle(run, decided)) if probe else decided


def build(run: Run) -> report.Outcome:
    """Carry a plan out, and publish what came of it.

    Raises a WarmbuildError that says why there is no image.
    """
    begun = time.monotonic()
    _check_paths(run)
    for secret in run.inputs.secret_values:
        run.log.provider.mask(secret)
    for stale in run.log.provider.output_files(run.env):
        stale.unlink(missing_ok=True)
    decided = _decide(run)
    program = builder.program(run.env)
    login = [run.inputs.login] if run.inputs.login else []
    with credentials.private(run.env, login, decided.secrets) as private:
        env = builder.environment(run.env, private)
        with builder.booted(decided.builder, program, env, private, run.log) as boot:
            # The registry is asked while the builder boots.
            _check_login(run, decided)
            decided = replace(decided, cache=_settle(run, decided))
            _say_plan(run.log, decided)
            env = env | {"BUILDX_BUILDER": boot()}
            tool = Tool(program=program, env=env, files=_files(private))
            outcome = _solve(run, decided, tool)
    outcome = replace(outcome, seconds=time.monotonic() - begun, warnings=tuple(run.log.warnings))
    _publish(run, outcome)
    return outcome


def _decide(run: Run) -> BuildPlan:
    cache = policy.decide(run.inputs, run.context, plans.repository(run.inputs))
    return plans.make(run.inputs, run.context, cache)


def _check_paths(run: Run) -> None:
    """Raise InputError for every file that an input names and that is not there."""
    inputs, problems = run.inputs, []
    wanted = [("buildkitd-config", inputs.buildkitd_config)]
    wanted += [("secret-files", secret.path) for secret in inputs.secrets]
    for name, path in wanted:
        if path and not Path(path).is_file():
            problems.append(Problem(name=name, text=f"there is no file {path!r}."))
    for secret in inputs.secrets:
        if secret.variable and secret.variable not in run.env:
            text = f"the environment variable {secret.variable!r} is not set."
            problems.append(Problem(name="secret-envs", text=text))
    if not plans.is_remote(inputs.context):
        problems += _check_context(Path(inputs.context), inputs.file)
    for name, path in (("output-file", inputs.output_file), ("summary-file", inputs.summary_file)):
        if path and not os.access(Path(path).absolute().parent, os.W_OK):
            problems.append(Problem(name=name, text=f"{path!r} cannot be written."))
    if problems:
        raise InputError(problems)


def _registries(run: Run) -> Callable[[str], Registry]:
    """Return what makes a client of a registry, with this run's login or the user's own."""
    from warmbuild.registry import Registry, transports  # noqa: PLC0415 (80 ms to import)

    inputs, config = run.inputs, credentials.read_config(run.env)
    text = inputs.buildkitd_config_inline
    if inputs.buildkitd_config:
        text = Path(inputs.buildkitd_config).read_text(encoding="utf-8", errors="replace")
    ways = transports(text)

    def login_for(host: str) -> Login | None:
        if inputs.login and inputs.login.host == host:
            return inputs.login
        if not credentials.has_logins(config):
            return None
        from warmbuild import engine  # noqa: PLC0415 (100 ms that an empty file does not need)

        return engine.credential(config, host)

    return lambda host: Registry(host, login_for(host), ways.get(host))


def _check_context(context: Path, file: str) -> list[Problem]:
    if not context.is_dir():
        return [Problem(name="context", text=f"there is no directory {str(context)!r} here.")]
    # BuildKit takes the name in lower case too.
    usual = (context / "Dockerfile", context / "dockerfile")
    if not any(path.is_file() for path in ((Path(file),) if file else usual)):
        return [Problem(name="file", text=f"there is no file {file or str(usual[0])!r}.")]
    return []


def _check_login(run: Run, plan: BuildPlan) -> None:
    """Raise RegistryError where the login that was given cannot push what will be built."""
    login = run.inputs.login
    if login and plan.push and any(refs.parse(tag).host == login.host for tag in plan.tags):
        _registries(run)(login.host).check_login()


def _settle(run: Run, plan: BuildPlan) -> CachePlan:
    """Ask the registry for the refs that the plan would use, and keep what is of use."""
    written = [plan.cache.write] if plan.cache.write else []
    wanted = [item.ref for item in (*plan.cache.read, *written)]
    if not wanted:
        return plan.cache
    from warmbuild.registry import ask  # noqa: PLC0415 (80 ms to import)

    return policy.settle(plan.cache, ask(wanted, _registries(run)))


def _say_plan(log: Log, plan: BuildPlan) -> None:
    with log.group("warmbuild: plan"):
        for line in report.plan_text(plan).splitlines():
            log.line(line)
    for warning in plan.cache.warnings:
        log.warning(warning)


def _solve(run: Run, plan: BuildPlan, tool: Tool) -> report.Outcome:
    """Build, a second time without the cache beside the push where that may help."""
    code, first = _attempt(run, plan, tool)
    last = exported = first
    again = report.second_try(plan, first.failure()) if code else None
    if again:
        run.log.warning(again.reason)
        code, last = _attempt(run, plans.image_alone(plan), tool)
    if code:
        raise report.failure_error(last.failure())
    metadata, image_id = json.loads(_read(tool.files.metadata) or "{}"), _read(tool.files.iid)
    if again and again.export_after:
        _, exported = _attempt(run, plans.cache_alone(plan), tool)
    # What ran, ran in the first attempt that came so far.
    built = first if first.steps() else last
    read, written, warnings = report.cache_outcome(plan, imported=built, exported=exported)
    for warning in warnings:
        run.log.warning(warning)
    return report.Outcome(
        digest=str(metadata.get("containerimage.digest", "")),
        image_id=image_id,
        metadata=json.dumps(redact_json(metadata, run.log.redact), separators=(",", ":")),
        tags=plan.tags,
        steps=built.steps(),
        cache_read=read,
        cache_written=written,
        seconds=0.0,
        notes=(*plan.notes, *plan.cache.notes),
        warnings=(),
    )


def _attempt(run: Run, plan: BuildPlan, tool: Tool) -> tuple[int, Progress]:
    """Run one build, print its progress; return its exit code and what happened."""
    argv = buildx.build(plan, tool.files)
    progress = Progress()
    with run.log.group("warmbuild: build"):
        run.log.line(f"+ docker buildx {process.shown(argv, run.log.redact)}")
        with process.started([tool.program, *argv], tool.env) as running:
            for line in running.lines():
                for text in progress.feed(line):
                    run.log.line(text)
            return running.wait(), progress


def _files(private: Private) -> buildx.Files:
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


def _publish(run: Run, outcome: report.Outcome) -> None:
    values, summary = report.outputs(outcome), run.log.redact(report.summary(outcome))
    with run.log.group("warmbuild: result"):
        for line in report.outcome_text(outcome).splitlines():
            run.log.line(line)
    run.log.provider.publish(run.env, values, summary)
    if run.inputs.output_file:
        _write(Path(run.inputs.output_file), json.dumps(values, indent=2) + "\n")
    summary_file = run.inputs.summary_file
    if summary_file or not run.env.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary_file or Path(tempfile.gettempdir(), _SUMMARY)), summary)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for another run may write it too."""
    try:
        whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; the image is built all the same"
        raise EngineError(message) from error
