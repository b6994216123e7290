"""What each step of a build is made of, as far as that can be known without building.

A step is known by its parts: its instruction, and digests of the values, files, images and stages
that go into it. BuildKit takes a step from a cache if everything is equal that the parts stand for,
in this step and in those that it is upon (`dockerfile2llb` and `solver/llbsolver/ops`, v0.34.2).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import refs
from warmbuild.frozen import frozen
from warmbuild.project import dockerfile
from warmbuild.record.content import Content, normal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage
    from warmbuild.refs import Reference

# Names of parts. Those from arguments on are followed by a name; a base is a stage or an image.
INSTRUCTION: Final = "instruction"
FILES: Final = "files"
PLATFORMS: Final = "platforms"
END: Final = "steps"
ARGUMENT: Final = "argument"
VARIABLE: Final = "variable"
STAGE: Final = "stage"
IMAGE: Final = "image"
BASE: Final = "base"
# Instructions that BuildKit runs as steps; the others only change the image's configuration.
STEPS: Final = frozenset(["ADD", "COPY", "RUN", "WORKDIR"])
SCRATCH: Final = "scratch"
COPIES: Final = frozenset(["ADD", "COPY"])
_SETTINGS: Final = frozenset(["SHELL", "USER", "WORKDIR"])
# Arguments that every RUN gets, and that are not part of what it is known by.
_PROXIES: Final = frozenset(
    name
    for word in ("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    for name in (word, word.lower())
)
_REFERENCE: Final = re.compile(r"\$(?:\{(\w+)(?:(:?[-+])([^}]*))?\}|(\w+))")
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://|git@")
_HEREDOC: Final = re.compile(r"\d*<<")
# Characters of a title.
_LONGEST: Final = 200
_WRITABLE: Final = ("rw", "readwrite")
_MOUNTS: Final = frozenset(["bind", "cache", "tmpfs", "secret", "ssh"])


@frozen
class Step:
    """One step, and what it is made of."""

    stage: str  # as BuildKit names it: its name, or stage-1; empty if the file has a single one
    position: int  # among the steps of its stage, from 1 on
    line: int
    title: str  # the instruction as it is written, in one line
    parts: Mapping[str, str]  # digests by their names
    takes: tuple[str, ...] = ()  # what it names in the context
    excludes: tuple[str, ...] = ()  # what it does not take of that
    linked: bool = False  # whether it is upon no other step
    unknown: str = ""  # why nobody can know it before the build, as a clause
    key: str = ""  # of the parts, and of the steps below; empty if that is unknown


@frozen
class Recipe:
    """What a build is made of."""

    steps: tuple[Step, ...]
    image: Mapping[str, str]  # digests of what is in no step: platforms, the configuration
    built: tuple[str, ...] = ()  # the built stage and those that it is upon, as BuildKit names them
    unknown: str = ""  # why what the image is made of is unknown; empty if every part is known

    @property
    def key(self) -> str:
        """What the whole image is known by; empty if that is unknown."""
        return "" if self.unknown else digest(*_flat(self.image))


@frozen
class Given:
    """What goes into a build beside its Dockerfile."""

    arguments: Mapping[str, str]
    platforms: tuple[str, ...]
    images: Mapping[str, str]  # digests by the names of images, as `refs` writes them
    content: Content | None  # None if the context is not on this machine
    contexts: frozenset[str] = frozenset()  # names of other contexts
    further: Mapping[str, str] = field(default_factory=dict)
    """What goes into every RUN, such as added hosts."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What goes into the image beside its steps, such as labels."""
    unknown: str = ""  # why nothing of the build is known, as a clause


def recipe(file: Dockerfile, built: Stage, given: Given, salt: bytes) -> Recipe:
    """Return what the stages that a build needs are made of, in the file's order.

    Values of arguments become digests with the salt.
    """
    scopes: dict[int, _Scope] = {}
    steps: list[Step] = []
    for stage in dockerfile.needed(file, built):
        places = _Places(file=file, stage=stage, scopes=scopes, given=given)
        scope = _begun(places, salt)
        for instruction in stage.instructions:
            scope.follow(instruction)
            if instruction.word in STEPS:
                steps.append(scope.step(instruction, places.source))
        scopes[stage.number] = scope
    end = scopes[built.number]
    settings = {name: digest(salt.hex(), text) for name, text in given.settings.items()}
    unknown = next((step.unknown for step in steps if step.unknown), end.unknown)
    return Recipe(
        steps=tuple(steps),
        image=settings | end.configuration | {**end.root} | {END: end.key},
        built=tuple(stage_name(file, stage) for stage in dockerfile.lineage(file, built)),
        unknown=given.unknown or unknown,
    )


def images(file: Dockerfile, built: Stage, given: Given) -> tuple[str, ...]:
    """Return the images that a build needs, as `refs` writes them, without those with a digest."""
    found: dict[str, None] = {}
    for stage in dockerfile.needed(file, built):
        names = [] if stage.bases else [_base(file, stage, given)]
        names += [
            source
            for step in stage.instructions
            for source in dockerfile.sources(step)
            if dockerfile.stage_named(file, stage, source) is None
        ]
        for name in names:
            reference = _reference(name or "", given)
            if reference and not reference.digest:
                found[str(reference)] = None
    return tuple(found)


def digest(*texts: str) -> str:
    """Return a digest of several texts."""
    return hashlib.sha256(b"\0".join(map(_encoded, texts))).hexdigest()


def stage_name(file: Dockerfile, stage: Stage) -> str:
    """Return how BuildKit names a stage in its progress."""
    return stage.name or (f"stage-{stage.number}" if len(file.stages) > 1 else "")


@dataclass(slots=True, kw_only=True)
class _Scope:
    """What is known of a stage after some of its instructions."""

    name: str
    given: Given
    salt: str
    global_values: Mapping[str, str | None]
    root: Mapping[str, str]  # the parts of its base
    unknown: str  # why what it is made of is unknown
    key: str = ""  # of the last step; empty if that is unknown
    position: int = 0
    values: dict[str, str | None] = field(default_factory=dict)  # None if only BuildKit knows it
    digests: dict[str, str] = field(default_factory=dict)  # of the same, by the part's name
    setting: dict[str, str] = field(default_factory=dict)  # digests of directory, user and shell
    configuration: dict[str, str] = field(default_factory=dict)  # digests by instruction

    def follow(self, instruction: Instruction) -> None:
        """Take account of an instruction that changes what later ones are made of."""
        word, text = instruction.word, instruction.text
        if word == "ARG":
            for name, default in dockerfile.assignments(instruction):
                self._declare(name, default)
        elif word == "ENV":
            for name, value in dockerfile.assignments(instruction):
                self._set(VARIABLE, name, expanded(value or "", self.values), value or "")
        elif word in _SETTINGS:
            # A relative directory is below the one before.
            self.setting[word] = self._after(self.setting if word == "WORKDIR" else {}, word, text)
        if word not in {*STEPS, "ARG"}:
            self.configuration[word] = self._after(self.configuration, word, text)

    def _after(self, before: Mapping[str, str], word: str, text: str) -> str:
        return digest(before.get(word, ""), text, *_flat(self._named(text)))

    def _declare(self, name: str, default: str | None) -> None:
        """Declare an argument; without any value it is not in the environment of steps."""
        given = self.given.arguments.get(name)
        if given is not None:
            self._set(ARGUMENT, name, given, "")
        elif default is not None:
            self._set(ARGUMENT, name, expanded(default, self.values), default)
        elif name in self.global_values:
            self._set(ARGUMENT, name, self.global_values[name], "")

    def _set(self, part: str, name: str, value: str | None, text: str) -> None:
        """Set a variable; a value that only BuildKit knows is known by its text."""
        told = [text, *_flat(self._named(text))] if value is None else [value]
        for known in (ARGUMENT, VARIABLE):
            self.digests.pop(f"{known} {name}", None)
        self.values[name] = value
        if name not in _PROXIES:
            self.digests[f"{part} {name}"] = digest(self.salt, *told)

    def _named(self, *texts: str) -> dict[str, str]:
        """Return the parts of the values that texts refer to, by their names."""
        names = {found[1] or found[4] for text in texts for found in _REFERENCE.finditer(text)}
        return {part: made for part, made in self.digests.items() if part.split()[1] in names}

    def step(self, instruction: Instruction, sources: Callable[[str], _Source]) -> Step:
        """Return what a step is made of, and make it the one that the next is upon."""
        flags = [f"{name}={value}" for name, value in instruction.flags]
        own = (instruction.word, instruction.text, *flags, *instruction.heredocs)
        taken = _Taken(sources=sources, values=self.values)
        parts = {INSTRUCTION: digest(*own)}
        if instruction.word == "RUN":
            parts |= self.digests | self.setting | {**self.given.further}
            taken.mounts(instruction)
        else:
            parts |= self._named(*own)
            names = ("WORKDIR",) if instruction.word in COPIES else ("USER", "WORKDIR")
            parts |= {name: self.setting[name] for name in names if name in self.setting}
            if instruction.word in COPIES:
                taken.copy(instruction)
        if content := self.given.content:
            parts |= taken.files(content)
        elif taken.takes:
            taken.unknown = taken.unknown or "the context is not on this machine"
        parts |= taken.parts
        is_linked = instruction.word in COPIES and _is_on(instruction, "link")
        # A linked step is made from nothing, and then put upon the layers below.
        unknown = taken.unknown if is_linked else self.unknown or taken.unknown
        key = digest(*(() if is_linked else (self.key,)), *_flat(parts))
        self.unknown = self.unknown or taken.unknown
        self.key = digest(self.key, key) if is_linked else key
        if not self.position:
            parts |= self.root
        self.position += 1
        return Step(
            stage=self.name,
            position=self.position,
            line=instruction.line,
            title=_title(instruction),
            parts=parts,
            takes=tuple(taken.takes),
            excludes=taken.excludes,
            unknown=unknown,
            key="" if unknown else key,
            linked=is_linked,
        )


@frozen
class _Source:
    """A stage, image or context that a step takes files from."""

    part: str = ""  # its name as a part
    digest: str = ""
    unknown: str = ""  # why it has no digest


@dataclass(slots=True, kw_only=True)
class _Taken:
    """What a step takes from the context and from elsewhere."""

    sources: Callable[[str], _Source]
    values: Mapping[str, str | None]
    parts: dict[str, str] = field(default_factory=dict)
    takes: list[str] = field(default_factory=list)
    excludes: tuple[str, ...] = ()
    unknown: str = ""

    def copy(self, step: Instruction) -> None:
        """Take what a COPY or ADD names."""
        if step.flag("from"):
            self._from(step.flag("from"))
            return
        if dict(step.flags).keys() & {"parents", "keep-git-dir"}:
            self.unknown = f"{step.word} has a flag whose files are not compared"
        self.excludes = tuple(value for name, value in step.flags if name == "exclude")
        for source in step.words()[:-1]:
            if _HEREDOC.match(source):
                continue
            if not _REMOTE.match(source):
                self._take(source)
            elif not step.flag("checksum") or source.startswith("git@"):
                self.unknown = f"{step.word} takes what {source} has then"

    def mounts(self, step: Instruction) -> None:
        """Take what is mounted into a RUN."""
        for mount in dockerfile.mounts(step):
            kind = mount.get("type", "bind")
            if mount.get("from"):
                self._from(mount["from"])
            elif kind == "bind":
                self._take(mount.get("source", mount.get("src", "")))
            if kind == "bind" and any(mount.get(mode, "false") != "false" for mode in _WRITABLE):
                self.unknown = "a bind mount is writable"
            if kind not in _MOUNTS:
                self.unknown = "the type of a mount is unknown"

    def files(self, content: Content) -> Mapping[str, str]:
        """Return the part for the files of the context."""
        if not self.takes:
            return {}
        try:
            return {FILES: content.digest(content.taken(self.takes, self.excludes))}
        except ValueError as error:
            self.unknown = self.unknown or str(error)
            return {}

    def _take(self, source: str) -> None:
        found = expanded(source, self.values)
        if found is None:
            self.unknown = f"only BuildKit knows the value of {source}"
        else:
            self.takes.append(normal(found))

    def _from(self, name: str) -> None:
        found = self.sources(name)
        self.unknown = self.unknown or found.unknown
        if not found.unknown:
            self.parts[found.part] = found.digest


@frozen
class _Places:
    """Where the steps of one stage may take files from."""

    file: Dockerfile
    stage: Stage
    scopes: Mapping[int, _Scope]
    given: Given

    def source(self, name: str) -> _Source:
        """Return the stage, image or context of a name."""
        if name.lower() in self.given.contexts:
            return _Source(unknown=f"the context {name} is not looked at")
        if stage := dockerfile.stage_named(self.file, self.stage, name):
            return self._of_stage(stage)
        return _of_image(name, self.given)

    def base(self) -> _Source:
        """Return what the stage is built on."""
        name = _base(self.file, self.stage, self.given)
        if name is None or len(self.stage.bases) > 1:
            return _Source(unknown="only BuildKit knows what FROM names")
        if {name.lower(), self.stage.name} & self.given.contexts:
            return _Source(unknown=f"a context takes the place of {name}")
        if self.stage.bases:
            return self._of_stage(self.file.stages[self.stage.bases[0]])
        return _of_image(name, self.given)

    def _of_stage(self, stage: Stage) -> _Source:
        scope = self.scopes[stage.number]
        part = f"{STAGE} {stage_name(self.file, stage)}"
        return _Source(part=part, digest="" if scope.unknown else scope.key, unknown=scope.unknown)


def expanded(text: str, values: Mapping[str, str | None]) -> str | None:
    """Return a word with its variables and without its quotes; None if only BuildKit knows it."""
    parts, end = [], 0
    if "$" in text and ("'" in text or "\\" in text):
        return None
    for found in _REFERENCE.finditer(text):
        value = _value(found, values)
        if value is None:
            return None
        parts += [text[end : found.start()], value]
        end = found.end()
    rest = text[end:]
    if "$" in rest or "$" in "".join(parts[::2]):
        return None
    return dockerfile.unquoted("".join((*parts, rest)))


def _value(found: re.Match[str], values: Mapping[str, str | None]) -> str | None:
    name, sign, other = found[1] or found[4], found[2], found[3]
    value = values.get(name)
    if value is None or "$" in (other or ""):
        return None
    if not sign:
        return value
    is_set = bool(value) or ":" not in sign
    if "-" in sign:
        return value if is_set else other
    return other if is_set else ""


def _begun(places: _Places, salt: bytes) -> _Scope:
    """Return what is known at the beginning of a stage."""
    file, stage, given = places.file, places.stage, places.given
    base = places.base()
    below = places.scopes[stage.bases[0]] if len(stage.bases) == 1 and not base.unknown else None
    flag = stage.start.flag("platform")
    root = {PLATFORMS: digest(*given.platforms, flag)}
    if base.part:
        root[f"{BASE} {base.part.partition(' ')[2]}"] = base.digest
    return _Scope(
        name=stage_name(file, stage),
        given=given,
        salt=salt.hex(),
        global_values=_global_values(file, given),
        root=root,
        unknown=given.unknown or base.unknown,
        key=digest(*_flat(root)),
        values=dict(below.values) if below else {},
        digests=dict(below.digests) if below else {},
        setting=dict(below.setting) if below else {},
        configuration=dict(below.configuration) if below else {},
    )


def _global_values(file: Dockerfile, given: Given) -> Mapping[str, str | None]:
    values: dict[str, str | None] = {}
    for instruction in file.arguments:
        for name, default in dockerfile.assignments(instruction):
            if name in given.arguments:
                values[name] = given.arguments[name]
            elif default is not None:
                values[name] = expanded(default, values)
    return values


def _base(file: Dockerfile, stage: Stage, given: Given) -> str | None:
    """Return what a FROM names; None if only BuildKit knows it."""
    name = next(iter(stage.start.words()), "")
    return expanded(name, _global_values(file, given))


def _of_image(name: str, given: Given) -> _Source:
    if name == SCRATCH:
        return _Source(part=f"{IMAGE} {SCRATCH}", digest=digest(SCRATCH))
    reference = _reference(name, given)
    if reference is None:
        return _Source(unknown=f"{name} is not the name of an image")
    known = reference.digest or given.images.get(str(reference), "")
    # Images with a digest in their name are told apart by the instruction.
    shown = replace(reference, digest="")
    unknown = "" if known else f"the digest of {shown} is not known"
    return _Source(part=f"{IMAGE} {shown}", digest=known, unknown=unknown)


def _reference(name: str, given: Given) -> Reference | None:
    """Return the reference of an image, with a tag or a digest; None if it is no image."""
    if name == SCRATCH or name.lower() in given.contexts:
        return None
    try:
        found = refs.parse(name)
    except ValueError:
        return None
    return found if found.tag or found.digest else replace(found, tag="latest")


def _is_on(instruction: Instruction, name: str) -> bool:
    """Return whether a flag without a value, or with a boolean one, is set."""
    return dict(instruction.flags).get(name, "false") != "false"


def _title(instruction: Instruction) -> str:
    """Return an instruction as it is written, in one line."""
    flags = (f"--{name}={value}" if value else f"--{name}" for name, value in instruction.flags)
    return " ".join((instruction.word, *flags, *instruction.text.split()))[:_LONGEST]


def _flat(parts: Mapping[str, str]) -> Iterator[str]:
    return chain.from_iterable(sorted(parts.items()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
