from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild import trust
from warmbuild.build import outcomes
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Call
from warmbuild.buildkit.progress import Progress
from warmbuild.commands import draft
from warmbuild.commands.draft import Draft
from warmbuild.errors import BuildError, RegistryError, Stopped
from warmbuild.inputs import parsing
from warmbuild.phases import Phase
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from warmbuild.plan.build_plan import BuildPlan

FAILED = "process /bin/sh -c make did not complete successfully: exit code: 2"


def plan(name: str = "") -> BuildPlan:
    asked = parsing.parse({"image": "r.io/a"}, {})
    return replace(planned(asked, RunContext(ci="local", trust=trust.LOCAL)), name=name)


def call(
    *vertices: dict[str, object], targets: tuple[str, ...] = (), phase: Phase = Phase.BUILDX
) -> Call:
    progress = Progress(targets)
    told = [{"digest": one["name"], "started": "2026-11-21T05:00:00Z"} | one for one in vertices]
    progress.take(json.dumps({"vertexes": told}))
    return Call(progress=progress, begun=0, ended=1, phase=phase)


def ran(name: str) -> dict[str, object]:
    return {"name": name, "completed": "2026-11-21T05:00:02Z"}


def test_nothing_is_known_of_a_run_that_has_planned_nothing() -> None:
    outcome = draft.failed(Draft(), RegistryError("the registry refuses"))
    assert outcome == Outcome(
        metadata="{}", notes=(), error="the registry refuses", error_class="RegistryError"
    )


def test_what_ran_before_a_step_failed() -> None:
    begun = Draft(decided=[plan()])
    begun.calls.append(call(ran("[1/2] RUN a"), {"name": "[2/2] RUN make", "error": FAILED}))
    outcome = draft.failed(begun, BuildError("the build failed"))
    assert [(step.instruction, step.cached) for step in outcome.steps] == [
        ("RUN a", False),
        ("RUN make", False),
    ]
    assert outcome.failure is not None
    assert (outcome.failure.title, outcome.failure.error) == ("[2/2] RUN make", FAILED)
    assert (outcome.ending, outcome.tags, outcome.digest) == ("", (), "")
    assert not outcome.is_stopped


def test_what_an_earlier_attempt_ran_counts_as_run() -> None:
    begun = Draft(decided=[plan()])
    begun.calls.append(call(ran("[1/2] RUN a")))
    begun.calls.append(
        call(ran("[1/2] RUN a") | {"cached": True}, {"name": "[2/2] RUN make", "error": FAILED})
    )
    outcome = draft.failed(begun, BuildError("the build failed"))
    assert [step.cached for step in outcome.steps] == [False, False]


def test_a_run_that_is_stopped_after_its_image_is_out() -> None:
    out = Outcome(ending="pushed", digest="sha256:1", metadata="{}", notes=())
    begun = Draft(decided=[plan()], outcome=out)
    begun.calls.append(call(ran("[1/1] RUN a")))
    begun.calls.append(call({"name": "exporting cache to registry"}, phase=Phase.CACHE))
    outcome = draft.failed(begun, Stopped(15))
    assert outcome == replace(out, error="terminated", error_class="Stopped", is_stopped=True)


@pytest.mark.parametrize("is_out", [True, False])
def test_a_target_that_fails_after_another_is_out(*, is_out: bool) -> None:
    done = Outcome(name="web", ending="pushed", digest="sha256:1", metadata="{}", notes=())
    begun = Draft(decided=[plan("web"), plan("api"), replace(plan("base"), linked=True)])
    targets = ("web", "api", "base")
    begun.calls.append(call(ran("[web 1/1] RUN a"), targets=targets))
    if is_out:
        begun.outcome = outcomes.together([done], metadata='{"web":{}}', steps=())
    begun.calls.append(call({"name": "[api 1/1] RUN make", "error": FAILED}, targets=targets))
    outcome = draft.failed(begun, BuildError("the build failed"))
    assert [one.name for one in outcome.targets] == ["web", "api"]
    assert outcome.targets[0].digest == ("sha256:1" if is_out else "")
    assert [step.error for step in outcome.targets[1].steps] == [FAILED]
    assert outcome.failure is not None
    assert outcome.metadata == ('{"web":{}}' if is_out else "{}")
