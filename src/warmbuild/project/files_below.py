"""What a Dockerfile says of the files below a step: which directories are as BuildKit makes them.

BuildKit makes directories for WORKDIR and for destinations, root's with mode 0755. Nothing certain
is known of a directory if a step may have changed the directory, because it names the directory.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from warmbuild.project.dockerfile import Instruction

COPIES: Final = frozenset(["ADD", "COPY"])
_ROOTS: Final = re.compile(r"(?:0|root)(?::(?:0|root))?")
_URL: Final = re.compile(r"https?://")
_HEREDOC: Final = re.compile(r"\d*<<")
_WHOLE_CONTEXT: Final = re.compile(r"(?:\.?/)*\.?")
# A path without variables, quotes, escapes and patterns; Linux has no longer ones.
_PLAIN: Final = re.compile(r"[\w./@+:-]{1,1000}")
# Words of a shell's text, whatever they are to it.
_BETWEEN: Final = re.compile(r"""[\s;&|()<>'"=,\\]+""")
# What only a shell knows the path of.
_OPEN: Final = re.compile(r"[$`*?\[{~]")
# Programs that change modes and owners, or make links and directories, and what leads elsewhere.
_CHANGING: Final = frozenset(
    [
        *("adduser", "cd", "chgrp", "chmod", "chown", "cp", "git", "ln", "mkdir", "mount", "mv"),
        *("pushd", "rm", "rmdir", "rsync", "setfacl", "umask", "useradd", "usermod"),
    ]
)
# Programs that unpack into the current directory, and may change that too.
_UNPACKING: Final = frozenset(["7z", "bsdtar", "cpio", "tar", "unzip"])


@frozen
class _Ran:
    """What the text of a RUN says."""

    line: int
    text: str
    directory: str  # where it ran; empty if only the base image says it
    unpacks: bool
    is_open: bool  # whether it changes what only a shell knows the path of
    beginnings: tuple[str, ...]  # of absolute paths of that kind
    names: frozenset[str]  # the parts of relative paths that it may change


@dataclass(slots=True, kw_only=True)
class FilesBelow:
    """What is known of the files below the next step of a chain of instructions."""

    is_root: bool  # whether WORKDIR makes directories of root
    known: Mapping[str, bool]  # whether a source in the context is a directory
    directory: str = ""  # current directory; empty if only the base image says it
    _made: set[str] = field(default_factory=set)  # directories that BuildKit has made
    _odd: dict[str, str] = field(default_factory=dict)  # why a path and those below may differ
    _filled: dict[str, str] = field(default_factory=dict)  # why the paths below one may differ
    _ran: list[_Ran] = field(default_factory=list)
    _lost: str = ""  # why nothing is known

    def destination(self, step: Instruction) -> str:
        """Return where a COPY or ADD copies to, "" if that is unknown.

        It ends with a slash if it is certainly a directory.
        """
        *sources, last = step.words() or ("",)
        place = self._resolved(last)
        is_directory = last.endswith(("/", "/.")) or last == "."
        if len(sources) == 1 and dockerfile.takes_context(step):
            # BuildKit makes the destination of a directory as one of its own.
            is_directory = is_directory or self._is_directory(sources[0])
        return f"{place}/" if place not in {"", "/"} and is_directory else place

    def may_be_directory(self, place: str) -> bool:
        """Return whether a step has made a directory of a path, or may have."""
        return place in self._made or place in self._filled

    def obstacle(self, place: str) -> str:
        """Return why a path, or a directory above it, may differ from what BuildKit makes."""
        *above, _ = paths = _leading_to(place)
        if self._lost:
            return self._lost
        for known, those in ((self._odd, paths), (self._filled, above)):
            for path in those:
                if path in known:
                    return known[path]
        return next(filter(None, (_ran_obstacle(ran, paths) for ran in self._ran)), "")

    def follow(self, step: Instruction) -> None:
        """Take account of what a step does to the files."""
        if step.word == "USER":
            self.is_root = bool(_ROOTS.fullmatch(step.text.strip()))
        elif step.word == "WORKDIR":
            self.directory = self._resolved(step.text.strip())
            why = f"WORKDIR on line {step.line} may give the directory to another user"
            self._make(self.directory, "" if self.is_root else why)
        elif step.word == "RUN":
            self._ran.append(_ran(step, self.directory))
        elif step.word in COPIES:
            self._fill(step)

    def _resolved(self, path: str) -> str:
        """Return a path from the root, without a slash at its end; "" if it is unknown."""
        if not _PLAIN.fullmatch(path) or not (path.startswith("/") or self.directory):
            return ""
        return "/" + posixpath.normpath(posixpath.join(self.directory, path)).lstrip("/")

    def _make(self, place: str, why_odd: str) -> None:
        """Note a directory, and those above it, that a step makes if they are missing."""
        if why_odd and not place:
            self._lost = self._lost or why_odd
        for path in _leading_to(place):
            if not why_odd:
                self._made.add(path)
            elif path not in self._made:
                self._odd.setdefault(path, why_odd)

    def _fill(self, step: Instruction) -> None:
        where = f"{step.word} on line {step.line}"
        destination = self.destination(step)
        if not destination:
            self._lost = self._lost or f"{where} copies to an unknown place"
            return
        place = posixpath.normpath(destination)
        is_directory = destination.endswith("/")
        directory = place if is_directory else posixpath.dirname(place)
        is_roots = _ROOTS.fullmatch(step.flag("chown") or "0") and not step.flag("chmod")
        why_odd = f"{where} may give the directory another owner or mode"
        self._make(directory, "" if is_roots else why_odd)
        if not all(self._is_file(step, source) for source in step.words()[:-1]):
            self._filled.setdefault(place, f"{where} may have made the directory or one above it")

    def _is_file(self, step: Instruction, source: str) -> bool:
        """Return whether a source is certainly a regular file, and is copied as that."""
        if _HEREDOC.match(source):
            return True
        if step.word == "ADD":
            return bool(_URL.match(source)) and not step.flag("unpack")
        return not step.flag("from") and self.known.get(source) is False

    def _is_directory(self, source: str) -> bool:
        return bool(_WHOLE_CONTEXT.fullmatch(source)) or self.known.get(source) is True


def _leading_to(place: str) -> tuple[str, ...]:
    """Return the directories that lead from the root to a path, and the path, without the root."""
    ends = [found.start() for found in re.finditer("/", place)][1:]
    return (*(place[:end] for end in ends), place) if place not in {"", "/"} else ()


def _ran(run: Instruction, directory: str) -> _Ran:
    text = " ".join((run.text, *run.heredocs, *(value for _, value in run.flags)))
    words = {word for word in _BETWEEN.split(text) if word}
    programs = {word.rpartition("/")[2] for word in words}
    changes = not _CHANGING.isdisjoint(programs)
    paths = words if changes else set[str]()
    absolute = {path for path in paths if path.startswith("/")}
    relative = {path for path in paths - absolute if not path.startswith("-")}
    return _Ran(
        line=run.line,
        text=text,
        directory=directory,
        unpacks=not _UNPACKING.isdisjoint(programs),
        is_open=any(map(_is_open, relative)) or any(".." in path for path in absolute),
        beginnings=tuple(
            path[: found.start()] for path in absolute if (found := _OPEN.search(path))
        ),
        names=frozenset(name for path in relative for name in path.split("/")),
    )


def _is_open(path: str) -> bool:
    return (
        bool(_OPEN.search(path))
        or not {".", ".."}.isdisjoint(path.split("/")[-1:])
        or (".." in path.split("/"))
    )


def _ran_obstacle(ran: _Ran, paths: Collection[str]) -> str:
    """Return why a RUN may have changed one of the paths, of which the first is the topmost."""
    top, *_, place = (*paths, *paths)
    if (
        top in ran.text
        or ran.is_open
        or place.startswith(ran.beginnings)
        or not ran.names.isdisjoint(place.split("/")[1:])
        or (ran.unpacks and ran.directory in {"", *paths})
    ):
        return f"RUN on line {ran.line} may have changed the directory"
    return ""
