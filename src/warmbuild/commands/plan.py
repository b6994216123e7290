"""Says what a build would do and why.

Nothing is started but buildx, if files say what is built, to read them; and nothing is contacted
but, with `probe`, the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.commands import checkout, images
from warmbuild.report import plain_text, plan_json, publishing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.commands import probing
    from warmbuild.commands.run import Run
    from warmbuild.plan.build_plan import BuildPlan
else:
    probing = lazy.module("warmbuild.commands.probing")


def plan(run: Run, *, as_json: bool) -> None:
    """Decide everything, say it and hand it on."""
    inputs, env, log = run.inputs, run.env, run.log
    pipeline_file = run.provider.pipeline_file(env)
    decided: Sequence[BuildPlan] = [
        checkout.with_findings(images.decide(image), image.inputs, pipeline_file, env)
        for image in images.images(inputs, run.context, env, run.runner, log)
    ]
    for_others = decided
    if inputs.probe:
        decided = probing.probed(decided, inputs, env, log)
        for_others = probing.for_others(decided)
    text = plan_json.plan_json(*decided) if as_json else plain_text.plan_text(*decided)
    for line in text.splitlines():
        log.line(line)
    is_step = run.context.ci != "local" and not as_json
    if is_step or inputs.plan_only or inputs.output_file:
        publishing.plan(for_others, inputs, env, run.provider, log)
