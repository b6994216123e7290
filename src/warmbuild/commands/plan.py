"""Shows what a build would do and why.

It starts nothing except buildx, which reads bake and compose files, and a builder if these are in a
repository. It contacts nothing else except registries and the engine, with `probe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.commands import checkout, images, mounted
from warmbuild.mounts import Mounts
from warmbuild.report import plain_text, plan_json, publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.builder import environment
    from warmbuild.commands import caches, logins, mount_search, recording
    from warmbuild.commands.mount_search import Keeping
    from warmbuild.commands.recording import Known
    from warmbuild.commands.run import Run
    from warmbuild.plan.build_plan import BuildPlan
else:
    # Only for `probe`.
    caches = lazy.module("warmbuild.commands.caches")
    environment = lazy.module("warmbuild.builder.environment")
    logins = lazy.module("warmbuild.commands.logins")
    mount_search = lazy.module("warmbuild.commands.mount_search")
    recording = lazy.module("warmbuild.commands.recording")


def plan(run: Run, *, as_json: bool) -> None:
    """Decide everything, print it, and publish the outputs."""
    inputs, env, log = run.inputs, run.env, run.log
    pipeline_file = run.provider.pipeline_file(env)
    # Paths of targets are for a tool that builds elsewhere.
    wanted = images.images(run, Mounts())
    decided: Sequence[BuildPlan] = [
        checkout.with_findings(one, image.inputs, pipeline_file, env)
        for one, image in zip(images.decide(wanted), wanted, strict=True)
    ]
    published: Sequence[BuildPlan] = decided
    known: Sequence[Known] = ()
    kept: Keeping | None = None
    if inputs.probe:
        decided, known, kept = _probed(run, decided)
        published = [caches.unmerged(one) for one in decided]
    if as_json:
        forecasts = {one.decided.name: one.forecast for one in known}
        log.document(plan_json.plan_json(*decided, redact=log.redact, forecasts=forecasts))
    else:
        log.answer(plain_text.plan_text(*decided))
        if known:
            recording.say_forecast(known, log.answer)
        if kept:
            mount_search.say(kept, log.answer, log.answer)
            mount_search.say_found(kept, log.answer)
    is_step = run.context.ci != "local" and not as_json
    if is_step or inputs.plan_only or inputs.output_file:
        with mounted.handed_over(mounted.written(inputs, ()), run.mounts, log):
            publishing.plan(published, inputs, env, run.provider, log)


def _probed(
    run: Run, decided: Sequence[BuildPlan]
) -> tuple[Sequence[BuildPlan], Sequence[Known], Keeping]:
    """Return the plans with the caches that the registries hold, and what lies beside these.

    Notes of the plans tell what the registries said.
    """
    inputs, env, log, notes = run.inputs, run.env, run.log, list[str]()
    registries = logins.registries(inputs, env, decided, notes.append, notes.append)
    log.hide(login.password for login in registries.keyring.own)
    settled = caches.settled(decided, registries, notes)
    child = environment.of_building(env, run.context.trust, images.variables(decided))
    known = recording.known(settled, registries, child)
    return settled, known, mount_search.found(known, registries)
