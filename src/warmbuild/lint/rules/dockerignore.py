"""The rule dockerignore: a COPY of all sources that includes .git or the Dockerfile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.lint.copies import shown, takes_everything
from warmbuild.project import ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def _find(case: Case) -> Iterator[Found]:
    step = next(filter(takes_everything, case.steps), None)
    if step is None or ignore_file.lets_in_only_what_it_names(case.patterns):
        return
    has_git = ".git" in case.sources.in_context
    has_git = has_git and not ignore_file.matcher(case.patterns)(".git/index")
    if case.sources.ignore is not None:
        why = f"{case.sources.ignore_file} lets .git in" if has_git else ""
        advice = f"Add .git to {case.sources.ignore_file}."
    else:
        why = "there is no .dockerignore"
        advice = "Add one that names .git and whatever else the image does not need."
    if has_git:
        effect = "copies .git, which no two checkouts have alike: it runs in every build"
    elif case.sources.in_context:
        effect = "copies the Dockerfile too, and runs again with every change of it"
    else:
        return
    if why:
        text = f"{why}, so {shown(step)} {effect}. {advice}"
        yield Found(at=step, about=".dockerignore", text=text)


RULE: Final = Rule(name="dockerignore", severity="minor", find=_find)
