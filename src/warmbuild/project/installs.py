"""The commands that a RUN gives a shell, and which of them install dependencies."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild.project.dockerfile import Instruction, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """A command that installs dependencies."""

    program: str
    shown: str
    """The command without options and names."""
    names_packages: bool
    """Whether the command names the dependencies, and not a file of the project."""


# What installs dependencies: a program, and the first of its arguments that is no option. An
# empty one is the program alone. A project's own build is none: it needs the sources.
_INSTALLS: Final = {
    "apk": ("add",),
    "apt": ("install",),
    "apt-get": ("install",),
    "bun": ("install", "i", "add"),
    "bundle": ("install", ""),
    "cargo": ("fetch", "chef"),
    "composer": ("install",),
    "conda": ("install", "create", "env"),
    "dnf": ("install",),
    "dotnet": ("restore",),
    "gem": ("install",),
    "go": ("mod",),
    "gradle": ("dependencies",),
    "gradlew": ("dependencies",),
    "mamba": ("install", "create", "env"),
    "microdnf": ("install",),
    "micromamba": ("install", "create", "env"),
    "mix": ("deps.get",),
    "mvn": ("dependency:go-offline", "dependency:resolve"),
    "mvnw": ("dependency:go-offline", "dependency:resolve"),
    "npm": ("ci", "install", "i", "clean-install", "add"),
    "pdm": ("install", "sync"),
    "pip": ("install", "download"),
    "pipenv": ("install", "sync"),
    "pnpm": ("install", "i", "fetch", "add"),
    "poetry": ("install",),
    "uv": ("sync", "pip"),
    "yarn": ("install", "add", ""),
    "yum": ("install",),
    "zypper": ("install",),
}
_SECOND: Final = {
    ("cargo", "chef"): ("cook",),
    ("conda", "env"): ("create", "update"),
    ("go", "mod"): ("download",),
    ("mamba", "env"): ("create", "update"),
    ("micromamba", "env"): ("create", "update"),
    ("uv", "pip"): ("install", "sync"),
}
# Options of these programs whose value is an argument of its own.
_WITH_VALUE: Final = frozenset(
    [
        "--constraint",
        "--cwd",
        "--dir",
        "--directory",
        "--filter",
        "--find-links",
        "--index-url",
        "--prefix",
        "--project",
        "--requirement",
        "--root",
        "--target",
        "--workspace",
        "-C",
        "-c",
        "-f",
        "-o",
        "-r",
        "-t",
    ]
)
# A path, an archive: what is installed comes from the sources.
_LOCAL: Final = re.compile(r"[./~].*|file:.*|.*\.(?:whl|tgz|tar\.gz|deb|rpm|apk)")
_EDITABLE: Final = ("-e", "--editable")
_QUESTIONS: Final = frozenset(["--dry-run", "--help", "--version", "-h", "-v"])
# What stands before a program's name and runs it.
_PREFIXES: Final = frozenset(
    ["!", "corepack", "do", "else", "env", "exec", "if", "npx", "sudo", "then", "time", "{"]
)
_ASSIGNMENT: Final = re.compile(r"\w+=.*", re.DOTALL)
_SHELLS: Final = frozenset(["ash", "bash", "dash", "sh", "zsh"])
_TOKEN: Final = re.compile(
    r"""
    (?P<end>[;&|()\n]+)
    | (?P<joined>\\\n)
    | (?P<comment>(?<!\S)\#[^\n]*)
    | (?P<word>(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|()'"\\]|['"\\])+)
    """,
    re.VERBOSE | re.DOTALL,
)


def commands(run: Instruction) -> Iterator[tuple[str, ...]]:
    """Yield the commands of a RUN, each as its words, from wherever the shell finds them."""
    words = run.words()
    if run.text.startswith("["):
        yield from _nested(words)
    elif run.text.startswith("<<"):
        for body in run.heredocs:
            first = body.partition("\n")[0]
            if not first.startswith("#!") or first.endswith("sh"):
                yield from _of_text(body)
    else:
        yield from _of_text(run.text)


def installs(run: Instruction) -> Iterator[Install]:
    """Yield what a RUN installs, in order."""
    found = (install(words) for words in commands(run))
    return (done for done in found if done)


def install(words: Sequence[str]) -> Install | None:
    """Return what a command installs; None where that is nothing, or the project itself."""
    program, arguments = _program(words)
    plain = list(_plain(arguments))
    first = plain[0] if plain else ""
    rest = plain[1:]
    if first not in _INSTALLS.get(program, ()) or not _QUESTIONS.isdisjoint(arguments):
        return None
    if (program, first) in _SECOND:
        if not rest or rest[0] not in _SECOND[program, first]:
            return None
        first, rest = f"{first} {rest[0]}", rest[1:]
    if any(word in _EDITABLE for word in arguments) or any(map(_LOCAL.fullmatch, rest)):
        return None
    shown = f"{program} {first}".strip()
    return Install(program=program, shown=shown, names_packages=bool(rest))


def _program(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return a command's program without its directory and version, and its arguments."""
    rest = deque(words)
    while rest and (rest[0] in _PREFIXES or _ASSIGNMENT.fullmatch(rest[0])):
        rest.popleft()
        while rest and rest[0].startswith("-"):
            rest.popleft()
    words = list(rest)
    program = words[0].rpartition("/")[2] if words else ""
    if re.fullmatch(r"python[\d.]*", program) and words[1:3] == ["-m", "pip"]:
        return "pip", words[3:]
    if re.fullmatch(r"pip[\d.]*", program):
        return "pip", words[1:]
    return program, words[1:]


def _plain(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that are neither options nor the values of some."""
    rest = iter(arguments)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            yield word


def _of_text(text: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    for found in _TOKEN.finditer(f"{text}\n"):
        if found["word"]:
            words.append(unquoted(found["word"]))
        elif found["end"]:
            yield from _nested(words)
            words = []


def _nested(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield a command, or those in the text that it gives a shell."""
    shell = bool(words) and words[0].rpartition("/")[2] in _SHELLS
    options = [number for number, word in enumerate(words) if word.endswith("c") and word[0] == "-"]
    if shell and options and len(words) > options[0] + 1:
        yield from _of_text(words[options[0] + 1])
    elif words:
        yield tuple(words)
