"""The commands of a RUN, and which of them install dependencies."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen
from warmbuild.project.dockerfile import Instruction, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@frozen
class Install:
    """A command that installs dependencies."""

    program: str
    shown: str  # the command without options and names
    names_packages: bool  # whether the command names the dependencies, not a file of the project


# A program and its first arguments without options. The build of the project itself is not an
# install: it needs the sources.
_INSTALLS: Final = re.compile(
    r"apk add|(?:apt|apt-get|composer|dnf|gem|microdnf|poetry|yum|zypper) install"
    r"|bun (?:add|i|install)|bundle(?: install)?|cargo (?:fetch|chef cook)"
    r"|(?:conda|mamba|micromamba) (?:create|install|env (?:create|update))"
    r"|dotnet restore|go mod download|(?:gradle|gradlew) dependencies|mix deps\.get"
    r"|(?:mvn|mvnw) dependency:(?:go-offline|resolve)|npm (?:add|ci|clean-install|i|install)"
    r"|(?:pdm|pipenv) (?:install|sync)|pip (?:download|install)|pnpm (?:add|fetch|i|install)"
    r"|uv (?:sync|pip (?:install|sync))|yarn(?: add| install)?"
)
# Options of these programs that take the next argument as their value.
_WITH_VALUE: Final = re.compile(
    r"--(?:constraint|cwd|dir|directory|filter|find-links|index-url|prefix|project|requirement"
    r"|root|target|workspace)|-[Ccfort]"
)
# Upgrades of all that a system or a program has, if they name nothing.
_UPGRADES: Final = re.compile(
    r"apk upgrade|(?:apt|apt-get) (?:dist-upgrade|full-upgrade|upgrade)|(?:dnf|microdnf|yum)"
    r" (?:update|upgrade)|zypper (?:dist-upgrade|dup|up|update)"
)
# Upgrades of a program by itself, if they name no version.
_OWN_UPGRADES: Final = re.compile(
    r"composer self-?update|gem update|(?:poetry|uv) self update|pnpm self-update|rustup update"
)
# What installs programs by name, and what of a name is its version.
_BY_NAME: Final = re.compile(
    r"(?:npm|pnpm|yarn)(?: global)? (?:add|i|install)|pip install|(?:go|cargo) install"
    r"|(?:prepare|use)"
)
_NEWEST: Final = re.compile(r".+@(?:\*|latest|next|stable)")
_GLOBAL: Final = frozenset(["-g", "--global", "--location=global"])
_UPGRADE: Final = frozenset(["-U", "--upgrade"])
# A path or an archive: the command installs something from the sources.
_LOCAL: Final = re.compile(r"[./~].*|file:.*|.*\.(?:whl|tgz|tar\.gz|deb|rpm|apk)")
# Options with which a command installs nothing, or the project itself.
_NO_INSTALL: Final = frozenset(["--dry-run", "--editable", "--help", "--version", "-e", "-h", "-v"])
# Words before a program's name that run the program.
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
    """Yield the commands of a RUN as words, from its list, its heredocs or its text."""
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
    return filter(None, map(_install, commands(run)))


def newest(run: Instruction) -> Iterator[tuple[str, bool]]:
    """Yield the commands of a RUN that install whatever is the newest, and if that is everything.

    A command that names a version, or a file of the project that may, is none of them.
    """
    for command in commands(run):
        program, arguments = _program(command)
        words = (program, *_without_options(arguments))
        shown = " ".join(words)
        if _UPGRADES.fullmatch(shown):
            yield shown, True
        elif _OWN_UPGRADES.fullmatch(shown) or _takes_newest(words, arguments):
            yield " ".join((program, *arguments)), False


def _takes_newest(words: Sequence[str], arguments: Sequence[str]) -> bool:
    """Return whether a command installs a program by its name alone, or by a tag that moves."""
    length = next(
        (end for end in (1, 2, 3) if _BY_NAME.fullmatch(" ".join(words[:end]))), len(words)
    )
    names = [name for name in words[length:] if not _LOCAL.fullmatch(name)]
    if any(map(_NEWEST.fullmatch, names)):
        return True
    program, options = words[0], {*arguments}
    if program in {"npm", "pnpm"} and _GLOBAL & options:
        return any("@" not in name[1:] for name in names)
    if program == "pip" and _UPGRADE & options:
        return any(re.fullmatch(r"[\w.-]+(?:\[[\w,-]+\])?", name) for name in names)
    return False


def _install(command: Sequence[str]) -> Install | None:
    """Return what a command installs; None if nothing, or the project itself."""
    program, arguments = _program(command)
    words = (program, *_without_options(arguments))
    # `yarn` alone installs, `yarn build` does not: the longest command decides.
    for length in (3, 2):
        shown = " ".join(words[:length])
        if _INSTALLS.fullmatch(shown):
            break
    else:
        return None
    names = words[length:]
    if not _NO_INSTALL.isdisjoint(arguments) or any(map(_LOCAL.fullmatch, names)):
        return None
    return Install(program=program, shown=shown, names_packages=bool(names))


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


def _without_options(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that are neither options nor values of options."""
    rest = iter(arguments)
    for word in rest:
        if _WITH_VALUE.fullmatch(word):
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
    """Yield a command, or the commands in the text that it gives a shell."""
    shell = bool(words) and words[0].rpartition("/")[2] in _SHELLS
    options = [number for number, word in enumerate(words) if word.endswith("c") and word[0] == "-"]
    if shell and options and len(words) > options[0] + 1:
        yield from _of_text(words[options[0] + 1])
    elif words:
        yield tuple(words)
