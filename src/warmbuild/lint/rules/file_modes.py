"""The rule file-modes: files whose modes differ from the modes that git stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    odd = case.sources.odd_modes
    step = next(filter(dockerfile.takes_context, case.steps), None)
    if odd and step and not case.inputs.normalize_modes:
        more = " (other files differ too)" if odd.has_more else ""
        yield Found(
            at=step,
            about="modes",
            again=case.below(step),
            text=f"{odd.path} has mode {odd.mode:o}, but git stores {odd.stored:o}{more}: "
            f"{step.word} cannot use a cache that was written with another umask. "
            "normalize-modes: true sets the modes that git stores.",
        )


RULE: Final = Rule(name="file-modes", severity="minor", find=_find)
