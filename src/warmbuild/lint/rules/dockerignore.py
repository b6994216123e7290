"""The rule dockerignore: a COPY of all sources that includes .git or the Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile, ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    step = next(filter(dockerfile.takes_everything, case.steps), None)
    if step is None or ignore_file.excludes_by_default(case.patterns):
        return
    is_excluded = ignore_file.matcher(case.patterns)
    has_git = ".git" in case.sources.in_context and not is_excluded(".git/index")
    if case.sources.ignore is not None:
        why = f"{case.sources.ignore_file} does not exclude .git" if has_git else ""
        advice = f"Add .git to {case.sources.ignore_file}."
    else:
        why = "there is no .dockerignore"
        advice = "Add one that excludes .git and everything else that the image does not need."
    if has_git:
        effect = "copies .git, which differs in every checkout: the step runs in every build"
    elif case.sources.in_context:
        effect = "also copies the Dockerfile, and runs again whenever the Dockerfile changes"
    else:
        return
    if why:
        text = f"{why}, so {step} {effect}. {advice}"
        yield Found(at=step, about=".dockerignore", text=text)


RULE: Final = Rule(name="dockerignore", severity="minor", find=_find)
