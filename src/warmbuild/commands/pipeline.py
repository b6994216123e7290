"""The order of things: plan, boot and ask at once, build, report, clean up."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import process, refs
from warmbuild.builder import boot, environment, node_certificates, private_directory
from warmbuild.buildkit import answers
from warmbuild.cache import directory, merging, probe, problems, settling
from warmbuild.cache.probe import Answer, Found
from warmbuild.cache.problems import Kind, Problem
from warmbuild.errors import CacheError, InputError, InputProblem, RegistryError
from warmbuild.files import read_text
from warmbuild.image import tags
from warmbuild.inputs import build_context
from warmbuild.plan import making
from warmbuild.plan.making import Known
from warmbuild.refs import Reference
from warmbuild.registry import docker_config, scopes
from warmbuild.run_context import RunContext, is_false

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.bake.targets import Target
    from warmbuild.build.outcomes import Outcome
    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.finding import Finding
    from warmbuild.image.tags import Tags
    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.registry.client import Registry
    from warmbuild.registry.keyring import Keyring

    Say = Callable[[str], object]


# What buildx needs to read files.
_OF_BUILDX: Final = ("PATH", "HOME", "TMPDIR", "DOCKER_CONFIG", "BUILDX_CONFIG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of warmbuild works with."""

    inputs: Inputs
    context: RunContext
    env: Mapping[str, str]
    log: Log
    keyring: Keyring


def plan(run: Run, *, as_json: bool) -> None:
    """Decide everything, say it and hand it on.

    Nothing is started but buildx, where files say what is built, to read them; and nothing is
    contacted but, with `probe`, the registry.
    """
    from warmbuild.report import (  # noqa: PLC0415
        plain_text,
        plan_json,
        publishing,
    )

    known = _known(run)
    parts = _parts(run, known.applied)
    decided: Sequence[BuildPlan] = [
        replace(one, findings=_findings(part.run, one))
        for part in parts
        for one in [_decide(part, known)]
    ]
    if run.inputs.probe:
        said: list[str] = []
        _fill_keyring(run, decided, said.append, said.append)
        decided = [_noted(one, said) for one in _settled(run, decided)]
    for line in (plan_json.plan_json if as_json else plain_text.plan_text)(*decided).splitlines():
        run.log.line(line)
    is_step = run.context.ci != "local" and not as_json
    if is_step or run.inputs.plan_only or run.inputs.output_file:
        publishing.plan(run.inputs, run.env, run.log, [_handed_on(run, one) for one in decided])


def _handed_on(run: Run, decided: BuildPlan) -> BuildPlan:
    """Return a plan for others: what is put together here they have to do without."""
    if not run.inputs.probe or not settling.must_be_one(decided.cache):
        return decided
    nearest = settling.nearest(decided.cache, "caches are put together by a build alone")
    return replace(decided, cache=nearest)


def build(run: Run) -> Outcome:  # noqa: PLR0915
    """Carry a plan out, and publish what came of it.

    Raises a WarmbuildError that says why there is no image.
    """
    begun = time.monotonic()
    known = _known(run)
    parts = _parts(run, known.applied)
    decided = [_decide(part, known) for part in parts]
    _check_paths(run, decided)
    backend_secrets = [run.env.get(name, "") for name in run.inputs.cache_backend.secrets.values()]
    certificates = node_certificates.certificates(run.env).values()
    run.log.hide(filter(None, backend_secrets))
    run.log.hide(text for files in certificates for text in files.values())
    for stale in run.log.provider.output_files(run.env):
        stale.unlink(missing_ok=True)
    program = environment.program(run.env)
    for secret in run.inputs.secret_values:
        run.log.provider.mask(secret)
    _fill_keyring(run, decided, run.log.line, run.log.warning)
    for login in run.keyring.own:
        run.log.provider.mask(login.password)
    secrets = {secret.id: secret for one in decided for secret in one.secrets}
    with private_directory.private(run.env, run.keyring.own, tuple(secrets.values())) as private:
        env = environment.environment(run.env, private)
        environment.take_certificates(run.env, private)
        boots = decided[0].builder
        with boot.booted(boots, program, env, private, run.log) as made:
            has_store = boot.has_image_store(boots, env)
            if not has_store:
                known = replace(known, has_image_store=False)
                decided = [_decide(part, known) for part in parts]
            # The registry is asked while the builder boots.
            _check_logins(run, decided)
            _leave_logins(run)
            decided = [
                making.with_cache(one, _as_one(run, one.cache)) for one in _settled(run, decided)
            ]
            for one in decided:
                _normalize_modes(run, one)
            decided = [
                replace(one, findings=_findings(part.run, one))
                for one, part in zip(decided, parts, strict=True)
            ]
            from warmbuild.build import solve  # noqa: PLC0415
            from warmbuild.build.solve import Tool  # noqa: PLC0415
            from warmbuild.report import publishing  # noqa: PLC0415

            publishing.say_plan(decided, run.log)
            name = made.boot()
            env = env | {"BUILDX_BUILDER": name}
            tool = Tool(
                program=program,
                env=env,
                files=solve.files(private),
                definition=str(private.file("definition.json")),
                cache_timeout=run.inputs.cache_timeout.total_seconds(),
                annotates=not is_false(run.env.get("DOCKER_BUILD_CHECKS_ANNOTATIONS", "")),
                restart=lambda: boot.restart(boots, env, name, run.log),
            )
            try:
                outcome = (
                    solve.build(decided, tool, run.log)
                    if decided[0].makes_an_image
                    else solve.ask(decided[0], tool, run.log)
                )
            finally:
                publishing.findings(decided, run.env, run.log)
            outcome = replace(outcome, builder=made.inspected())
            written = {one.name for one in (*outcome.targets, outcome) if one.cache_written}
            for one in decided:
                if one.name in written and one.cache.history:
                    outcome = _keep_history(run, one.cache, outcome)
    outcome = replace(outcome, seconds=time.monotonic() - begun, warnings=tuple(run.log.warnings))
    publishing.outcome(run.inputs, run.env, run.log, outcome)
    losses = problems.losses(outcome.problems)
    if run.inputs.cache_strict and losses:
        raise CacheError(losses)
    return outcome


def _keep_history(run: Run, cache: CachePlan, outcome: Outcome) -> Outcome:
    """Give the generations before the one that was written their tags."""
    from warmbuild.registry.client import ask  # noqa: PLC0415

    write = cache.write
    if write is None or not isinstance(write.ref, Reference):
        return outcome
    client = _registries(run, run.log.line)
    written = ask([write.ref], client)[write.ref]
    if not isinstance(written, Found):
        return outcome
    lost: list[Problem] = []
    for ref, found in settling.shifted(cache, written):
        try:
            client(ref.host).retag(ref, found)
            run.log.line(f"kept the generation before as {ref}")
        except RegistryError as error:
            run.log.warning(str(error))
            lost.append(Problem(kind=Kind.HISTORY, text=str(error)))
    return replace(outcome, problems=(*outcome.problems, *lost))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One image of a run, as a run of its own; `target` is what a file says of it."""

    run: Run
    target: Target | None = None


def _parts(run: Run, applied: Tags) -> Sequence[_Part]:
    """Return the images that are built: one, or the targets of the files."""
    if not run.inputs.bake_files and not run.inputs.compose_files:
        return (_Part(run=run),)
    from warmbuild.bake import targets  # noqa: PLC0415

    found = _resolved(run)
    if run.context.untrusted:
        _check_confined(run, found)
    for target in found:
        run.log.hide(filter(None, targets.secrets(target, run.env)))
    return [
        _Part(
            run=replace(run, inputs=targets.inputs(run.inputs, run.context, applied, target)),
            target=target,
        )
        for target in found
    ]


def _resolved(run: Run) -> Sequence[Target]:
    """Have buildx read the files, with the variables filled in."""
    from warmbuild.bake import (  # noqa: PLC0415
        bake_file,
        targets,
    )

    inputs = run.inputs
    files = (*inputs.compose_files, *inputs.bake_files)
    name = "bake-files" if inputs.bake_files else "compose-files"
    missing = [
        InputProblem(name=kind, text=f"there is no file {path!r}.")
        for kind, paths in (
            ("bake-files", inputs.bake_files),
            ("compose-files", inputs.compose_files),
        )
        for path in paths
        if not Path(path).is_file()
    ]
    if missing:
        raise InputError(missing)
    with private_directory.private(run.env, (), ()) as private:
        values = dict(item.split("=", 1) for item in inputs.vars)
        env = environment.environment(run.env, private)
        if run.context.untrusted:
            # A file may put all of the environment where its own commands read it.
            env = {name: env[name] for name in _OF_BUILDX if name in env}
        env |= values
        argv = bake_file.resolve(files, inputs.targets, inputs.set)
        done = process.run([environment.program(run.env), *argv], env)
    if done.code:
        text = f"cannot be read: {answers.error(done.output).rstrip('.')}."
        raise InputError([InputProblem(name=name, text=text)])
    try:
        return targets.read(done.output)
    except ValueError as error:
        text = f"cannot be read by this buildx: {error}."
        raise InputError([InputProblem(name=name, text=text)]) from error


def _check_confined(run: Run, found: Sequence[Target]) -> None:
    """Raise InputError where a file that a stranger wrote reaches out of the checkout."""
    from warmbuild.bake import targets  # noqa: PLC0415

    here = Path.cwd().resolve()
    problems = [
        InputProblem(
            name="bake-files" if run.inputs.bake_files else "compose-files",
            text=f"the target {target.name} takes {path!r}, which lies outside of this directory, "
            f"and {run.context.untrusted}.",
        )
        for target in found
        for path in dict.fromkeys(targets.paths(target))
        if not Path(path).resolve().is_relative_to(here)
    ]
    if problems:
        raise InputError(problems)


def _decide(part: _Part, known: Known) -> BuildPlan:
    run = part.run
    if part.target is None:
        return making.decide(run.inputs, run.context, known)
    from warmbuild.bake import targets  # noqa: PLC0415

    return targets.planned(run.inputs, run.context, known, part.target)


def _known(run: Run) -> Known:
    """Return what the plans of a run need to know beside its inputs and context."""
    inputs, context = run.inputs, run.context
    return Known(
        applied=tags.apply(inputs.tag_rules, inputs.flavor, context, context.begun),
        variables=frozenset(name for name, value in run.env.items() if value),
    )


def _normalize_modes(run: Run, decided: BuildPlan) -> None:
    """Set the modes that git stores, where that is asked for, and say what was done."""
    if not run.inputs.normalize_modes:
        return
    from warmbuild.project import git_modes  # noqa: PLC0415

    if build_context.checkout(decided.context, decided.run):
        run.log.line("normalize-modes: a git context has the modes that git stores")
        return
    done = None
    if not build_context.is_remote(decided.context):
        done = git_modes.normalize_modes(Path(decided.context))
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
    from warmbuild.lint import (  # noqa: PLC0415
        checking,
        reading,
    )

    found = reading.read(decided, run.log.provider.pipeline_file(run.env))
    return checking.check(run.inputs, run.context, found, run.env)


def _check_paths(run: Run, decided: Sequence[BuildPlan]) -> None:
    """Raise InputError for every file that an input names and that is not there."""
    inputs, problems = run.inputs, []
    wanted = [("buildkitd-config", inputs.buildkitd_config)]
    wanted += [("secret-files", secret.path) for secret in inputs.secrets]
    for name, path in wanted:
        if path and not Path(path).is_file():
            problems.append(InputProblem(name=name, text=f"there is no file {path!r}."))
    for secret in inputs.secrets:
        if secret.variable and secret.variable not in run.env:
            text = f"the environment variable {secret.variable!r} is not set."
            problems.append(InputProblem(name="secret-envs", text=text))
    endpoints = [inputs.endpoint, *(node.endpoint for node in inputs.append)]
    found = node_certificates.misfits(
        inputs.driver, endpoints, node_certificates.certificates(run.env)
    )
    problems += [InputProblem(name=variable, text=text) for variable, text in found.items()]
    if not any(one.name or build_context.is_remote(one.context) for one in decided):
        problems += _check_context(Path(decided[0].context), inputs.file)
    for name, path in (("output-file", inputs.output_file), ("summary-file", inputs.summary_file)):
        if path and not os.access(Path(path).absolute().parent, os.W_OK):
            problems.append(InputProblem(name=name, text=f"{path!r} cannot be written."))
    if problems:
        raise InputError(problems)


def _registries(run: Run, say: Callable[[str], None]) -> Callable[..., Registry]:
    """Return what makes a client of a registry, with this run's login or the user's own."""
    from warmbuild.registry.client import (  # noqa: PLC0415
        LOGIN,
        PROBE,
        Registry,
    )
    from warmbuild.registry.transports import transports  # noqa: PLC0415

    inputs = run.inputs
    # A plan may be made where the file is not.
    config = inputs.buildkitd_config_inline or read_text(inputs.buildkitd_config)
    ways = transports(config or "")

    def client(host: str, *, patient: bool = False) -> Registry:
        try:
            login = run.keyring.login(host)
        except RegistryError as error:
            say(str(error))
            login = None
        patience = LOGIN if patient else PROBE
        registry = Registry(host, login, ways.get(host), patience, say)
        registry.scoped = partial(run.keyring.scoped, host)
        return registry

    return client


def _check_context(context: Path, file: str) -> list[InputProblem]:
    if not context.is_dir():
        return [InputProblem(name="context", text=f"there is no directory {str(context)!r} here.")]
    # BuildKit takes the name in lower case too.
    usual = (context / "Dockerfile", context / "dockerfile")
    if not any(path.is_file() for path in ((Path(file),) if file else usual)):
        return [InputProblem(name="file", text=f"there is no file {file or str(usual[0])!r}.")]
    return []


def _targets(decided: Sequence[BuildPlan]) -> tuple[Reference, ...]:
    """Return the repositories that the plans push to."""
    pushed = (refs.parse(tag) for one in decided if one.push for tag in one.tags)
    return tuple(dict.fromkeys(replace(tag, tag="", digest="") for tag in pushed))


def _fill_keyring(run: Run, decided: Sequence[BuildPlan], say: Say, warn: Say) -> None:
    """Get the logins ready, and say where they are not as they were given."""
    run.keyring.fill({ref.host for ref in _targets(decided)}, warn)
    run.log.hide(login.password for login in run.keyring.own)
    for login in run.keyring.own:
        if login.is_assumed:
            say(f"no username is given for {login}, so {login.username!r} is used")
    for host, program in run.keyring.gone.items():
        of = f"the login for {host}" if host else "logins"
        warn(
            f"the Docker configuration has {of} in {program}, which is not installed here, so "
            "there is none from there"
        )


def _check_logins(run: Run, decided: Sequence[BuildPlan]) -> None:
    """Raise RegistryError for every login that cannot push what will be built.

    Another one that was given is worth a warning, and one for a cache alone is tried by the probe.
    """
    failures: list[str] = []
    checked: list[Login] = []
    for ref in _targets(decided):
        try:
            _check_target(run, ref, checked)
        except RegistryError as error:
            failures.append(str(error))
    if failures:
        raise RegistryError("\n".join(failures))
    places = (place for one in decided for place in one.cache.asked)
    asked = {place.host for place in places if isinstance(place, Reference)}
    for login in run.keyring.own:
        if login in checked or login.host in asked or login.is_known or login.helper:
            continue
        try:
            client = _registries(run, run.log.line)(login.host)
            client.check_login(scopes.token_scope(login.scope), "a login for it is given")
        except RegistryError as error:
            run.log.warning(str(error))


def _check_target(run: Run, ref: Reference, checked: list[Login]) -> None:
    """Raise RegistryError where the login for a repository is refused, or cannot be had."""
    keyring, scope = run.keyring, f"repository:{ref.path}:pull,push"
    login = keyring.scoped(ref.host, scope)
    if not login:
        scope, login = "", keyring.login(ref.host)
    if not login and (program := keyring.gone.get(docker_config.server(ref.host))):
        message = f"the image goes to {ref.host}, whose login is in {program}, which is not "
        raise RegistryError(f"{message}installed here. Install it, or give username and password.")
    if login in keyring.own and login not in checked:
        checked.append(login)
        _registries(run, run.log.line)(ref.host, patient=True).check_login(scope)


def _leave_logins(run: Run) -> None:
    """Leave the logins that were given where other steps find them, if that is asked for."""
    if run.inputs.logout:
        return
    given = [login for login in run.keyring.own if not login.is_known]
    for failure in docker_config.leave(run.env, given):
        run.log.warning(f"logout is false, and a login cannot be left behind: {failure}")


def _settled(run: Run, decided: Sequence[BuildPlan]) -> Sequence[BuildPlan]:
    """Ask for the caches that the plans would use, all at once, and keep what is of use.

    What was asked again is noted, for a plan is the answer of a command too.
    """
    retried: list[str] = []
    asked = dict.fromkeys(place for one in decided for place in one.cache.asked)
    answers, now = _answers(run, tuple(asked), retried.append), datetime.now(UTC)
    notes = tuple(dict.fromkeys(retried))
    return [
        making.with_cache(one, replace(settled, notes=(*settled.notes, *notes)))
        for one in decided
        for settled in [settling.settle(one.cache, answers, now)]
    ]


def _as_one(run: Run, cache: CachePlan) -> CachePlan:
    """Put the caches that are read into one where that is possible, or read the nearest alone."""
    if not settling.must_be_one(cache):
        return cache
    home = cache.write.ref if cache.write else ""
    if not isinstance(home, Reference):
        return settling.nearest(cache, "several are read as one, which this run cannot write")
    try:
        merged = merging.merge(read.found for read in cache.read if read.found)
        if len(merged.config) > probe.LARGEST:
            return settling.nearest(cache, "together they are more than BuildKit reads")
        written = _registries(run, run.log.line)(home.host).write(home, merged)
    except (RegistryError, ValueError) as error:
        return settling.nearest(cache, f"several are read as one, which failed: {error}")
    return settling.as_one(cache, written)


def _noted(plan: BuildPlan, notes: Sequence[str]) -> BuildPlan:
    return making.with_cache(plan, replace(plan.cache, notes=(*notes, *plan.cache.notes)))


def _answers(
    run: Run, wanted: Sequence[Place], say: Callable[[str], None]
) -> Mapping[Place, Answer]:
    refs_asked = [place for place in wanted if isinstance(place, Reference)]
    answers: dict[Place, Answer] = {
        place: directory.answer(place) for place in wanted if isinstance(place, str)
    }
    if refs_asked:
        from warmbuild.registry.client import ask  # noqa: PLC0415

        answers.update(ask(refs_asked, _registries(run, say)).items())
    return answers
