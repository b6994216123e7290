"""The outcome as a Markdown summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.report import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.buildkit.progress import Step

_LONGEST_INSTRUCTION: Final = 100
_SPECIAL: Final = re.compile(r"[\\`|<\[\]]")


def summary(outcome: Outcome) -> str:
    """Return the outcome as Markdown: a headline, a table of steps, warnings and notes."""
    lines = [f"### warmbuild: {plain_text.headline(outcome)}", ""]
    for one in outcome.targets or (outcome,):
        hits, steps, _ = plain_text.hit_ratio(one.steps)
        done = plain_text.NOTHING if one.unbuilt else f"{hits} of {steps} steps cached"
        lines += [f"#### {_inline(one.name)}: {done}", ""] if one.name else []
        lines += _tables(one)
    lines += [f"> **Warning:** {_inline(warning)}\n" for warning in outcome.warnings]
    lines += [f"- {_inline(note)}" for note in outcome.notes]
    return "\n".join(lines) + "\n"


def _tables(outcome: Outcome) -> Sequence[str]:
    lines = [
        "| | |",
        "| --- | --- |",
        *(f"| Image | {_code([tag])} |" for tag in outcome.tags),
        *([f"| Digest | {_code([outcome.digest])} |"] if outcome.digest else []),
        f"| Cache read | {_code(outcome.cache_read)} |",
        f"| Cache written | {_code((outcome.cache_written,) if outcome.cache_written else ())} |",
        *(
            f"| {name.capitalize()} | {_inline(text)} |"
            for name, text in plain_text.miss_rows(outcome)
        ),
        "",
    ]
    if outcome.steps:
        lines += ["| Step | Instruction | Took |", "| --- | --- | ---: |"]
        lines += [_step_row(step) for step in outcome.steps]
        lines.append("")
    return lines


def _step_row(step: Step) -> str:
    place = f"{step.prefix} {step.position}".strip()
    instruction = " ".join(step.instruction.split())
    if len(instruction) > _LONGEST_INSTRUCTION:
        instruction = instruction[: _LONGEST_INSTRUCTION - 1] + "…"
    took = "cached" if step.cached else f"{step.seconds or 0:.1f} s"
    return f"| {_inline(place)} | {_code([instruction])} | {took} |"


def _code(texts: Sequence[str]) -> str:
    """Return texts as code in a table, where only a backtick and a pipe mean anything."""
    shown = (" ".join(text.replace("`", "'").split()).replace("|", "\\|") for text in texts)
    return "<br>".join(f"`{text}`" for text in shown) or "nothing"


def _inline(text: str) -> str:
    """Escape what would end a table's cell or a paragraph, and links, images and HTML.

    Others write names of steps and warnings, and a summary is read on the CI system's own page.
    """
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
