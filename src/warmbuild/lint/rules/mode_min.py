"""The rule mode-min: stages that the written cache does not contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import backends, csv_attributes
from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.inputs.values import Inputs


def _find(case: Case) -> Iterator[Found]:
    why, advice = _min_because(case.inputs)
    if not why or case.built is None:
        return
    kept = {name.lower() for name in case.inputs.cache_stages}
    ends = [case.built, *(stage for stage in case.stages if stage.name in kept)]
    numbers = {base.number for stage in ends for base in dockerfile.lineage(case.file, stage)}
    lost = [
        stage
        for stage in case.stages
        if stage.number not in numbers and any(step.word == "RUN" for step in stage.instructions)
    ]
    if lost:
        names = ", ".join(stage.name or f"number {stage.number}" for stage in lost)
        stages = f"stage {names} is" if len(lost) == 1 else f"stages {names} are"
        yield Found(
            at=lost[0].start,
            about=names,
            again=[step for stage in lost for step in stage.instructions],
            text=f"{stages} not in the cache that this build writes, because {why}: a change in "
            f"such a stage runs all its steps again. {advice}",
        )


def _min_because(inputs: Inputs) -> tuple[str, str]:
    """Return why the cache holds only the final stage, and what to do; ("", "") if it does not."""
    if inputs.cache in {"off", "read-only"}:
        return "", ""
    if not inputs.cache_from and not inputs.cache_to:
        if inputs.cache_backend.lies_in_image:
            return "cache-backend is inline", "Add it to cache-stages, or use another backend."
        is_min = inputs.cache_mode == "min"
        return ("cache-mode is min", "cache-mode: max keeps all stages.") if is_min else ("", "")
    for entry in inputs.cache_to:
        attributes = dict(csv_attributes.pairs(entry))
        backend = backends.of_entry(entry)
        if backend and backend.lies_in_image:
            return "an inline cache has mode=min", "type=registry with mode=max keeps all stages."
        if attributes.get("mode", "min") == "min":
            why = "has mode=min" if "mode" in attributes else "has no mode (the default is min)"
            return f"cache-to {why}", "mode=max keeps all stages."
    return "", ""


RULE: Final = Rule(name="mode-min", severity="minor", find=_find)
