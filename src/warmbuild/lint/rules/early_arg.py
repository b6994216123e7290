"""The rule early-arg: an ARG of the commit above a step that installs dependencies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMITS: Final = re.compile(
    r"(?:GIT_|VCS_|SOURCE_|BUILD_|APP_|CI_|RENDER_|RAILWAY_GIT_|VERCEL_GIT_)?"
    r"(?:COMMIT|REVISION)(?:_(?:SHA1?|HASH|ID|REF))?"
    r"|(?:GIT|VCS)_(?:SHA1?|HASH|REF|REV|HEAD|DESCRIBE)|GITHUB_(?:SHA|RUN_ID|RUN_NUMBER)|GITCOMMIT"
    r"|CI_COMMIT_\w+|CI_(?:JOB|PIPELINE|BUILD)_I?ID|CIRCLE_(?:SHA1|BUILD_NUM)|BUILD_SHA"
    r"|BUILD_?(?:DATE|TIME|TIMESTAMP|NUMBER|ID)|SOURCE_DATE_EPOCH|TIMESTAMP"
)
# The length of git's short names, too long for a number to match by chance.
_SHORT_COMMIT: Final = 7


def _find(case: Case) -> Iterator[Found]:
    for chain in case.chains:
        for number, step in enumerate(chain):
            for name, default in dockerfile.declared(step):
                if not _changes(case, name, default):
                    continue
                reads = re.compile(rf"\$\{{?{re.escape(name)}\b")
                for run, done in case.later_installs(chain[number:]):
                    if not any(map(reads.search, (run.text, *run.heredocs))):
                        yield Found(
                            at=step,
                            about=name,
                            again=(run,),
                            text=f"{name} is declared above {done.shown} (line {run.line}), which "
                            "does not read it but runs again whenever its value changes. Declare "
                            "it below that step.",
                        )
                        break


def _changes(case: Case, name: str, default: str) -> bool:
    """Return whether an argument's value changes with every commit or run.

    An argument with a default that is not given keeps that default.
    """
    value, commit = case.arguments.get(name), case.context.commit[:_SHORT_COMMIT].lower()
    if value and commit and re.search(rf"(?<![0-9a-f]){re.escape(commit)}", value.lower()):
        return True
    return bool(_COMMITS.fullmatch(name.upper())) and (value is not None or not default)


RULE: Final = Rule(name="early-arg", severity="minor", find=_find)
