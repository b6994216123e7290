"""The rule copy-link: a COPY that waited for layers that it does not look at if it is linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.buildkit import vertices
from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from warmbuild.buildkit.progress import Step
    from warmbuild.project.dockerfile import Instruction

# Seconds that are worth a change.
_WORTH: Final = 1.0


def _find(case: Case) -> Iterator[Found]:
    linked = case.linking.linked
    if case.done is None or case.built is None or case.inputs.link or not linked:
        return
    # As BuildKit names the stages that the layers of the image come from.
    names = {
        stage.name or (f"stage-{stage.number}" if len(case.file.stages) > 1 else "")
        for stage in dockerfile.lineage(case.file, case.built)
    }
    ran = [step for step in case.done.steps if not step.cached and _stage(step.prefix) in names]
    first = _first(linked, ran)
    waited = vertices.length(
        (one.begun, one.ended) for one in case.done.unpacked if _stage(one.prefix) in names
    )
    if first is None or waited < _WORTH:
        return
    later = [str(step.line) for step in linked if step.line > first.line]
    also = f" (and on line {', '.join(later)})" if later else ""
    yield Found(
        at=first,
        about=str(first),
        text=f"{first} waited {waited:.1f} s for layers to be unpacked, which nothing in it needs. "
        f"Set link: true, or write {first.word} --link here{also}.",
    )


def _first(linked: Sequence[Instruction], ran: Sequence[Step]) -> Instruction | None:
    """Return the first linkable step that ran; None if other steps of the image ran, too.

    These had to have the layers below in any case.
    """
    texts = {dockerfile.progress_text(step): step for step in linked}
    found = [texts.get(" ".join(step.instruction.split())) for step in ran]
    return None if None in found or not found else min(filter(None, found), key=_line)


def _line(step: Instruction) -> int:
    return step.line


def _stage(prefix: str) -> str:
    """Return the name of the stage in what BuildKit writes before a step, such as a platform."""
    name = prefix.rpartition(" ")[2]
    return "" if "/" in name else name


RULE: Final = Rule(name="copy-link", severity="info", find=_find, needs_build=True)
