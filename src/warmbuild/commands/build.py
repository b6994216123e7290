"""Builds: boots the builder while it asks the registry, builds, reports, cleans up."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.builder import boot, environment, private_directory, state
from warmbuild.builder.environment import Buildx
from warmbuild.cache import problems
from warmbuild.commands import checkout, confidential, images, logins, mounted
from warmbuild.errors import CacheError
from warmbuild.run_context import is_false

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.build import solve
    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.solve import Tool
    from warmbuild.builder import handover
    from warmbuild.builder.memory import State
    from warmbuild.builder.private_directory import Private
    from warmbuild.commands import caches, cleanup, linked_copy, reach, recording
    from warmbuild.commands.images import Image
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.run import Run
    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan
    from warmbuild.report import publishing
else:
    # Loaded while the builder boots.
    caches = lazy.module("warmbuild.commands.caches")
    cleanup = lazy.module("warmbuild.commands.cleanup")
    handover = lazy.module("warmbuild.builder.handover")
    linked_copy = lazy.module("warmbuild.commands.linked_copy")
    reach = lazy.module("warmbuild.commands.reach")
    recording = lazy.module("warmbuild.commands.recording")
    publishing = lazy.module("warmbuild.report.publishing")
    solve = lazy.module("warmbuild.build.solve")


def build(run: Run) -> Outcome:
    """Build the images of a run and publish the outcome; raises WarmbuildError on failure."""
    begun = time.monotonic()
    wanted = images.images(run, run.mounts)
    written = mounted.written(run.inputs, [image.target for image in wanted])
    with mounted.handed_over(written, run.mounts, run.log):
        outcome = _built(run, wanted, begun)
    losses = problems.losses(outcome.problems)
    if run.inputs.cache_strict and losses:
        raise CacheError(losses)
    return outcome


def _built(run: Run, wanted: Sequence[Image], begun: float) -> Outcome:
    """Build images and publish the outcome; `begun` is when the run began, as `monotonic`."""
    inputs, env, log = run.inputs, run.env, run.log
    decided = images.decide(wanted)
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
        with (
            boot.booted(state.planned(decided), buildx, private, log) as made,
            private_directory.forgotten(private),
        ):
            # The registry is asked while the builder boots.
            if not boot.has_image_store(decided, child):
                decided = images.decide(wanted, has_image_store=False)
            registries = reach.routed(registries, decided, made, child, log)
            decided = _ready(run, wanted, decided, registries)
            if inputs.link:
                decided = [
                    linked_copy.linked(one, private, number, child)
                    for number, one in enumerate(decided)
                ]
            known = recording.known(decided, wanted, registries, child, log)
            publishing.say_plan(decided, log)
            recording.say_forecast(known, log)
            name = made.boot(state.need(decided))
            if not inputs.cleanup:
                is_own = bool(run.provider.shared(env))
                user = handover.place(env, run.mounts, is_home_own=is_own)
                handover.hand_over(decided[0].builder, name, private, user, log)
            own = replace(buildx, env={**buildx.env, "BUILDX_BUILDER": name})
            tool = replace(
                _tool(run, decided[0].builder, own, private, made.state),
                keep=lambda cache: caches.kept(cache, registries, log),
                have_lost=lambda written: caches.have_lost(written, registries, log),
            )
            try:
                with cleanup.beside(decided[0].builder, child, log):
                    if decided[0].makes_an_image:
                        outcome = solve.build(decided, tool)
                    else:
                        outcome = solve.ask(decided, tool)
                decided = _with_later_findings(run, wanted, decided, outcome)
            finally:
                publishing.findings(decided, env, run.provider, log)
            outcome = replace(outcome, builder=made.inspected())
            outcome = caches.keep_history(decided, outcome, registries, log)
            outcome = recording.keep(known, outcome, registries, child, log)
            seconds, warnings = time.monotonic() - begun, tuple(log.warnings)
            outcome = replace(outcome, seconds=seconds, warnings=warnings)
            # Everything is out before the builder goes.
            publishing.outcome(outcome, inputs, env, run.provider, log)
    return outcome


def _logged_in(run: Run, decided: Sequence[BuildPlan]) -> Registries:
    """Return the registries with complete logins, whose passwords are hidden."""
    registries = logins.registries(run.inputs, run.env, decided, run.log.line, run.log.warning)
    run.log.hide(login.password for login in registries.keyring.own)
    return registries


def _ready(
    run: Run, wanted: Sequence[Image], decided: Sequence[BuildPlan], registries: Registries
) -> Sequence[BuildPlan]:
    """Return the final plans: with the caches in the registries, and findings."""
    inputs, env, log = run.inputs, run.env, run.log
    logins.check(registries, decided, log)
    if not inputs.logout:
        logins.leave(registries.keyring, env, log.warning)
    settled = caches.settled(decided, registries)
    decided = [caches.merged(one, registries, log) for one in settled]
    if inputs.normalize_modes:
        for one in decided:
            checkout.normalize_modes(one, log)
    pipeline_file = run.provider.pipeline_file(env)
    return [
        checkout.with_findings(one, image.inputs, pipeline_file, env)
        for one, image in zip(decided, wanted, strict=True)
    ]


def _with_later_findings(
    run: Run, wanted: Sequence[Image], decided: Sequence[BuildPlan], outcome: Outcome
) -> Sequence[BuildPlan]:
    """Return the plans with what the lints find in the outcome, after logging that."""
    pipeline_file = run.provider.pipeline_file(run.env)
    outcomes = {one.name: one for one in (outcome.targets or (outcome,))}
    plans = []
    for plan, image in zip(decided, wanted, strict=True):
        # A target that is only a part of others has no outcome.
        done = outcomes.get(plan.name)
        found = (
            checkout.later_findings(plan, image.inputs, done, pipeline_file, run.env)
            if done
            else ()
        )
        publishing.say_findings(found, run.log)
        plans.append(replace(plan, findings=(*plan.findings, *found)))
    return plans


def _tool(run: Run, builder: BuilderPlan, buildx: Buildx, private: Private, where: State) -> Tool:
    """Return buildx, set up to build with the builder that its environment names."""
    name = buildx.env["BUILDX_BUILDER"]

    def restart() -> None:
        boot.restart(builder, buildx.env, name, run.log)
        where.watch()

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
        restart=restart,
        state=where,
        log=run.log,
    )
