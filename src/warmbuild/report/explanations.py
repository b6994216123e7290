"""Why steps run, as text and as JSON: a public contract, see docs/explain.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.record import predicting
from warmbuild.record.cause import shown
from warmbuild.record.predicting import Fate
from warmbuild.report import steps_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.record.explanation import Explanation
    from warmbuild.record.predicting import Forecast

_LONGEST: Final = 80
# How a step is called by what becomes of it.
_FATES: Final = {Fate.CACHED: "cached", Fate.RUNS: "runs", Fate.UNKNOWN: "may run"}


def text(found: Sequence[Explanation]) -> str:
    """Return explanations for the log."""
    return "\n\n".join("\n".join(_lines(one)) for one in found)


def _lines(one: Explanation) -> Iterator[str]:
    rows = [("target", one.name)] if one.name else []
    rows += [("compared", one.subject)]
    rows += [("with", source.text) for source in one.sources]
    rows += [("note", note) for note in one.notes]
    if one.steps:
        rows.append(("steps", _headline(one.steps)))
    yield from (f"{name:<12}{value}" for name, value in rows)
    missed = {(miss.stage, miss.line): miss for miss in one.misses}
    stage = ""
    for step in one.steps:
        if step.step.stage != stage:
            stage = step.step.stage
            yield f"stage {shown(stage)}"
        yield _step(step)
        if miss := missed.get((shown(stage), step.step.line)):
            yield f"{'':<12}  because {miss.why}"
            if miss.saving:
                yield f"{'':<12}  to save it: {miss.saving.text}"


def _headline(steps: Sequence[Forecast]) -> str:
    counts = [sum(one.fate is fate for one in steps) for fate in (Fate.RUNS, Fate.UNKNOWN)]
    told = f"{counts[0]} of {len(steps)} will run"
    told += f", {counts[1]} may" if counts[1] else ""
    seconds = predicting.seconds(steps)
    return f"{told}, for about {seconds:.0f} s" if seconds >= 1 else told


def _step(one: Forecast) -> str:
    took = f"{one.seconds:.1f} s" if one.fate is not Fate.CACHED and one.seconds else ""
    line = f"line {one.step.line}"
    return f"{line:<12}{_FATES[one.fate]:<8}{took:>9}  {shown(one.step.title, _LONGEST)}"


def as_json(found: Sequence[Explanation], redact: Callable[[str], str]) -> str:
    """Return explanations as JSON, in whose texts `redact` hides secrets."""
    known: dict[str, object] = {one.name: _json(one) for one in found}
    value = known.get("", {"targets": known})
    return json.dumps(untrusted_json.with_texts(value, redact), indent=2)


def _json(one: Explanation) -> Mapping[str, object]:
    return {
        "compared": one.subject,
        "with": [
            {
                "ref": source.ref,
                "branch": source.branch,
                "commit": source.commit,
                "made": source.made.isoformat(timespec="seconds"),
            }
            for source in one.sources
        ],
        "notes": one.notes,
        "steps": steps_json.steps(one.steps),
        "misses": steps_json.misses(one.misses),
    }
