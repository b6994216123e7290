"""The order of things: plan, boot and ask at once, build, report, clean up."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warmbuild import builder, cachedir, contexts, credentials, merging, policy, probe, refs
from warmbuild import plan as plans
from warmbuild.context import is_false
from warmbuild.errors import CacheError, InputError, Problem, RegistryError
from warmbuild.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.context import RunContext
    from warmbuild.inputs import Inputs, Login
    from warmbuild.lints import Finding
    from warmbuild.log import Log
    from warmbuild.plan import BuildPlan
    from warmbuild.policy import CachePlan
    from warmbuild.probe import Answer
    from warmbuild.registry import Patience, Registry
    from warmbuild.report import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of warmbuild works with."""

    inputs: Inputs
    context: RunContext
    env: Mapping[str, str]
    log: Log


def plan(run: Run, *, ask: bool) -> BuildPlan:
    """Decide everything; start nothing, and contact nothing but, with `probe`, the registry."""
    decided = _decide(run)
    decided = replace(decided, findings=_findings(run, decided))
    return plans.with_cache(decided, _settle(run, decided)) if ask else decided


def build(run: Run) -> Outcome:
    """Carry a plan out, and publish what came of it.

    Raises a WarmbuildError that says why there is no image.
    """
    begun = time.monotonic()
    decided = _decide(run)
    _check_paths(run, decided)
    backend_secrets = [run.env.get(name, "") for name in run.inputs.cache_backend.secrets.values()]
    run.log.hide(filter(None, backend_secrets))
    for secret in run.inputs.secret_values:
        run.log.provider.mask(secret)
    for stale in run.log.provider.output_files(run.env):
        stale.unlink(missing_ok=True)
    program = builder.program(run.env)
    login = [run.inputs.login] if run.inputs.login else []
    with credentials.private(run.env, login, decided.secrets) as private:
        env = builder.environment(run.env, private)
        with builder.booted(decided.builder, program, env, private, run.log) as boot:
            # The registry is asked while the builder boots.
            _check_login(run, decided)
            decided = plans.with_cache(decided, _as_one(run, _settle(run, decided)))
            _normalize_modes(run, decided)
            decided = replace(decided, findings=_findings(run, decided))
            from warmbuild import solve  # noqa: PLC0415 (10 ms that the builder boots in)

            solve.say_plan(decided, run.log)
            name = boot()
            env = env | {"BUILDX_BUILDER": name}
            tool = solve.Tool(
                program=program,
                env=env,
                files=solve.files(private),
                definition=str(private.file("definition.json")),
                cache_timeout=run.inputs.cache_timeout.total_seconds(),
                annotates=not is_false(run.env.get("DOCKER_BUILD_CHECKS_ANNOTATIONS", "")),
                restart=lambda: builder.restart(decided.builder, env, name, run.log),
            )
            try:
                carry_out = solve.build if decided.makes_an_image else solve.ask
                outcome = carry_out(decided, tool, run.log)
            finally:
                solve.publish_findings(decided, run.env, run.log)
            if outcome.cache_written and decided.cache.history:
                outcome = _keep_history(run, decided.cache, outcome)
    outcome = replace(outcome, seconds=time.monotonic() - begun, warnings=tuple(run.log.warnings))
    solve.publish(run.inputs, run.env, run.log, outcome)
    if run.inputs.cache_strict and outcome.lost:
        raise CacheError(outcome.lost)
    return outcome


def _keep_history(run: Run, cache: CachePlan, outcome: Outcome) -> Outcome:
    """Give the generations before the one that was written their tags."""
    from warmbuild.registry import ask  # noqa: PLC0415 (80 ms to import)

    write = cache.write
    if write is None or not isinstance(write.ref, refs.Reference):
        return outcome
    client = _registries(run, run.log.line)
    written = ask([write.ref], client)[write.ref]
    if not isinstance(written, Found):
        return outcome
    lost: list[str] = []
    for ref, found in policy.shifted(cache, written):
        try:
            client(ref.host).retag(ref, found)
            run.log.line(f"kept the generation before as {ref}")
        except RegistryError as error:
            run.log.warning(str(error))
            lost.append(str(error))
    return replace(outcome, lost=(*outcome.lost, *lost))


def _decide(run: Run) -> BuildPlan:
    cache = policy.decide(run.inputs, run.context, plans.repository(run.inputs))
    set_ones = {name for name, value in run.env.items() if value}
    return plans.make(run.inputs, run.context, policy.with_variables(cache, set_ones))


def _normalize_modes(run: Run, decided: BuildPlan) -> None:
    """Set the modes that git stores, where that is asked for, and say what was done."""
    if not run.inputs.normalize_modes:
        return
    from warmbuild import sources  # noqa: PLC0415 (loaded while the builder boots)

    if contexts.checkout(decided.context, decided.run):
        run.log.line("normalize-modes: a git context has the modes that git stores")
        return
    done = None
    if not plans.is_remote(decided.context):
        done = sources.normalize_modes(Path(decided.context))
    if done is None:
        run.log.warning("normalize-modes sets nothing: the context lies in no work tree of git")
        return
    run.log.line(
        f"normalize-modes: {done.files} files and {done.directories} directories were set to the "
        "modes that git stores"
    )
    if done.failed:
        run.log.warning(f"normalize-modes: {done.failed} modes could not be set")


def _findings(run: Run, decided: BuildPlan) -> tuple[Finding, ...]:
    """Return what the lints find in the sources, which take nothing but being read."""
    if not run.inputs.lint:
        return ()
    from warmbuild import lints, sources  # noqa: PLC0415 (loaded while the builder boots)

    found = sources.read(decided, run.log.provider.pipeline_file(run.env))
    return lints.check(run.inputs, run.context, found, run.env)


def _check_paths(run: Run, decided: BuildPlan) -> None:
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
    if not plans.is_remote(decided.context):
        problems += _check_context(Path(decided.context), inputs.file)
    for name, path in (("output-file", inputs.output_file), ("summary-file", inputs.summary_file)):
        if path and not os.access(Path(path).absolute().parent, os.W_OK):
            problems.append(Problem(name=name, text=f"{path!r} cannot be written."))
    if problems:
        raise InputError(problems)


def _registries(run: Run, say: Callable[[str], None]) -> Callable[..., Registry]:
    """Return what makes a client of a registry, with this run's login or the user's own."""
    from warmbuild.registry import PROBE, Registry, transports  # noqa: PLC0415 (80 ms to import)

    inputs, config = run.inputs, credentials.read_config(run.env)
    ways = transports(inputs.buildkitd_config_inline or _text(inputs.buildkitd_config))

    def login_for(host: str) -> Login | None:
        if inputs.login and inputs.login.host == host:
            return inputs.login
        if not credentials.has_logins(config):
            return None
        from warmbuild import engine  # noqa: PLC0415 (100 ms that an empty file does not need)

        return engine.credential(config, host)

    def client(host: str, patience: Patience = PROBE) -> Registry:
        return Registry(host, login_for(host), ways.get(host), patience, say)

    return client


def _text(path: str) -> str:
    """Return a file's text; a plan may be made where the file is not."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""


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
        from warmbuild.registry import LOGIN  # noqa: PLC0415 (80 ms to import)

        _registries(run, run.log.line)(login.host, LOGIN).check_login()


def _settle(run: Run, plan: BuildPlan) -> CachePlan:
    """Ask for the caches that the plan would use, and keep what is of use.

    What was asked again is noted, for a plan is the answer of a command too.
    """
    retried: list[str] = []
    answers = _answers(run, plan.cache.asked, retried.append)
    settled = policy.settle(plan.cache, answers, datetime.now(UTC))
    return replace(settled, notes=(*settled.notes, *dict.fromkeys(retried)))


def _as_one(run: Run, cache: CachePlan) -> CachePlan:
    """Put the caches that are read into one where that is possible, or read the nearest alone."""
    if not policy.must_be_one(cache):
        return cache
    home = cache.write.ref if cache.write else ""
    if not isinstance(home, refs.Reference):
        return policy.nearest(cache, "several are read as one, which this run cannot write")
    try:
        merged = merging.merge(read.found for read in cache.read if read.found)
        if len(merged.config) > probe.LARGEST:
            return policy.nearest(cache, "together they are more than BuildKit reads")
        written = _registries(run, run.log.line)(home.host).write(home, merged)
    except (RegistryError, ValueError) as error:
        return policy.nearest(cache, f"several are read as one, which failed: {error}")
    return policy.as_one(cache, written)


def _answers(
    run: Run, wanted: Sequence[policy.Place], say: Callable[[str], None]
) -> Mapping[policy.Place, Answer]:
    refs_asked = [place for place in wanted if isinstance(place, refs.Reference)]
    answers: dict[policy.Place, Answer] = {
        place: cachedir.answer(place) for place in wanted if isinstance(place, str)
    }
    if refs_asked:
        from warmbuild.registry import ask  # noqa: PLC0415 (80 ms to import)

        answers.update(ask(refs_asked, _registries(run, say)).items())
    return answers
