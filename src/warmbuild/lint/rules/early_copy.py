"""The rule early-copy: a COPY of all sources above a step that installs dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.lint.copies import shown, takes_everything
from warmbuild.project import ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    if ignore_file.lets_in_only_what_it_names(case.patterns):
        return
    for chain in case.chains:
        before: set[str] = set()
        for number, step in enumerate(chain):
            before |= {
                done.program for done in case.installs.get(step.line, ()) if not done.names_packages
            }
            if not takes_everything(step):
                continue
            for run, done in case.later_installs(chain[number:]):
                # Once more with all sources there: what it fetches was fetched above.
                if done.program in before and not done.names_packages:
                    continue
                yield Found(
                    at=step,
                    about=done.shown,
                    text=f"{shown(step)} stands above {done.shown} (line {run.line}), which so "
                    "runs again when any file changes. Copy the files that it reads, run it, and "
                    "copy the rest below.",
                )
                break


RULE: Final = Rule(name="early-copy", severity="minor", find=_find)
