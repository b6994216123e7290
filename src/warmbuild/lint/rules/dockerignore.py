"""The rule dockerignore: a COPY or a mount of all sources with .git or the Dockerfile in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild.lint.case import Case, Found, Rule
from warmbuild.project import dockerfile, ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.project.dockerfile import Instruction


def _find(case: Case) -> Iterator[Found]:
    step = next((step for step in case.steps if _takes_everything(case, step)), None)
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
    subject, verb = ("this RUN", "mounts") if step.word == "RUN" else (str(step), "copies")
    if has_git:
        effect = f"{verb} .git, which differs in every checkout: the step runs in every build"
    elif case.sources.in_context:
        effect = f"also {verb} the Dockerfile, and runs again whenever the Dockerfile changes"
    else:
        return
    if why:
        text = f"{why}, so {subject} {effect}. {advice}"
        yield Found(at=step, about=".dockerignore", text=text, again=case.below(step))


def _takes_everything(case: Case, step: Instruction) -> bool:
    if step.word != "RUN":
        return dockerfile.takes_everything(step)
    named = (entry.partition("=") for entry in case.inputs.build_contexts)
    here = _directory(case.inputs.context)
    same = {name.lower() for name, _, place in named if _directory(place) == here}
    return dockerfile.mounts_everything(step, same)


def _directory(path: str) -> str:
    return path.removeprefix("./").rstrip("/") or "."


RULE: Final = Rule(name="dockerignore", severity="minor", find=_find)
