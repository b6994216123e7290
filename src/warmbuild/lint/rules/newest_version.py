"""The rule newest-version: a step that installs whatever version is the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import installs

if TYPE_CHECKING:
    from collections.abc import Iterator

# Characters of a command.
_LONGEST: Final = 60


def _find(case: Case) -> Iterator[Found]:
    for step in case.steps:
        if step.word != "RUN":
            continue
        for command, is_everything in installs.newest(step):
            shown = f"{command[:_LONGEST]}…" if len(command) > _LONGEST else command
            advice = "Build on a newer base image" if is_everything else "Name a version"
            yield Found(
                at=step,
                about=shown,
                text=f"{shown} takes whatever is the newest: a cache keeps it as it was, and a "
                f"build without a cache may break. {advice} instead.",
            )
            break


RULE: Final = Rule(name="newest-version", severity="info", find=_find)
