"""What each step of a build is made of, as far as that can be known without building.

BuildKit takes a step from a cache if the step itself is the same, and what it is upon, and what it
takes from stages and images (`dockerfile2llb` and `solver/llbsolver/ops`, v0.34.2). So a step has
two digests: `own` is what surely has to be the same for that, and `key` has the rest too. The rest
are stages and images: they may differ in their digests and have the same content, which BuildKit
compares. The parts of a step tell causes: each is a digest of something that people know by name.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import platforms, refs
from warmbuild.frozen import frozen
from warmbuild.project import dockerfile
from warmbuild.project.cache_mount import CacheMount
from warmbuild.record.content import Content, normal
from warmbuild.record.expanding import expanded, names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage
    from warmbuild.refs import Reference

# Names of parts. Those from arguments on are followed by a name; a base is a stage or an image.
INSTRUCTION: Final = "instruction"
FILES: Final = "files"
PLATFORMS: Final = "platforms"
SYNTAX: Final = "syntax"
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
# Arguments that BuildKit itself takes account of: in WORKDIR, in each RUN, and in cache mounts.
_EPOCH: Final = "SOURCE_DATE_EPOCH"
_HOSTNAME: Final = "BUILDKIT_SANDBOX_HOSTNAME"
_NAMESPACE: Final = "BUILDKIT_CACHE_MOUNT_NS"
_HTTP: Final = re.compile(r"https?://(?!.*\.git(?:$|[?#]))")
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://|git@")
_HEREDOC: Final = re.compile(r"\d*<<")
# Characters of a title.
_LONGEST: Final = 200
_MOUNTS: Final = frozenset(["bind", "cache", "tmpfs", "secret", "ssh"])
# Other names of a mount's attributes.
_SAME: Final = {"src": "source", "dst": "target", "destination": "target"}


@frozen
class Step:
    """One step, and what it is made of."""

    stage: str  # as BuildKit names it, such as stage-1; empty if there is a single one
    position: int  # among the steps of its stage, from 1 on
    line: int
    title: str  # the instruction as it is written, in one line
    parts: Mapping[str, str]  # digests by their names
    takes: tuple[str, ...] = ()  # what it names in the context
    excludes: tuple[str, ...] = ()  # what it does not take of that
    linked: bool = False  # whether it is upon no other step
    unknown: str = ""  # why nobody can know it before the build, as a clause
    own: str = ""  # digest of what is surely compared, apart from what it is upon
    key: str = ""  # digest of all that it is made of; empty if that is unknown
    total: int = 0  # steps that BuildKit counts in its stage, without those of its base
    mounts: tuple[CacheMount, ...] = ()  # its cache mounts, as far as they are known


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
    """Digests of what goes into every RUN, such as added hosts."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What goes into the image beside its steps, such as labels."""
    unknown: str = ""  # why nothing of the build is known, as a clause


def recipe(file: Dockerfile, built: Stage, given: Given, salt: bytes) -> Recipe:
    """Return what the stages that a build needs are made of, in the file's order.

    Values of arguments become digests with the salt.
    """
    values = _global_values(file, given, built)
    scopes: dict[int, _Scope] = {}
    steps: list[Step] = []
    for stage in dockerfile.needed(file, built):
        places = _Places(file=file, stage=stage, scopes=scopes, given=given, values=values)
        scope = _begun(places, salt)
        for instruction in stage.instructions:
            scope.follow(instruction)
            if scope.is_step(instruction):
                steps.append(scope.step(instruction, places.source))
        scopes[stage.number] = scope
    end = scopes[built.number]
    image = {name: digest(salt.hex(), text) for name, text in given.settings.items()}
    unknown = next((step.unknown for step in steps if step.unknown), end.unknown)
    return Recipe(
        steps=tuple(steps),
        image={**image, **end.image()},
        built=tuple(stage_name(file, stage) for stage in dockerfile.lineage(file, built)),
        unknown=given.unknown or unknown,
    )


def images(file: Dockerfile, built: Stage, given: Given) -> tuple[str, ...]:
    """Return the images that a build needs, as `refs` writes them, without those with a digest."""
    values = _global_values(file, given, built)
    found: dict[str, None] = {}
    for stage in dockerfile.needed(file, built):
        used = [] if stage.bases else [_base(stage, values) or ""]
        used += [
            source
            for step in stage.instructions
            for source in dockerfile.sources(step)
            if dockerfile.stage_named(file, stage, source) is None
        ]
        for name in used:
            reference = None if _is_replaced(name, given) else _reference(name)
            if reference and not reference.digest:
                found[str(reference)] = None
    return tuple(found)


def bases(made: Recipe, stages: Collection[str]) -> tuple[str, ...]:
    """Return the images below stages, with their digests as far as these are known."""
    first = {step.stage: step for step in reversed(made.steps)}
    found: dict[str, None] = {}
    for name in stages:
        below: str | None = name
        while below in first:
            roots = first[below].parts.items()
            part, known = next((one for one in roots if one[0].startswith(f"{BASE} ")), ("", ""))
            below = part.partition(" ")[2]
            if below and below not in first and below != SCRATCH:
                found[f"{below}@{known}" if refs.is_digest(known) else below] = None
    return tuple(found)


def digest(*texts: str) -> str:
    """Return a digest of several texts."""
    return hashlib.sha256(b"\0".join(map(_encoded, texts))).hexdigest()


def stage_name(file: Dockerfile, stage: Stage) -> str:
    """Return how BuildKit names a stage in its progress.

    A single stage has no name there; every mount, and each image that is copied from, counts.
    """
    has_others = len(file.stages) > 1 or any(
        step.flag("from") or step.flag("mount") for step in stage.instructions
    )
    return (stage.name or f"stage-{stage.number}") if has_others else ""


@dataclass(slots=True, kw_only=True)
class _Scope:
    """What is known of a stage after some of its instructions."""

    name: str
    given: Given
    salt: str
    global_values: Mapping[str, str | None]
    root: Mapping[str, str]  # the parts of its base
    unknown: str  # why what it is made of is unknown
    key: str  # of the last step
    total: int
    position: int = 0
    values: dict[str, str | None] = field(default_factory=dict)  # None if only BuildKit knows it
    # Digests of the same by the part's name, in the order in which steps have them.
    digests: dict[str, str] = field(default_factory=dict)
    directory: str = ""  # below that of the base image if it is relative
    user: str = ""
    shell: str = ""
    setting: dict[str, str] = field(default_factory=dict)  # digests of the same three
    configuration: dict[str, str] = field(default_factory=dict)  # digests by instruction
    history: str = ""  # digest of all instructions

    def follow(self, instruction: Instruction) -> None:
        """Take account of an instruction that changes what later ones are made of."""
        word, text = instruction.word, instruction.text
        match word:
            case "ARG":
                for name, default in dockerfile.assignments(instruction):
                    self._declare(name, default)
            case "ENV":
                # Each value has the variables as they were before the instruction.
                pairs = [(name, text or "") for name, text in dockerfile.assignments(instruction)]
                for name, text, value in [(*one, expanded(one[1], self.values)) for one in pairs]:
                    self._set(VARIABLE, name, value, text)
            case "WORKDIR":
                self.directory = _joined(self.directory, self.told(text))
                self.setting[word] = digest(self.salt, self.directory)
            case "USER":
                self.user = self.told(text)
                self.setting[word] = digest(self.salt, self.user)
            case "SHELL":
                self.shell = text
                self.setting[word] = digest(text)
            case _:
                pass
        # Those of a step are part of its key, as far as BuildKit compares them.
        flags = [] if word in STEPS else [f"--{name}={value}" for name, value in instruction.flags]
        texts = (text, *flags, *([] if word in STEPS else instruction.heredocs))
        told = (*texts, *_flat(self.named(*texts)))
        if word not in {*STEPS, "ARG"}:
            self.configuration[word] = digest(self.configuration.get(word, ""), *told)
        # An image has them all in its history.
        declared = (name for name, _ in dockerfile.assignments(instruction) if word == "ARG")
        values = (self.digests.get(f"{ARGUMENT} {name}", "") for name in declared)
        self.history = digest(self.history, word, *told, *values)

    def is_step(self, instruction: Instruction) -> bool:
        """Return whether an instruction that was followed is a step; `WORKDIR /` makes nothing."""
        is_root = instruction.word == "WORKDIR" and self.directory == "/"
        return instruction.word in STEPS and not is_root

    def image(self) -> Mapping[str, str]:
        """Return the parts of the image that the stage makes."""
        epoch = {f"{ARGUMENT} {_EPOCH}": digest(self.salt, self.epoch)} if self.epoch else {}
        return {**self.configuration, **self.root, **epoch, END: digest(self.key, self.history)}

    @property
    def epoch(self) -> str:
        """The time that BuildKit gives to what it makes itself."""
        return self.given.arguments.get(_EPOCH) or self.global_values.get(_EPOCH) or ""

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
        made = digest(self.salt, *([text, *_flat(self.named(text))] if value is None else [value]))
        for known in (ARGUMENT, VARIABLE):
            self.digests.pop(f"{known} {name}", None)
        self.values[name] = value
        self.digests[f"{part} {name}"] = made

    def told(self, text: str) -> str:
        """Return a word's value; if only BuildKit knows it, what stands for it."""
        value = expanded(text, self.values)
        return f"?{digest(text, *_flat(self.named(text)))}" if value is None else value

    def named(self, *texts: str) -> dict[str, str]:
        """Return the parts of the values that texts refer to, by their names."""
        used = {name for text in texts if "$" in text for name in names(text)}
        return {part: made for part, made in self.digests.items() if part.split()[1] in used}

    def step(self, instruction: Instruction, sources: Callable[[str], _Source]) -> Step:
        """Return what a step is made of, and make it the one that the next is upon."""
        flags = [f"{name}={value}" for name, value in instruction.flags]
        texts = (instruction.word, instruction.text, *flags, *instruction.heredocs)
        made = _Made(scope=self, sources=sources, parts={INSTRUCTION: digest(*texts)})
        if instruction.word == "RUN":
            made.run(instruction)
        else:
            made.parts |= self.named(*texts)
            if instruction.word == "WORKDIR":
                made.directory()
            else:
                made.copy(instruction)
        is_linked = made.is_linked
        own = digest(self.salt, instruction.word, str(is_linked), *map(repr, made.own))
        # A linked step is made from nothing, and then put upon the layers below.
        below = () if is_linked else (self.key,)
        key = digest(*below, own, *made.others)
        unknown = made.unknown if is_linked else self.unknown or made.unknown
        self.unknown = self.unknown or made.unknown
        self.key = digest(self.key, key) if is_linked else key
        if not self.position:
            made.parts |= self.root
        self.position += 1
        return Step(
            stage=self.name,
            position=self.position,
            line=instruction.line,
            title=_title(instruction),
            parts=made.parts,
            takes=tuple(made.takes),
            excludes=made.excludes,
            linked=is_linked,
            unknown=unknown,
            own=own,
            key="" if unknown else key,
            total=self.total,
            mounts=tuple(dict.fromkeys(made.mounts)),
        )


@frozen
class _Source:
    """A stage, image or context that a step takes files from."""

    part: str = ""  # its name as a part
    digest: str = ""
    unknown: str = ""  # why it has no digest
    is_counted: bool = False  # whether BuildKit counts it among the steps, and has no such step


@dataclass(slots=True, kw_only=True)
class _Made:
    """What a step is made of."""

    scope: _Scope
    sources: Callable[[str], _Source]
    parts: dict[str, str]
    own: list[object] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # stages and images, and what is taken there
    takes: list[str] = field(default_factory=list)
    excludes: tuple[str, ...] = ()
    is_linked: bool = False
    unknown: str = ""
    mounts: list[CacheMount] = field(default_factory=list)

    def run(self, step: Instruction) -> None:
        """Follow a RUN."""
        scope, given = self.scope, self.scope.given
        self.parts |= scope.digests | scope.setting | dict(given.further)
        listed = step.items()
        self.own += [listed or (scope.shell, step.text), step.heredocs, scope.directory, scope.user]
        flags = [pair for pair in step.flags if pair[0] != "mount"]
        self.own += [sorted(flags), list(scope.digests.items()), sorted(given.further.items())]
        self._argument(_HOSTNAME)
        for attributes in dockerfile.mounts(step):
            mount = {_SAME.get(name, name): value for name, value in attributes.items()}
            self._mount(mount)
            # One that begins with the files of something else is known by these, too.
            if mount.get("type") == "cache" and not (mount.get("from") or mount.get("source")):
                self.mounts += self._kept(mount)

    def directory(self) -> None:
        """Follow a WORKDIR, which makes a directory of the current user."""
        scope = self.scope
        self.parts |= {word: scope.setting[word] for word in scope.setting if word != "SHELL"}
        self.own += [posixpath.normpath(scope.directory), scope.user]
        self._argument(_EPOCH, scope.epoch)
        if scope.epoch.strip("-0123456789"):
            self.unknown = f"only BuildKit knows the time of {_EPOCH}"

    def copy(self, step: Instruction) -> None:
        """Follow a COPY or ADD."""
        scope, flags = self.scope, dict(step.flags)
        # BuildKit does not link what gets another mode.
        self.is_linked = _is_on(flags, "link") and not flags.get("chmod")
        self.excludes = tuple(value for name, value in step.flags if name == "exclude")
        told = {name: scope.told(value) for name, value in step.flags if name != "exclude"}
        self.own += [
            sorted((name, value) for name, value in told.items() if name not in {"from", "link"}),
            self.excludes,
            [(body, scope.named(body)) for body in step.heredocs],
        ]
        *sources, destination = step.words() or ("",)
        place = _joined(scope.directory, scope.told(destination))
        is_directory = destination.endswith(("/", "/.")) or destination in {"", "."}
        self.own += [posixpath.normpath(place), is_directory]
        if not place.startswith("/"):
            self.parts |= {word: scope.setting[word] for word in scope.setting if word == "WORKDIR"}
            if self.is_linked:
                # The base image says where that is.
                self.others += scope.root.values()
        for source in sources:
            self._copied(source, step, parents=_is_on(flags, "parents"))

    def _copied(self, source: str, step: Instruction, *, parents: bool) -> None:
        value = expanded(source, self.scope.values)
        if _HEREDOC.match(source):
            self.own.append(source)
        elif value is None:
            self.own.append(self.scope.told(source))
            self.unknown = f"only BuildKit knows the value of {source}"
        elif step.flag("from"):
            # BuildKit compares what is there, and not its place.
            self.own.append(value if parents else posixpath.basename(normal(value)))
            self._from(step.flag("from"), value)
        elif not _REMOTE.match(value):
            self.own.append(value if parents else posixpath.basename(normal(value)))
            self._take(value, parents=parents)
        elif not step.flag("checksum"):
            self.own.append(value)
            self.unknown = f"{step.word} takes what {value} has then"
        else:
            self.own.append(posixpath.basename(value) if _HTTP.match(value) else value)

    def _mount(self, mount: Mapping[str, str]) -> None:
        """Follow a mount of a RUN."""
        scope = self.scope
        kind, source = mount.get("type", "bind"), mount.get("source", "")
        target = _joined(scope.directory, scope.told(mount.get("target", "")))
        told = {name: scope.told(value) for name, value in mount.items() if name != "from"}
        told |= {"type": kind, "target": target}
        if kind == "cache":
            self._argument(_NAMESPACE)
            is_own = mount.get("id", target) != target
            if is_own or mount.get("sharing", "shared") != "shared":
                # BuildKit then compares neither.
                told |= {"id": "?", "sharing": "?"}
            else:
                told |= {"id": target, "sharing": "shared"}
        elif kind not in _MOUNTS:
            self.unknown = "the type of a mount is unknown"
        if kind in {"bind", "cache"}:
            told.pop("source", None)
        self.own.append(sorted(told.items()))
        if mount.get("from"):
            self._from(mount["from"], source)
        elif kind == "bind" and (value := expanded(source, scope.values)) is not None:
            self._take(value)
        elif kind == "bind":
            self.unknown = f"only BuildKit knows the value of {source}"

    def _kept(self, mount: Mapping[str, str]) -> Iterator[CacheMount]:
        """Yield a cache mount as BuildKit knows it, unless only BuildKit can."""
        names = ("id", "target", "uid", "gid", "mode")
        told = {name: expanded(mount.get(name, ""), self.scope.values) for name in names}
        found = {name: value for name, value in told.items() if value is not None}
        if len(found) == len(told):
            yield CacheMount(
                identity=found["id"] or _cleaned(found["target"]),
                namespace=self.scope.given.arguments.get(_NAMESPACE, ""),
                uid=found["uid"],
                gid=found["gid"],
                mode=found["mode"],
            )

    def _argument(self, name: str, value: str = "") -> None:
        """Follow an argument of BuildKit itself, which needs no ARG."""
        if value := value or self.scope.given.arguments.get(name, ""):
            made = digest(self.scope.salt, value)
            self.parts[f"{ARGUMENT} {name}"] = made
            self.own.append((name, made))

    def _take(self, source: str, *, parents: bool = False) -> None:
        """Take files of the context."""
        self.takes.append(normal(source))
        content = self.scope.given.content
        if content is None:
            self.unknown = self.unknown or "the context is not on this machine"
            return
        try:
            made = content.digest(source, self.excludes, parents=parents)
        except ValueError as error:
            self.unknown = self.unknown or str(error)
            return
        self.own.append(made)
        self.parts[FILES] = digest(self.parts.get(FILES, ""), made)

    def _from(self, name: str, source: str) -> None:
        """Take files of a stage or an image."""
        found = self.sources(name)
        self.unknown = self.unknown or found.unknown
        if not found.unknown:
            self.parts[found.part] = found.digest
        self.others += [found.digest, self.scope.told(source)]


@frozen
class _Places:
    """Where the steps of one stage may take files from."""

    file: Dockerfile
    stage: Stage
    scopes: Mapping[int, _Scope]
    given: Given
    values: Mapping[str, str | None]  # of the arguments before the first FROM

    def source(self, name: str) -> _Source:
        """Return the stage, image or context of a name."""
        if _is_replaced(name, self.given):
            return _Source(unknown=f"the context {name} is not looked at")
        if stage := dockerfile.stage_named(self.file, self.stage, name):
            return self._of_stage(stage)
        return _of_image(name, self.given)

    def base(self) -> _Source:
        """Return what the stage is built on."""
        name = _base(self.stage, self.values)
        if name is None or len(self.stage.bases) > 1:
            return _Source(unknown="only BuildKit knows what FROM names")
        if _is_replaced(name, self.given) or _is_replaced(self.stage.name, self.given):
            return _Source(unknown=f"a context takes the place of {name}", is_counted=True)
        if not self.stage.bases:
            return _of_image(name, self.given)
        below = self.file.stages[self.stage.bases[0]]
        if any(one.word == "ONBUILD" for one in below.instructions):
            return _Source(unknown=f"{name} has instructions for what is built on it")
        return self._of_stage(below)

    def _of_stage(self, stage: Stage) -> _Source:
        scope = self.scopes[stage.number]
        part = f"{STAGE} {stage_name(self.file, stage)}"
        return _Source(part=part, digest=scope.key, unknown=scope.unknown)


def _begun(places: _Places, salt: bytes) -> _Scope:
    """Return what is known at the beginning of a stage."""
    file, stage, given = places.file, places.stage, places.given
    base = places.base()
    below = places.scopes[stage.bases[0]] if len(stage.bases) == 1 and not base.unknown else None
    flag = stage.start.flag("platform")
    platform = expanded(flag, places.values, unset="")
    root = {PLATFORMS: digest(*given.platforms, flag if platform is None else platform)}
    if syntax := given.arguments.get("BUILDKIT_SYNTAX", file.syntax):
        root[SYNTAX] = digest(syntax)
    if base.part:
        root[f"{BASE} {base.part.partition(' ')[2]}"] = base.digest
    is_empty = base.part == f"{IMAGE} {SCRATCH}"
    return _Scope(
        name=stage_name(file, stage),
        given=given,
        salt=salt.hex(),
        global_values=places.values,
        root=root,
        unknown=given.unknown or base.unknown,
        key=digest(*root.values()),
        total=sum(one.word in STEPS for one in stage.instructions) + base.is_counted,
        values=dict(below.values) if below else {},
        digests=dict(below.digests) if below else {},
        directory=below.directory if below else "/" if is_empty else "",
        user=below.user if below else "",
        shell=below.shell if below else "",
        setting=dict(below.setting) if below else {},
        configuration=dict(below.configuration) if below else {},
        history=below.history if below else "",
    )


def _global_values(file: Dockerfile, given: Given, built: Stage) -> Mapping[str, str | None]:
    """Return the values of arguments before the first FROM, and of those that BuildKit sets."""
    kinds = ("PLATFORM", "OS", "ARCH", "VARIANT")
    values: dict[str, str | None] = {"TARGETSTAGE": built.name or "default"}
    for kind in kinds:
        values |= {f"BUILD{kind}": None, f"TARGET{kind}": None}
    if len(given.platforms) == 1:
        platform = platforms.normalized(given.platforms[0])
        parts = (platform, *f"{platform}//".split("/"))
        values |= {f"TARGET{kind}": part for kind, part in zip(kinds, parts, strict=False)}
    values |= {name: given.arguments[name] for name in values if name in given.arguments}
    for instruction in file.arguments:
        for name, default in dockerfile.assignments(instruction):
            if default is not None:
                values[name] = expanded(default, values, unset="")
            if name in given.arguments:
                values[name] = given.arguments[name]
    return values


def _base(stage: Stage, values: Mapping[str, str | None]) -> str | None:
    """Return what a FROM names; None if only BuildKit knows it."""
    return expanded(next(iter(stage.start.words()), ""), values, unset="")


def _of_image(name: str, given: Given) -> _Source:
    if name == SCRATCH:
        return _Source(part=f"{IMAGE} {SCRATCH}", digest=digest(SCRATCH))
    reference = _reference(name)
    if reference is None:
        return _Source(unknown=f"{name} is not the name of an image")
    known = reference.digest or given.images.get(str(reference), "")
    # Images with a digest in their name are told apart by the instruction.
    shown = replace(reference, digest="")
    unknown = "" if known else f"the digest of {shown} is not known"
    return _Source(part=f"{IMAGE} {shown}", digest=known, unknown=unknown)


def _reference(name: str) -> Reference | None:
    """Return the reference of an image, with a tag or a digest; None if it is no image."""
    if name == SCRATCH:
        return None
    try:
        found = refs.parse(name)
    except ValueError:
        return None
    return found if found.tag or found.digest else replace(found, tag="latest")


def _is_replaced(name: str, given: Given) -> bool:
    """Return whether another context has the name of a stage or an image, in any form of it."""
    own = _reference(name.lower())
    return own is not None and any(_reference(one.lower()) == own for one in given.contexts)


def _is_on(flags: Mapping[str, str], name: str) -> bool:
    """Return whether a flag that may have a boolean value is set."""
    return flags.get(name, "false") in {"", "true"}


def _joined(directory: str, path: str) -> str:
    """Return a path from the root, or from the directory of the base image.

    As in BuildKit, an absolute path stays as it is written.
    """
    found = posixpath.join(directory, path)
    return posixpath.normpath(found) if directory.startswith("/") and found != path else found


def _cleaned(path: str) -> str:
    """Return a path as Go's path.Clean does, which keeps no second slash at the beginning."""
    return posixpath.normpath(re.sub("^//+", "/", path))


def _title(instruction: Instruction) -> str:
    """Return an instruction as it is written, in one line."""
    flags = (f"--{name}={value}" if value else f"--{name}" for name, value in instruction.flags)
    return " ".join((instruction.word, *flags, *instruction.text.split()))[:_LONGEST]


def _flat(parts: Mapping[str, str]) -> Iterator[str]:
    return chain.from_iterable(sorted(parts.items()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
