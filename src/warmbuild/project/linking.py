"""Which COPY and ADD of a Dockerfile get `--link`, where that changes no file of the image.

BuildKit makes a linked step from nothing and merges it with the layers below, which nothing has to
unpack then (`dispatchCopy` and `docopy` in BuildKit v0.34.2). So such a step follows no link at its
destination, and makes the directories that lead there anew: root's, with mode 0755. docs/speed.md
has the rules, and what they take for granted of the base image.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.project import dockerfile
from warmbuild.project.files_below import COPIES, FilesBelow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from warmbuild.project.dockerfile import Dockerfile, Instruction, Stage

# Frontends that read a Dockerfile; any other frontend may have its own language.
_FRONTEND: Final = re.compile(r"(?:.*/)?dockerfile(?:-upstream)?(?P<version>[:@]\S*)?(?:\s.*)?")
# Those that link, since docker/dockerfile 1.4. A digest of a tag that moves may be older.
_LINKS: Final = re.compile(
    r":(?:latest|master|labs|1(?:-labs)?|1\.(?:[4-9]|\d\d+)(?:\.\d+)?(?:-labs)?(?:@.*)?)"
)
_FLAGS: Final = {
    "COPY": frozenset(["from", "chown", "chmod", "link", "parents", "exclude"]),
    "ADD": frozenset(["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"]),
}
# Instructions that look at no file.
_SETTINGS: Final = frozenset(
    [
        *("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER"),
        *("SHELL", "STOPSIGNAL", "USER", "VOLUME"),
    ]
)
_ROOT: Final = re.compile(r"0(?::0)?")
# Base images whose user, by their names, is not root: WORKDIR makes directories of that user.
_OTHER_USER: Final = re.compile(r"nonroot|rootless|unprivileged|bitnami|cgr\.dev/|\bdhi\b")
# Places that are links, or have another mode or owner than root's 0755, in usual base images.
_ODD: Final = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib32"),
    *("/usr/lib64", "/usr/libx32", "/usr/tmp", "/usr/local/sbin", "/usr/local/man"),
    *("/boot", "/dev", "/home", "/proc", "/root", "/run", "/sys", "/tmp", "/var", "/data", "/go"),  # noqa: S108 (of an image)
    *("/etc/alternatives", "/etc/grafana", "/etc/init.d", "/etc/mtab", "/etc/pki"),
    *("/etc/resolv.conf", "/etc/ssl", "/etc/sudoers.d", "/usr/local/apache2"),
    *("/usr/local/bundle", "/usr/local/cargo", "/usr/local/rustup", "/usr/src/wordpress"),
)
# Where base images have many files of their own.
_SYSTEM: Final = ("/etc/", "/usr/")
_PROGRAMS: Final = ("bin", "libexec")
# The build argument that replaces the frontend that a file names.
SYNTAX_ARGUMENT: Final = "BUILDKIT_SYNTAX"
_COPY_LINE: Final = re.compile(rb"^([ \t]*(?:COPY|ADD))(?=[ \t\\`])", re.IGNORECASE)


@frozen
class Left:
    """A step that does not get `--link`, and why."""

    step: Instruction
    why: str


@frozen
class Linking:
    """What becomes of the steps of the built stage that have no `--link` yet."""

    linked: tuple[Instruction, ...] = ()
    left: tuple[Left, ...] = ()
    why: str = ""  # why nothing is linked

    @property
    def lines(self) -> tuple[int, ...]:
        """The lines of the steps that get `--link`."""
        return tuple(step.line for step in self.linked)


def decide(
    file: Dockerfile, target: str, *, directories: Mapping[str, bool], contexts: Collection[str]
) -> Linking:
    """Return which steps of the built stage get `--link`.

    `directories` has those of `sources` that exist, and whether they are directories. `contexts`
    are the names of build contexts, which may take the place of a stage.
    """
    built = dockerfile.built_stage(file, target)
    if built is None:
        return Linking(why=f"the Dockerfile has no stage {target}".rstrip())
    stages = dockerfile.lineage(file, built)
    if why := next(filter(None, (_unclear(stage, contexts) for stage in stages)), ""):
        return Linking(why=why)
    used = _taken_from(file, built)
    start = stages[0].start
    below = FilesBelow(is_root=not _OTHER_USER.search(start.text.lower()), known=directories)
    steps: list[Left] = []
    for stage in stages:
        taken = f"a later stage takes files from stage {stage.name or stage.number}"
        for step in stage.instructions:
            why = taken if stage.number in used else ""
            steps.append(Left(step=step, why=why or _obstacle(step, below)))
            below.follow(step)
    return _linking(steps)


def sources(file: Dockerfile, target: str) -> tuple[str, ...]:
    """Return the paths in the context that the built stage's steps copy."""
    built = dockerfile.built_stage(file, target)
    return tuple(
        source
        for stage in (dockerfile.lineage(file, built) if built else ())
        for step in stage.instructions
        if dockerfile.takes_context(step)
        for source in step.words()[:-1]
    )


def frontend_obstacle(file: Dockerfile, given: str) -> str:
    """Return why a Dockerfile's frontend does not link, or ""; `given` overrides the file's own."""
    name = given or file.syntax
    found = _FRONTEND.fullmatch(name)
    if name and not found:
        return f"the frontend {name} is unknown"
    if found and not _LINKS.fullmatch(found["version"] or ":latest"):
        return f"the frontend {name} may be older than docker/dockerfile:1.4"
    return ""


def rewritten(data: bytes, lines: Collection[int]) -> bytes | None:
    """Return a Dockerfile with `--link` after the first word of these lines, the rest unchanged.

    None if a line does not begin with COPY or ADD, because the word itself is continued.
    """
    parts = data.split(b"\n")
    for number in lines:
        parts[number - 1], count = _COPY_LINE.subn(rb"\1 --link", parts[number - 1])
        if not count:
            return None
    return b"\n".join(parts)


def _taken_from(file: Dockerfile, built: Stage) -> set[int]:
    """Return the stages from which others take files, with those that they are built on."""
    used = {number for stage in dockerfile.needed(file, built) for number in stage.uses}
    return {base.number for one in used for base in dockerfile.lineage(file, file.stages[one])}


def _unclear(stage: Stage, contexts: Collection[str]) -> str:
    """Return why it is not clear what a stage is made of."""
    if len(stage.bases) > 1:
        return f"FROM on line {stage.start.line} may name several stages"
    if stage.name and stage.name in contexts:
        return f"a build context replaces the stage {stage.name}"
    triggers = (step.line for step in stage.instructions if step.word == "ONBUILD")
    return next((f"there is an ONBUILD on line {line}" for line in triggers), "")


def _linking(steps: Sequence[Left]) -> Linking:
    """Return what is linked: the steps after the last one that looks at the files below it."""
    linked: list[Instruction] = []
    left: list[Left] = []
    last = ""
    for found in reversed(steps):
        step, why = found.step, found.why
        is_open = step.word in COPIES and "link" not in dict(step.flags)
        if is_open and not last and not why:
            linked.append(step)
            continue
        if is_open:
            left.append(Left(step=step, why=f"{last} needs the files below it" if last else why))
        if not last and step.word not in _SETTINGS and not _is_linked(step):
            last = f"{step.word} on line {step.line}"
    why = "" if linked else "nothing is copied that has no --link"
    if not linked and left:
        why = f"{left[0].step.word} on line {left[0].step.line}: {left[0].why}"
    return Linking(linked=tuple(reversed(linked)), left=tuple(reversed(left)), why=why)


def _is_linked(step: Instruction) -> bool:
    """Return whether BuildKit links a step; it does not with --chmod."""
    given = step.flag("link") in {"", "true"} and "link" in dict(step.flags)
    return step.word in COPIES and given and not step.flag("chmod")


def _obstacle(step: Instruction, below: FilesBelow) -> str:
    """Return why a COPY or ADD gets no `--link`."""
    if step.word not in COPIES:
        return ""
    if why := _flag_obstacle(step):
        return why
    destination = below.destination(step)
    if not destination:
        return "its destination depends on a variable or on the base image"
    place = posixpath.normpath(destination)
    return _place_obstacle(step, destination, place, below) or below.obstacle(place)


def _flag_obstacle(step: Instruction) -> str:
    if unknown := dict(step.flags).keys() - _FLAGS[step.word]:
        return f"the flag --{min(unknown)} is unknown"
    if step.flag("chmod"):
        return "BuildKit does not link a step with --chmod"
    owner = step.flag("chown")
    if owner and not _ROOT.fullmatch(owner):
        # A linked step gives the directories that it makes to that owner, too.
        return f"--chown={owner} would also change directories above the destination"
    if "parents" in dict(step.flags):
        return "--parents keeps the modes of directories that exist"
    if any(name == "exclude" and value.startswith("!") for name, value in step.flags):
        return "--exclude with an exception keeps the modes of directories that exist"
    return ""


def _place_obstacle(step: Instruction, destination: str, place: str, below: FilesBelow) -> str:
    """Return why base images, as they usually are, do not fit to a destination."""
    if place == "/":
        return "what is copied to / may meet links of the base image"
    for odd in _ODD:
        if f"{place}/".startswith(f"{odd}/"):
            return f"{odd} is a link, or not root's with mode 0755, in some base images"
    is_system = f"{place}/".startswith(_SYSTEM)
    if step.word == "ADD" and is_system:
        return f"an archive may meet links of the base image in {place}"
    if destination.endswith("/"):
        return ""
    parent, name = posixpath.split(place)
    is_file = ("." in name[1:] and not name.endswith(".d")) or parent.endswith(_PROGRAMS)
    sources = step.words()[:-1]
    is_named_so = not is_system and any(posixpath.basename(one) == name for one in sources)
    if below.may_be_directory(place) or not (is_file or is_named_so):
        return f"{destination} may be a directory, and does not end with /"
    return ""
