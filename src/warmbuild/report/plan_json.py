"""The plan as JSON: a public contract, see docs/plan.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.bake import bake_file
from warmbuild.buildkit import command_line
from warmbuild.plan import calls
from warmbuild.report import plain_text, steps_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.predicting import Forecast

_CONTEXT: Final = (
    *("ci", "branch", "default_branch", "target_branch", "pull_request", "tag", "commit"),
    *("fork", "event"),
)


def plan_json(
    *plans: BuildPlan,
    redact: Callable[[str], str],
    forecasts: Mapping[str, Sequence[Forecast]] | None = None,
) -> str:
    """Return the decisions as JSON, in whose texts `redact` hides secrets.

    `forecasts` are those of targets, by name; without a probe, there are none.
    """
    first = plans[0]
    known = forecasts or {}
    found: dict[str, object] = {
        "argv": _arguments(plans),
        "commands": [_arguments(part) for part in calls.parts(plans)],
        "builder": _builder_json(first),
        **(
            {
                "targets": {
                    plan.name: _target_json(plan) | _forecast(plan, known) | _notes(plan)
                    for plan in plans
                }
            }
            if first.name
            else _target_json(first) | _forecast(first, known)
        ),
        "context": {key: getattr(first.run, key) for key in _CONTEXT},
        "trust": {
            "level": first.run.trust.level.name.lower(),
            "reason": first.run.trust.reason,
        },
        **({"notes": []} if first.name else _notes(first)),
        "findings": [
            {"rule": one.rule, "file": one.file, "line": one.line, "text": one.text}
            for one in plain_text.findings(plans)
        ],
    }
    # In JSON, a secret may be escaped.
    return json.dumps(untrusted_json.with_texts(found, redact), indent=2)


def _arguments(plans: Sequence[BuildPlan]) -> Sequence[str]:
    """Return a call of buildx; the definition of several images is left out, for it has secrets."""
    if plans[0].definition is None:
        return command_line.build(plans[0], command_line.PLACEHOLDERS)
    return bake_file.argv(plans, command_line.PLACEHOLDERS, "<definition>")


def _notes(plan: BuildPlan) -> dict[str, object]:
    return {"notes": [*plan.notes, *plan.cache.notes, *plan.warnings]}


def _forecast(plan: BuildPlan, known: Mapping[str, Sequence[Forecast]]) -> dict[str, object]:
    """Return what becomes of the steps, in the order of the Dockerfile, if anything is known."""
    found = known.get(plan.name)
    return {"forecast": steps_json.steps(found)} if found else {}


def _target_json(plan: BuildPlan) -> dict[str, object]:
    cache = plan.cache
    return {
        "cache": {
            "read": [{"ref": str(read.ref), "reason": read.reason} for read in cache.read],
            "write": (
                {"ref": str(cache.write.ref), "reason": cache.write.reason} if cache.write else None
            ),
            "from": command_line.cache_from(cache),
            "to": command_line.cache_to(cache),
        },
        "tags": plan.tags,
        "labels": dict(label.split("=", 1) for label in plan.labels),
        "annotations": plan.annotations,
    }


def _builder_json(plan: BuildPlan) -> Mapping[str, object] | None:
    """Return the builder that would be made; None for a named one, which may exist already."""
    builder = plan.builder
    if builder.name:
        return None
    return {
        "driver": builder.driver.name,
        "driver-opts": builder.driver_opts,
        "buildkitd-flags": builder.flags,
        "cleanup": builder.cleanup,
    }
