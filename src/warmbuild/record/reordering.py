"""What another order of a Dockerfile, or a .dockerignore, would have kept cached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from warmbuild.project import dockerfile, ignore_file, installs
from warmbuild.record import differences, predicting, recipe
from warmbuild.record.cause import Kind, listed, shown
from warmbuild.record.miss import Saving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from warmbuild.project.dockerfile import Instruction
    from warmbuild.record.differences import Case
    from warmbuild.record.recipe import Step
    from warmbuild.record.record import Ran

# Seconds; less is not worth a change.
_LEAST: Final = 1.0
_SETTERS: Final = ("ARG", "ENV")
# Files that are named in an advice.
_MOST: Final = 3
_LONGEST: Final = 60
_OF_FILES: Final = frozenset(
    [Kind.FILE_CHANGED, Kind.FILE_ADDED, Kind.FILE_REMOVED, Kind.FILE_MODE, Kind.LINK_TARGET]
)
_OF_VALUES: Final = frozenset([Kind.ARGUMENT_CHANGED, Kind.VARIABLE_CHANGED])
# What images rarely need: prose, and files of CI systems, git, Docker and editors.
_RARELY_NEEDED: Final = re.compile(
    r"(?:.*/)?(?:[^/]+\.(?:md|rst|adoc)|(?:AUTHORS|CHANGELOG|CODEOWNERS|CONTRIBUTING|LICENSE)[^/]*"
    r"|\.git(?:ignore|attributes|-blame-ignore-revs)|\.editorconfig|\.dockerignore"
    r"|(?:docker-)?compose[\w.-]*\.ya?ml|(?:[^/]+\.)?Dockerfile(?:\.[^/]+)?)"
    r"|(?:\.git|\.github|\.gitlab|\.circleci|\.buildkite|\.vscode|\.idea|docs)/.*"
    r"|\.gitlab-ci\.yml|Jenkinsfile|bitbucket-pipelines\.yml|azure-pipelines\.yml",
    re.IGNORECASE | re.DOTALL,
)
# Sources, and what else no program reads that installs dependencies. An unknown file may be read.
_SOURCES: Final = re.compile(
    r".*\.(?:c|cc|cpp|cs|css|ex|go|h|hpp|html?|ico|java|jpe?g|jsx?|kt|mjs|php|png|rb|rs|s?css|scala"
    r"|sh|sql|svelte|svg|swift|tsx?|vue|py|md|rst)",
    re.IGNORECASE | re.DOTALL,
)
_NO_SOURCES: Final = re.compile(
    r"(?:.*/)?(?:setup\.py|conftest\.py|\.?pnpmfile\.c?js|(?:.*\.)?config\.[cm]?[jt]s)"
)
# Commands that also need the sources of a project, unless they have the option.
_WITH_SOURCES: Final = {
    "poetry install": "--no-root",
    "uv sync": "--no-install-project",
    "pdm install": "--no-self",
    "pdm sync": "--no-self",
    "composer install": "--no-autoloader",
    "cargo fetch": "",
}
# Commands beside an install that read no file of the project.
_HARMLESS: Final = re.compile(
    r"(?:apt|apt-get|apk|dnf|yum|microdnf|zypper) (?:update|upgrade|clean|autoremove|makecache)\b.*"
    r"|(?:npm|yarn|pnpm|pip|go|composer|conda) (?:cache|clean)\b.*"
    r"|corepack (?:enable|prepare)\b.*|(?:set|rm|mkdir|cd|true|echo|export)\b.*",
    re.DOTALL,
)


@dataclass(frozen=True)
class Missed:
    """The steps of a stage from the first missed one on."""

    case: Case
    ran: Mapping[tuple[str, int], Ran]  # what became of steps

    @property
    def steps(self) -> Sequence[Step]:
        """The steps, with the salt of the record."""
        return self.case.steps[self.case.at :]

    @cached_property
    def names(self) -> Sequence[str]:
        """The files of the first one that differ."""
        return [one.path for one in self.case.files]

    def seconds(self, steps: Sequence[Step]) -> float:
        """Return how long those of these steps took that ran."""
        done = (self.ran.get((step.stage, step.position)) for step in steps)
        return sum(one.seconds for one in done if one and not one.cached)

    def differs(self, step: Step, *, but: Collection[str] = ()) -> bool:
        """Return whether a step is made of something else than in the record, beside some parts."""
        then = predicting.counterpart(self.case.against.compared.record.recipe, step)
        return then is None or not set(but).issuperset(predicting.changed(then.parts, step.parts))

    def instructions(self) -> Sequence[Instruction]:
        """Return the instructions of the stage."""
        file, name = self.case.build.file, self.case.stage
        named = (one for one in file.stages if recipe.stage_name(file, one) == name)
        return next(named).instructions if file.stages else ()


def saving(case: Case, ran: Mapping[tuple[str, int], Ran]) -> Saving | None:
    """Return what would have saved the most; None if nothing would have saved a second.

    `ran` is what became of the steps, by stage and position.
    """
    missed, causes = Missed(case, ran), case.causes
    kinds = {cause.kind for cause in causes}
    found: list[Saving | None] = []
    if len(causes) == differences.MOST:
        return None
    if kinds <= _OF_FILES:
        found = [_by_ignoring(missed), *_by_installing_first(missed)]
    elif kinds <= _OF_VALUES:
        found = [_by_declaring_later(missed, {name for one in causes for name in one.names})]
    worth = [one for one in found if one and one.seconds >= _LEAST]
    return max(worth, key=lambda one: one.seconds, default=None)


def _by_ignoring(missed: Missed) -> Saving | None:
    """Return what a .dockerignore would have saved, for files that images rarely need."""
    first, *rest = missed.steps
    names = missed.names
    sources = [one for step in missed.case.build.recipe.steps for one in step.takes if one]
    is_named = ignore_file.matcher(sources)
    is_rare = all(_RARELY_NEEDED.fullmatch(name) and not is_named(name) for name in names)
    is_gone = any(one.kind is Kind.FILE_REMOVED for one in missed.case.files)
    if not is_rare or is_gone or not 0 < len(names) <= _MOST or "" not in first.takes:
        return None
    kept = [first, *takewhile(lambda step: not missed.differs(step), rest)]
    them = "it" if len(names) == 1 else "them"
    advice = (
        f"{_shown(first)} was invalidated by {listed(names)} alone: add {them} to .dockerignore, "
        f"unless the image needs {them}, and "
    )
    return _kept(missed, kept, advice)


def _by_installing_first(missed: Missed) -> Iterator[Saving]:
    """Yield what installing dependencies above the files would have saved."""
    first, *rest = missed.steps
    lines = {one.line: one for one in missed.instructions()}
    if first.line not in lines or lines[first.line].word not in recipe.COPIES:
        return
    has_sources_alone = bool(missed.names) and all(
        _SOURCES.fullmatch(one) and not _NO_SOURCES.fullmatch(one) for one in missed.names
    )
    for step in rest:
        done = _installs(lines[step.line])
        if not done or missed.differs(step):
            continue
        command = done[0].shown
        if all(one.names_packages for one in done):
            advice = f"{command} on line {step.line} does not read the files of {_shown(first)}: "
            yield _kept(missed, [step], f"{advice}move it above them, and ")
        elif has_sources_alone:
            advice = f"{_shown(first)} is above {command} on line {step.line}: "
            advice += "copy what that reads, run it, and then copy the rest, and "
            yield _kept(missed, [step], advice)


def _by_declaring_later(missed: Missed, names: set[str]) -> Saving | None:
    """Return what would have been saved by values that are set below the steps without them."""
    first = missed.steps[0]
    word = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    setting: list[Instruction] = []
    before: list[int] = []  # lines below the first declaration, until something names a value
    for one in missed.instructions():
        told = {name for name, _ in dockerfile.assignments(one)} if one.word in _SETTERS else set()
        if told and told <= names and not before:
            setting.append(one)
        elif word.search(" ".join((one.text, *(value for _, value in one.flags), *one.heredocs))):
            break
        elif setting:
            before.append(one.line)
    parts = {f"{kind} {name}" for kind in (recipe.ARGUMENT, recipe.VARIABLE) for name in names}
    kept = [
        step
        for step in takewhile(lambda step: not missed.differs(step, but=parts), missed.steps)
        if step.line in before
    ]
    if not kept or first not in kept:
        return None
    changes, them = ("changes", "it") if len(names) == 1 else ("change", "them")
    where = f"line {setting[0].line} sets"
    if len(setting) > 1:
        where = f"lines {' and '.join(str(one.line) for one in setting)} set"
    advice = (
        f"{listed(sorted(names))} {changes}, which {where}: set {them} below line "
        f"{kept[-1].line}, unless a program above that reads {them}, and "
    )
    return _kept(missed, kept, advice)


def _installs(run: Instruction) -> Sequence[installs.Install]:
    """Return what a RUN installs if it does nothing else."""
    found = list(installs.installs(run))
    others = [words for words in installs.commands(run) if not _HARMLESS.fullmatch(" ".join(words))]
    needs_sources = any(
        one.shown in _WITH_SOURCES and _WITH_SOURCES[one.shown] not in words
        for one, words in zip(found, others, strict=False)
    )
    return [] if len(found) != len(others) or needs_sources else found


def _kept(missed: Missed, steps: Sequence[Step], advice: str) -> Saving:
    """Return what is saved by steps that stay cached; those that take long are named."""
    long = [step for step in steps if missed.seconds([step]) >= _LEAST] or steps
    seconds = missed.seconds(long)
    lines = f"line {long[0].line} ({seconds:.0f} s) stays"
    if len(long) > 1:
        lines = f"lines {long[0].line} to {long[-1].line} ({seconds:.0f} s) stay"
    return Saving(text=f"{advice}{lines} cached", seconds=seconds)


def _shown(step: Step) -> str:
    return f"{shown(step.title, _LONGEST)} on line {step.line}"
