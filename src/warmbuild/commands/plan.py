"""Shows what a build would do and why.

It starts nothing except buildx, which reads bake and compose files, and a builder if these are in a
repository. It contacts nothing else except the registry, with `probe`.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.commands import checkout, images, mounted
from warmbuild.mounts import Mounts
from warmbuild.report import plain_text, plan_json, publishing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.commands import caches, logins
    from warmbuild.commands.run import Run
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan
else:
    # Only for `probe`.
    caches = lazy.module("warmbuild.commands.caches")
    logins = lazy.module("warmbuild.commands.logins")


def plan(run: Run, *, as_json: bool) -> None:
    """Decide everything, print it, and publish the outputs."""
    inputs, env, log = run.inputs, run.env, run.log
    pipeline_file = run.provider.pipeline_file(env)
    # Paths of targets are for a tool that builds elsewhere.
    # buildx may have to fetch a definition, and the builder to boot for that.
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        wanted = images.images(run, Mounts())
    decided: Sequence[BuildPlan] = [
        checkout.with_findings(one, image.inputs, pipeline_file, env)
        for one, image in zip(images.decide(wanted), wanted, strict=True)
    ]
    published = decided
    if inputs.probe:
        decided = _probed(decided, inputs, env, log)
        published = [caches.unmerged(one) for one in decided]
    if as_json:
        text = plan_json.plan_json(*decided, redact=log.redact)
    else:
        text = plain_text.plan_text(*decided)
    for line in text.splitlines():
        log.line(line)
    is_step = run.context.ci != "local" and not as_json
    if is_step or inputs.plan_only or inputs.output_file:
        with mounted.handed_over(mounted.written(inputs, ()), run.mounts, log):
            publishing.plan(published, inputs, env, run.provider, log)


def _probed(
    decided: Sequence[BuildPlan], inputs: Inputs, env: Mapping[str, str], log: Log
) -> Sequence[BuildPlan]:
    """Return the plans with the caches that the registries hold, and notes of what they said."""
    notes: list[str] = []
    registries = logins.registries(inputs, env, decided, notes.append, notes.append)
    log.hide(login.password for login in registries.keyring.own)
    return caches.settled(decided, registries, notes)
