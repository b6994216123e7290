"""The rule file-modes: files whose modes are not those that git stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.lint.copies import takes_context

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    odd = case.sources.odd_modes
    step = next(filter(takes_context, case.steps), None)
    if odd and step and not case.inputs.normalize_modes:
        more = ", and it is not the only one" if odd.has_more else ""
        yield Found(
            at=step,
            about="modes",
            text=f"{odd.path} has mode {odd.mode:o} where git stores {odd.stored:o}{more}: a cache "
            f"that was written under another umask does not fit {step.word}. "
            "normalize-modes: true sets what git stores.",
        )


RULE: Final = Rule(name="file-modes", severity="minor", find=_find)
