"""Builds: boots the builder while it asks the registry, builds, reports, cleans up."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.builder import boot, engine_calls, environment, private_directory, state
from warmbuild.builder.environment import Buildx
from warmbuild.cache import problems
from warmbuild.commands import checkout, confidential, images, logins, mounted, tracing
from warmbuild.errors import CacheError, EngineError, InputError, WarmbuildError
from warmbuild.frozen import frozen
from warmbuild.phases import Phase
from warmbuild.run_context import is_false
from warmbuild.trust import Right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.build import display, outcomes, solve, terminal, timeline
    from warmbuild.build.display import View
    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.solve import Tool
    from warmbuild.builder import handover, traffic
    from warmbuild.builder.boot import Made
    from warmbuild.builder.private_directory import Private
    from warmbuild.buildkit import plain_progress
    from warmbuild.commands import (
        caches,
        cleanup,
        draft,
        explaining,
        keeping,
        linked_copy,
        mount_search,
        reach,
        recording,
        skipping,
    )
    from warmbuild.commands.clock import Clock
    from warmbuild.commands.draft import Draft
    from warmbuild.commands.images import Image
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.mount_search import Keeping
    from warmbuild.commands.recording import Known
    from warmbuild.commands.run import Run
    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan
    from warmbuild.report import note_keeping, plain_text, publishing
else:
    # Loaded while the builder boots.
    caches = lazy.module("warmbuild.commands.caches")
    cleanup = lazy.module("warmbuild.commands.cleanup")
    display = lazy.module("warmbuild.build.display")
    draft = lazy.module("warmbuild.commands.draft")
    handover = lazy.module("warmbuild.builder.handover")
    explaining = lazy.module("warmbuild.commands.explaining")
    keeping = lazy.module("warmbuild.commands.keeping")
    linked_copy = lazy.module("warmbuild.commands.linked_copy")
    mount_search = lazy.module("warmbuild.commands.mount_search")
    reach = lazy.module("warmbuild.commands.reach")
    recording = lazy.module("warmbuild.commands.recording")
    skipping = lazy.module("warmbuild.commands.skipping")
    outcomes = lazy.module("warmbuild.build.outcomes")
    note_keeping = lazy.module("warmbuild.report.note_keeping")
    plain_progress = lazy.module("warmbuild.buildkit.plain_progress")
    plain_text = lazy.module("warmbuild.report.plain_text")
    publishing = lazy.module("warmbuild.report.publishing")
    solve = lazy.module("warmbuild.build.solve")
    terminal = lazy.module("warmbuild.build.terminal")
    timeline = lazy.module("warmbuild.build.timeline")
    traffic = lazy.module("warmbuild.builder.traffic")

# Seconds; a wait that is shorter was for what had happened already.
_AT_ONCE: Final = 0.05


def build(run: Run) -> Outcome:
    """Build the images of a run and publish the outcome; raises WarmbuildError on failure.

    What is known of a run that fails is published, too.
    """
    run = tracing.prepared(run)
    wanted = images.images(run, run.mounts)
    written = mounted.written(run.inputs, [image.target for image in wanted])
    begun = draft.Draft()
    with mounted.handed_over(written, run.mounts, run.log):
        try:
            outcome = _built(run, wanted, begun)
            losses = problems.losses(outcome.problems)
            if run.inputs.cache_strict and losses:
                raise CacheError(losses)
        except WarmbuildError as error:
            failed = draft.failed(begun, error)
            if begun.calls and begun.outcome is None:
                publishing.hand_over(failed, run.inputs, run.env, run.provider, run.log)
            lost = _conclude(run, begun, failed)
            # Errors of inputs tell of their files themselves.
            for text in () if isinstance(error, InputError) else lost:
                run.log.warning(text)
            raise
        if lost := _conclude(run, begun, outcome):
            raise EngineError("; ".join((*lost, "everything else is done")))
    return outcome


def _conclude(run: Run, begun: Draft, outcome: Outcome) -> Sequence[str]:
    """Say how a run has ended, and where its time went; return what could not be written.

    Nothing follows but the error, if there is one.
    """
    run.clock.enter(Phase.REPORT)
    _keep_note(run, _timed(run, begun, outcome))
    tracing.send(run, _timed(run, begun, outcome))
    outcome = _timed(run, begun, outcome)
    return publishing.conclude(outcome, run.inputs, run.env, run.provider, run.log)


def _timed(run: Run, begun: Draft, outcome: Outcome) -> Outcome:
    """Return an outcome with all that is known of the run until now, and where its time went."""
    where = timeline.timeline(begun.calls, run.clock.spans())
    return replace(
        outcome,
        timeline=where,
        seconds=where.ended - where.begun,
        warnings=tuple(run.log.warnings),
        findings=tuple(plain_text.findings(begun.decided)),
    )


def _keep_note(run: Run, outcome: Outcome) -> None:
    """Keep a note in the merge request, if that is asked for and there is one.

    A run that was told to stop has no time, and mostly a newer one beside it.
    """
    if not run.inputs.merge_request_note or outcome.is_stopped:
        return
    place = run.provider.merge_request(run.env)
    if place is None:
        return
    if untrusted := run.context.trust.refuses(Right.HAVE_TOKEN):
        run.log.line(f"the merge request gets no note, because {untrusted}")
        return
    note_keeping.keep(outcome, place, run.inputs, run.log)


def _built(run: Run, wanted: Sequence[Image], begun: Draft) -> Outcome:
    """Build images and publish the outputs; `begun` gets what is known."""
    inputs, env, log = run.inputs, run.env, run.log
    decided = begun.decided = images.decide(wanted)
    checkout.check(inputs, env, decided, log.redact)
    trust = run.context.trust
    used, unused = checkout.certificates(inputs, env)
    withheld = confidential.withheld(env, trust)
    for text in (*confidential.not_hidden(inputs), *withheld, *unused):
        log.warning(text)
    for stale in run.provider.output_files(env):
        with suppress(OSError):  # what publishes the outputs warns of a directory
            stale.unlink()
    program = environment.program(env)
    registries = _logged_in(run, decided)
    secrets = {secret.id: secret for one in decided for secret in one.secrets}
    with private_directory.private(
        env, registries.keyring.own, tuple(secrets.values()), trust
    ) as private:
        child = environment.environment(env, private)
        child = environment.of_building(child, trust, images.variables(decided))
        environment.take_certificates(used, private)
        buildx = Buildx(program=program, env=child, runner=run.runner)
        means = _Means(run=run, begun=begun, registries=registries, private=private, buildx=buildx)
        skips = inputs.skip_unchanged and not _is_far(means, decided)
        unchanged = _unchanged(means, wanted, decided) if skips else ()
        left = images.without(wanted, decided, {one.name for one in unchanged})
        if not left:
            found = begun.decided = _with_findings(run, wanted, decided)
            run.clock.enter(Phase.REPORT)
            publishing.findings(found, env, run.provider, log)
            return _published(means, outcomes.with_unchanged(None, unchanged))
        return _with_builder(replace(means, is_prepared=skips), left, unchanged)


@frozen
class _Means:
    """What a run builds with, before there is a builder."""

    run: Run
    begun: Draft
    registries: Registries
    private: Private
    buildx: Buildx
    is_prepared: bool = False  # whether logins are checked, and modes set


def _is_far(means: _Means, decided: Sequence[BuildPlan]) -> bool:
    """Return whether only a builder may reach the registries of a run."""
    far = reach.far(means.registries, decided)
    if far:
        means.run.log.line(
            f"skip-unchanged: built, because only the builder reaches {' and '.join(far)}"
        )
    return bool(far)


def _unchanged(
    means: _Means, wanted: Sequence[Image], decided: Sequence[BuildPlan]
) -> Sequence[Outcome]:
    """Return what became of the images that need no build, and so no builder."""
    run, registries, env = means.run, means.registries, means.buildx.env
    _prepare(run, decided, registries)
    settled = _linked(means, caches.settled(decided, registries))
    outputs = {plan.name: image.inputs.outputs for plan, image in zip(decided, wanted, strict=True)}
    return skipping.skipped(settled, outputs, registries, env, run.log)


def _linked(means: _Means, decided: Sequence[BuildPlan]) -> Sequence[BuildPlan]:
    """Return plans that build with links, if the inputs ask for that."""
    if not means.run.inputs.link:
        return decided
    return [
        linked_copy.linked(one, means.private, number, means.buildx.env)
        for number, one in enumerate(decided)
    ]


def _with_builder(means: _Means, wanted: Sequence[Image], unchanged: Sequence[Outcome]) -> Outcome:
    """Build images and publish the outcome, with that of images that needed no build."""
    run, private, buildx = means.run, means.private, means.buildx
    inputs, env, log, child = run.inputs, run.env, run.log, buildx.env
    decided = images.decide(wanted)
    clock = run.clock
    clock.enter(Phase.PROBE)
    with (
        boot.booted(state.planned(decided), buildx, private, log) as made,
        private_directory.forgotten(private),
    ):
        # The registry is asked while the builder boots.
        if not boot.has_image_store(decided, child):
            decided = images.decide(wanted, has_image_store=False)
        registries = reach.routed(means.registries, decided, made, child, log)
        decided = _linked(means, _ready(means, wanted, decided, registries))
        known = recording.known(decided, registries, child)
        publishing.say_plan(decided, log)
        recording.say_forecast(known, log.line)
        kept = mount_search.found(known, registries)
        mount_search.say(kept, log.line, log.warning)
        is_light = recording.unpacks_nothing(known, decided)
        need = state.need(decided, kept.need, unpacks=not is_light)
        name = _up(made, need, clock)
        means.begun.decided = decided
        if not inputs.cleanup:
            is_own = bool(run.provider.shared(env))
            user = handover.place(env, run.mounts, is_home_own=is_own)
            handover.hand_over(decided[0].builder, name, private, user, log)
        own = replace(buildx, env={**child, "BUILDX_BUILDER": name})
        tool = replace(
            _tool(run, decided[0].builder, own, private, made),
            keep=lambda cache: caches.kept(cache, registries, log),
            have_lost=lambda written: caches.have_lost(written, registries, log),
            announce=lambda known: _announce(means, known, made, unchanged),
            calls=means.begun.calls,
        )
        try:
            with cleanup.beside(decided[0].builder, child, log):
                if decided[0].makes_an_image:
                    outcome, known = _with_mounts(run, decided, known, kept, tool)
                else:
                    outcome = solve.ask(decided, tool)
            clock.enter(Phase.REPORT)
            outcome = replace(outcome, builder=made.inspected())
            outcome = caches.keep_history(decided, outcome, registries, log)
            outcome = explaining.explained(known, outcome)
            decided = means.begun.decided = _with_later_findings(run, wanted, decided, outcome)
        finally:
            clock.enter(Phase.REPORT)
            publishing.findings(decided, env, run.provider, log)
        # What was to be skipped and was not may lack its image.
        known = [replace(one, renews=inputs.skip_unchanged) for one in known]
        outcome = recording.keep(known, outcome, registries, child, log)
        whole = outcomes.with_unchanged(outcome, unchanged)
        # Everything is out before the builder goes.
        published = _published(means, replace(whole, builder=outcome.builder))
        clock.enter(Phase.REMOVAL)
        return published


def _with_mounts(
    run: Run, decided: Sequence[BuildPlan], known: Sequence[Known], kept: Keeping, tool: Tool
) -> tuple[Outcome, Sequence[Known]]:
    """Build with the cache mounts that are kept; return the outcome, and what is known since."""
    run.clock.enter(Phase.MOUNTS if kept.found else Phase.BUILDX)
    with keeping.restored(kept, tool) as filled:
        run.clock.enter(Phase.BUILDX)
        outcome = solve.build(decided, tool)
    if kept.mounts:
        run.clock.enter(Phase.MOUNTS)
    outcome, builds = keeping.saved(filled, outcome, tool)
    later = {one.decided.name: one for one in builds}
    return outcome, [later.get(one.decided.name, one) for one in known]


def _up(made: Made, need: int | None, clock: Clock) -> str:
    """Wait for the builder, whose state needs so many bytes, and return its name.

    It booted while the registry was asked, so the time of both is that of whichever was longer.
    """
    clock.enter(Phase.BOOT)
    name = made.boot(need)
    if clock.seconds > _AT_ONCE:
        clock.was(Phase.BOOT)
    return name


def _announce(means: _Means, known: Outcome, made: Made, unchanged: Sequence[Outcome]) -> None:
    """Publish the outputs of images that are out, before their caches are exported.

    A job that is ended from now on has them. What fails is reported at the end.
    """
    run, builder = means.run, made.inspected()
    whole = replace(outcomes.with_unchanged(known, unchanged), builder=builder)
    means.begun.outcome = whole
    publishing.hand_over(whole, run.inputs, run.env, run.provider, run.log)


def _published(means: _Means, outcome: Outcome) -> Outcome:
    """Publish the outputs of a run and return its outcome."""
    means.begun.outcome, run = outcome, means.run
    publishing.set_outputs(outcome, run.inputs, run.env, run.provider, run.log)
    return outcome


def _logged_in(run: Run, decided: Sequence[BuildPlan]) -> Registries:
    """Return the registries with complete logins, whose passwords are hidden."""
    registries = logins.registries(run.inputs, run.env, decided, run.log.line, run.log.warning)
    run.log.hide(login.password for login in registries.keyring.own)
    return registries


def _ready(
    means: _Means, wanted: Sequence[Image], decided: Sequence[BuildPlan], registries: Registries
) -> Sequence[BuildPlan]:
    """Return the final plans: with the caches in the registries, and findings."""
    run = means.run
    if not means.is_prepared:
        _prepare(run, decided, registries)
    settled = caches.settled(decided, registries)
    decided = [caches.merged(one, registries, run.log) for one in settled]
    return _with_findings(run, wanted, decided)


def _prepare(run: Run, decided: Sequence[BuildPlan], registries: Registries) -> None:
    """Check the logins, keep them if the inputs ask for that, and set the files' modes."""
    inputs, log = run.inputs, run.log
    logins.check(registries, decided, log)
    if not inputs.logout:
        logins.leave(registries.keyring, run.env, log.warning)
    for one in decided if inputs.normalize_modes else ():
        checkout.normalize_modes(one, log)


def _with_findings(
    run: Run, wanted: Sequence[Image], decided: Sequence[BuildPlan]
) -> Sequence[BuildPlan]:
    """Return plans with what the lints find in the project."""
    pipeline_file = run.provider.pipeline_file(run.env)
    return [
        checkout.with_findings(one, image.inputs, pipeline_file, run.env)
        for one, image in zip(decided, wanted, strict=True)
    ]


def _with_later_findings(
    run: Run, wanted: Sequence[Image], decided: Sequence[BuildPlan], outcome: Outcome
) -> Sequence[BuildPlan]:
    """Return the plans with what their findings cost, and what the lints find in the outcome."""
    pipeline_file = run.provider.pipeline_file(run.env)
    built = {one.name: one for one in (outcome.targets or (outcome,))}
    plans = []
    for plan, image in zip(decided, wanted, strict=True):
        # A target that is only a part of others has no outcome.
        if done := built.get(plan.name):
            found = checkout.later_findings(plan, image.inputs, done, pipeline_file, run.env)
            plan = replace(plan, findings=found)  # noqa: PLW2901
        plans.append(plan)
    return plans


def _view(run: Run) -> View:
    """Return what shows the builds of a run."""
    inputs, env = run.inputs, run.env
    if display.is_live(inputs, run.provider, env, is_terminal=sys.stdout.isatty()):
        return terminal.Terminal(run.log, is_colored=not env.get("NO_COLOR"))
    return plain_progress.Printer(is_verbose=inputs.verbose)


def _tool(run: Run, builder: BuilderPlan, buildx: Buildx, private: Private, made: Made) -> Tool:
    """Return buildx, set up to build with the builder that its environment names."""
    name = buildx.env["BUILDX_BUILDER"]

    def written() -> int | None:
        is_ours = builder.driver.has_container and not builder.endpoint
        return traffic.written(engine_calls.address(buildx.env), name) if is_ours else None

    return solve.Tool(
        buildx=buildx,
        files=solve.files(private),
        definition=str(private.file("definition.json")),
        private=private,
        limits=solve.Limits(
            cache=run.inputs.cache_timeout.total_seconds(),
            push=run.inputs.push_timeout.total_seconds(),
            retry=run.inputs.retry_timeout.total_seconds(),
        ),
        annotates=not is_false(run.env.get("DOCKER_BUILD_CHECKS_ANNOTATIONS", "")),
        restart=made.restart,
        lost=made.lost,
        display=display.Display(_view(run), run.log, written),
        state=made.state,
        log=run.log,
        written=written,
    )
