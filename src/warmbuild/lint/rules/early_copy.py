"""The rule early-copy: a COPY of all sources above a step that installs dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile, ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    if ignore_file.excludes_by_default(case.patterns):
        return
    for chain in case.chains:
        before: set[str] = set()
        for number, step in enumerate(chain):
            before |= {
                done.program for done in case.installs.get(step.line, ()) if not done.names_packages
            }
            if not dockerfile.takes_everything(step):
                continue
            for run, done in case.later_installs(chain[number:]):
                # The second of two installs, with all sources: the first fetched everything.
                if done.program in before and not done.names_packages:
                    continue
                yield Found(
                    at=step,
                    about=done.shown,
                    again=(run,),
                    text=f"{step} is above {done.shown} (line {run.line}), which therefore "
                    "runs again when any file changes. Copy the files that it reads, run it, and "
                    "then copy the rest.",
                )
                break


RULE: Final = Rule(name="early-copy", severity="minor", find=_find)
