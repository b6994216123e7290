"""Why one step was not cached, by one record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.record import changed_files, predicting, recipe, record
from warmbuild.record.cause import Cause, Kind, named, shown
from warmbuild.record.changed_files import Files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.project.dockerfile import Dockerfile
    from warmbuild.record.changed_files import Changed
    from warmbuild.record.predicting import Compared
    from warmbuild.record.recipe import Recipe, Step
    from warmbuild.record.record import Record

# A stage without a name, as BuildKit counts it.
_UNNAMED: Final = re.compile(r"(?:stage-\d+)?")
# Characters of an instruction that a text quotes, and of a reason.
_SHORT: Final = 60
_LONGEST: Final = 200
# Causes of a step.
MOST: Final = 50
# Hexadecimal digits of a digest that is shown.
_DIGITS: Final = 12
_SETTINGS: Final = {
    "WORKDIR": (Kind.DIRECTORY, "the directory (WORKDIR) differs"),
    "USER": (Kind.USER, "the user (USER) differs"),
    "SHELL": (Kind.SHELL, "the shell (SHELL) differs"),
}
# Kinds of values, by whether they changed, are new or are gone.
_VALUES: Final = {
    recipe.ARGUMENT: (Kind.ARGUMENT_CHANGED, Kind.ARGUMENT_ADDED, Kind.ARGUMENT_REMOVED),
    recipe.VARIABLE: (Kind.VARIABLE_CHANGED, Kind.VARIABLE_ADDED, Kind.VARIABLE_REMOVED),
}


@frozen
class Build:
    """What is built."""

    recipe: Recipe  # with any salt
    file: Dockerfile
    files: Files
    images: Mapping[str, str] = field(default_factory=dict)  # digests of images, by reference
    platforms: tuple[str, ...] = ()
    target: str = ""  # the stage that is built, if not the last one


@frozen
class Against:
    """A record that a build is compared with."""

    compared: Compared
    ref: str  # of the cache that it lies beside
    unread: Cause | None = None  # why the build does not read that cache


@dataclass(frozen=True)
class Case:
    """The first missed step of a stage, beside a record."""

    build: Build
    against: Against
    missed: frozenset[str]  # all stages of which a step was not cached
    stage: str
    at: int  # index of the step in its stage

    @cached_property
    def steps(self) -> Sequence[Step]:
        """The steps of the stage, with the salt of the record."""
        return [step for step in self.against.compared.now.steps if step.stage == self.stage]

    @property
    def step(self) -> Step:
        """The missed step."""
        return self.steps[self.at]

    @cached_property
    def then(self) -> Sequence[Step]:
        """The steps of the stage in the record: of its name or, without one, most like it."""
        stages: dict[str, list[Step]] = {}
        for step in self._record.recipe.steps:
            stages.setdefault(step.stage, []).append(step)
        if self.stage in stages or not _UNNAMED.fullmatch(self.stage):
            return stages.get(self.stage, ())

        # Another stage before it changes the number that BuildKit gives it.
        def common(steps: Sequence[Step]) -> int:
            pairs = zip(map(_instruction, steps), map(_instruction, self.steps), strict=False)
            return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

        unnamed = [steps for name, steps in stages.items() if _UNNAMED.fullmatch(name)]
        return max(reversed(unnamed), key=common, default=())

    @cached_property
    def files(self) -> Sequence[Changed]:
        """The files that the step takes, and that differ."""
        found = self._record
        then = Files(marks=found.files, ignored=found.ignored, folded=found.folded)
        return changed_files.changed(then, self.build.files, self.step)

    @cached_property
    def causes(self) -> Sequence[Cause]:
        """Why it was not cached, as far as the record tells; one at least."""
        if self.step.key and self.step.key in {one.key for one in self._record.recipe.steps}:
            return list(self._known())
        # Others may have written any number of parts.
        found = list(islice(self._differences(), MOST)) or [self._unknown()]
        # A stage that ran has causes of its own.
        return sorted(found, key=lambda one: one.kind is Kind.STAGE)

    @property
    def _record(self) -> Record:
        return self.against.compared.record

    @property
    def _stages(self) -> frozenset[str]:
        """The names of all stages that the build needs."""
        return frozenset(step.stage for step in self.build.recipe.steps)

    def _known(self) -> Iterator[Cause]:
        """Yield why a step ran that the record has."""
        verbs = {recipe.BASE: "is built on", recipe.STAGE: "copies from"}
        sources = [part.partition(" ") for part in self.step.parts]
        ran = [(verbs[word], name) for word, _, name in sources if word in verbs]
        ran = [(verb, name) for verb, name in ran if name in self.missed]
        if self.against.unread:
            yield self.against.unread
        elif ran:
            yield from (self._of_stage(name, verb) for verb, name in ran)
        else:
            yield self._lost()

    def _lost(self) -> Cause:
        is_least = self._record.mode == "min"
        if is_least and self.stage not in self.build.recipe.built:
            after = "has the steps of the image alone (mode min)"
            return named(Kind.MODE_MIN, [self.against.ref], "", after)
        return named(Kind.LOST, [self.against.ref], "", "had it, by its record, and has lost it")

    def _unknown(self) -> Cause:
        then = predicting.counterpart(self._record.recipe, self.step)
        if self.step.unknown:
            text = f"it cannot be known before it runs: {shown(self.step.unknown, _LONGEST)}"
        elif then and then.unknown:
            text = f"the record does not know it: {shown(then.unknown, _LONGEST)}"
        else:
            return Cause(kind=Kind.UNEXPLAINED, text="nothing explains it")
        return Cause(kind=Kind.UNKNOWN, text=text)

    def _differences(self) -> Iterator[Cause]:
        if not self.then:
            yield self._of_new_stage()
            return
        if not self.at:
            yield from self._of_root(self.then[0])
        then = self._aligned()
        if isinstance(then, Cause):
            yield then
            return
        for name in predicting.changed(then.parts, self.step.parts):
            yield from self._of_part(name, then)

    def _of_new_stage(self) -> Cause:
        then = self._record.stage
        if then == self.build.target:
            return named(Kind.ADDED, [self.stage], "stage", "is new")
        built = f"target {shown(then)}" if then else "the last stage"
        after = f"was not needed for {built}, which the record is of"
        return named(Kind.TARGET, [self.stage], "stage", after)

    def _of_root(self, then: Step) -> Iterator[Cause]:
        """Yield how the base of the stage and its platforms differ."""
        now = self.steps[0]
        if _differ(then, now, recipe.PLATFORMS):
            known = self._record.platforms
            new = [one for one in self.build.platforms if one not in known]
            if new and known:
                yield named(Kind.PLATFORM, new, "platform", "is new")
            else:
                yield Cause(kind=Kind.PLATFORM, text="the platform differs")
        base, old = (next(filter(_is_base, step.parts), "") for step in (now, then))
        if not (base and old) or (base == old and not _differ(then, now, base)):
            return
        name = base.partition(" ")[2]
        if base != old:
            after = f"instead of {shown(old.partition(' ')[2])}"
            yield named(Kind.BASE_CHANGED, [name], "FROM names", after)
        elif name in self._stages:
            yield self._of_stage(name, "is built on")
        else:
            yield self._moved(Kind.BASE_MOVED, name, "base image")

    def _of_stage(self, name: str, verb: str) -> Cause:
        after = "is not cached" if name in self.missed else "differs"
        return named(Kind.STAGE, [name], "stage", f"that it {verb} {after}")

    def _moved(self, kind: Kind, name: str, what: str) -> Cause:
        old, new = _short(self._record.images.get(name)), _short(self.build.images.get(name))
        digests = f" ({old} -> {new})" if old and new else ""
        return named(kind, [name], what, f"moved{digests}")

    def _aligned(self) -> Step | Cause:
        """Return the step's counterpart in the record or, without one, what was done to it."""
        own, theirs = list(map(_instruction, self.steps)), list(map(_instruction, self.then))
        begin = 0
        for one in own[: self.at]:
            if one in theirs[begin:]:
                begin = theirs.index(one, begin) + 1
            elif begin < len(theirs) and theirs[begin] not in own:
                # Another instruction came in its place.
                begin += 1
        if self.step.linked:
            # It is upon nothing.
            begin = 0
        mine, later = own[self.at], frozenset(own[self.at :])
        following = theirs[begin:]
        if mine in following:
            end = begin + following.index(mine)
            before = [] if self.step.linked else self.then[begin:end]
            gone = [one for one in before if _instruction(one) not in own]
            moved = [one for one in before if _instruction(one) in later]
            if gone:
                return named(Kind.REMOVED, _titles(gone), "", "was removed before it")
            if moved:
                return named(Kind.MOVED, _titles(moved), "", "now comes after it")
            return self.then[end]
        if not following or following[0] in later:
            return Cause(kind=Kind.ADDED, text="it is new")
        return self._edited(self.then[begin])

    def _edited(self, then: Step) -> Cause:
        old, new = then.title, self.step.title
        if old == new:
            text = "it was edited, in a heredoc or in spaces"
        elif max(len(old), len(new)) <= _SHORT:
            text = f"it was edited: {shown(old)} -> {shown(new)}"
        else:
            text = "it was edited"
        return Cause(kind=Kind.EDITED, text=text)

    def _of_part(self, part: str, then: Step) -> Iterator[Cause]:
        """Yield how the step differs from that of the record in one of its parts."""
        word, _, name = part.partition(" ")
        is_new, is_gone = part not in then.parts, part not in self.step.parts
        match word:
            case recipe.PLATFORMS | recipe.BASE:
                pass
            case recipe.FILES:
                yield from self._of_files(is_known=not (is_new or is_gone))
            case recipe.ARGUMENT | recipe.VARIABLE:
                changed, added, removed = _VALUES[word]
                if is_new:
                    yield named(added, [name], word, "is new")
                elif is_gone:
                    yield named(removed, [name], word, "is gone")
                else:
                    yield named(changed, [name], word, "changed")
            case recipe.STAGE:
                yield self._of_stage(name, "copies from")
            case recipe.IMAGE:
                yield self._moved(Kind.IMAGE_MOVED, name, "image")
            case _ if part in _SETTINGS:
                kind, text = _SETTINGS[part]
                yield Cause(kind=kind, text=text)
            case _:
                yield named(Kind.SETTING, [part], "setting", "differs")

    def _of_files(self, *, is_known: bool) -> Iterator[Cause]:
        """Yield which files differ; if they are known then and now, some do."""
        if is_known:
            found = list(changed_files.causes(self.files))
            yield from found or [Cause(kind=Kind.FILE_CHANGED, text="its files changed")]


def _instruction(step: Step) -> str:
    return record.part(step.parts.get(recipe.INSTRUCTION, ""))


def _differ(then: Step, now: Step, name: str) -> bool:
    return name in predicting.changed(then.parts, now.parts)


def _is_base(part: str) -> bool:
    return part.startswith(f"{recipe.BASE} ")


def _short(digest: str | None) -> str:
    return shown((digest or "").rpartition(":")[2][:_DIGITS])


def _titles(steps: Sequence[Step]) -> Sequence[str]:
    return [shown(step.title, _SHORT) for step in steps]
