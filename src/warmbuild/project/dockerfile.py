"""A Dockerfile's text as stages and instructions with their lines.

Lines are joined and heredocs found as in BuildKit's own parser. A file that BuildKit would refuse
is read as far as possible; BuildKit reports the error.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json, whole_numbers
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import csv
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
else:
    csv = lazy.module("csv")

# Of a file; those that people write have a tenth of both. What looks at the file compares
# instructions with each other, and stages with the stages that they are built on.
MOST_INSTRUCTIONS: Final = 2_000
MOST_STAGES: Final = 200


@frozen
class Instruction:
    """One instruction."""

    word: str  # RUN, COPY and so on, in upper case
    flags: tuple[tuple[str, str], ...]
    text: str  # everything after the word and its flags, with continued lines joined
    line: int
    comments: tuple[str, ...] = ()  # above it, without `#`
    heredocs: tuple[str, ...] = ()  # their bodies with the ends of their lines, in order

    def flag(self, name: str) -> str:
        """Return the value of a flag that is not repeated."""
        return dict(self.flags).get(name, "")

    def items(self) -> tuple[str, ...]:
        """Return the items of the text's JSON list; nothing if it is not one."""
        return _json_list(self.text)

    def words(self) -> tuple[str, ...]:
        """Return the items of the text's JSON list, or its words."""
        return self.items() or tuple(self.text.split())

    def __str__(self) -> str:
        return f"{self.word} {' '.join(self.words())}"


@frozen
class Stage:
    """A build stage."""

    number: int  # from 0 on
    name: str  # in lower case, or ""
    start: Instruction  # FROM
    instructions: tuple[Instruction, ...]
    bases: tuple[int, ...]  # numbers of the stages that FROM names, or may name
    uses: tuple[int, ...]  # numbers of the stages that it copies or mounts from


@frozen
class Dockerfile:
    """A whole file."""

    syntax: str  # the frontend that the file names, or "" for the builder's own
    arguments: tuple[Instruction, ...]  # each ARG before the first FROM
    stages: tuple[Stage, ...]


def parse(text: str, given: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile; any other text, and a file with too many instructions, has no stages.

    `given` are the build arguments. If a variable in FROM has no value, the stage is built on every
    earlier stage that FROM may name.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    directives = _directives(lines)
    arguments: list[Instruction] = []
    parts: list[tuple[Instruction, list[Instruction]]] = []
    found = _instructions(lines, directives.get("escape", "\\"))
    for number, instruction in enumerate(found, start=1):
        if number > MOST_INSTRUCTIONS or len(parts) > MOST_STAGES:
            return Dockerfile(syntax=directives.get("syntax", ""), arguments=(), stages=())
        if instruction.word == "FROM":
            parts.append((instruction, []))
        elif parts:
            parts[-1][1].append(instruction)
        elif instruction.word == "ARG":
            arguments.append(instruction)
    defaults = (pair for argument in arguments for pair in declared(argument))
    values = dict(defaults) | {name: value for name, value in given.items() if value}
    stages: list[Stage] = []
    names: dict[str, int] = {}
    for start, instructions in parts:
        stage = _stage(start, instructions, names, len(stages), values)
        stages.append(stage)
        # If two have the name, BuildKit takes the later one.
        names |= {stage.name: stage.number} if stage.name else {}
    return Dockerfile(
        syntax=directives.get("syntax", ""), arguments=tuple(arguments), stages=tuple(stages)
    )


def directives(text: str) -> Mapping[str, str]:
    """Return the parser's directives, which must be the first lines."""
    lines = text.removeprefix("\ufeff").split("\n")
    return _directives([line.removesuffix("\r") for line in lines])


def declared(instruction: Instruction) -> Iterator[tuple[str, str]]:
    """Yield (name, default) of each argument of an ARG; without a default it is ""."""
    if instruction.word == "ARG":
        for name, value in assignments(instruction):
            yield name, unquoted(value or "")


def assignments(instruction: Instruction) -> Iterator[tuple[str, str | None]]:
    """Yield (name, value) of each variable of an ARG or ENV; None is an ARG without a default.

    Values have their quotes and variables, as they are written.
    """
    words = _WORD.findall(instruction.text)
    if instruction.word == "ENV" and words and "=" not in words[0]:
        # ENV NAME and its value, with the spaces in it.
        name, *rest = instruction.text.split(maxsplit=1)
        yield name, rest[0] if rest else ""
        return
    for word in words:
        name, equals, value = word.partition("=")
        yield name, value if equals else None


def is_own_syntax(syntax: str) -> bool:
    """Return whether a frontend reads Dockerfiles; any other one may have its own language."""
    return bool(_SYNTAX.fullmatch(syntax))


def takes_context(step: Instruction) -> bool:
    """Return whether a COPY or ADD takes files from the context."""
    is_local = step.word in {"ADD", "COPY"} and not step.flag("from")
    return is_local and any(not _FOREIGN.match(source) for source in step.words()[:-1])


def takes_everything(step: Instruction) -> bool:
    """Return whether a COPY or ADD takes all files of the context."""
    is_whole = takes_context(step) and not step.flag("exclude")
    return is_whole and any(map(_EVERYTHING.fullmatch, step.words()[:-1]))


def mounts_everything(step: Instruction, contexts: Container[str]) -> bool:
    """Return whether a RUN mounts all files of the context.

    `contexts` are names of build contexts that are the same directory.
    """
    return any(
        mount.get("type", "bind") == "bind"
        and (not mount.get("from") or mount["from"].lower() in contexts)
        and _EVERYTHING.fullmatch(mount.get("source") or mount.get("src") or ".")
        for mount in mounts(step)
    )


def progress_text(step: Instruction) -> str:
    """Return a step as BuildKit shows it, but for spaces and variables."""
    flags = [f"--{name}={value}" if value else f"--{name}" for name, value in step.flags]
    return " ".join((step.word, *flags, *step.text.split()))


def lineage(file: Dockerfile, stage: Stage) -> tuple[Stage, ...]:
    """Return a stage and the stages that it is built on, the farthest first."""
    return _reached(file, stage, lambda one: one.bases)


def built_stage(file: Dockerfile, name: str) -> Stage | None:
    """Return the stage with this name or number; the last one if the name is empty."""
    if not name:
        return file.stages[-1] if file.stages else None
    names = {stage.name: stage.number for stage in file.stages if stage.name}
    number = _named(name, names, len(file.stages))
    return None if number is None else file.stages[number]


def needed(file: Dockerfile, built: Stage) -> tuple[Stage, ...]:
    """Return the stages that BuildKit runs to build one of them, in the file's order."""
    return _reached(file, built, lambda one: (*one.bases, *one.uses))


def _reached(
    file: Dockerfile, start: Stage, following: Callable[[Stage], Sequence[int]]
) -> tuple[Stage, ...]:
    """Return a stage and those that follow from it, in the file's order."""
    reached: set[int] = set()
    waiting = [start.number]
    while waiting:
        number = waiting.pop()
        if number not in reached:
            reached.add(number)
            waiting += following(file.stages[number])
    return tuple(file.stages[number] for number in sorted(reached))


def unquoted(word: str) -> str:
    """Return a word of a shell without quotes."""
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)


_SYNTAX: Final = re.compile(r"(?:|(?:.*/)?dockerfile(?:-upstream)?(?:[:@].*|\s.*)?)", re.DOTALL)
# Sources outside of the context: a heredoc, a URL.
_FOREIGN: Final = re.compile(r"\d*<<|[a-z]+://|git@")
_EVERYTHING: Final = re.compile(r"(?:\.?/)*(?:\.|\*|\./|/)")
_QUOTED: Final = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
# A word, which spaces end unless they are quoted.
_WORD: Final = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\]|['"\\])+""")
_DIRECTIVE: Final = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(\S.*)", re.IGNORECASE)
_FLAG: Final = re.compile(r"--([\w-]+)(?:=(.*))?", re.DOTALL)
_HEREDOC: Final = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)
_SPACED: Final = re.compile(r"<<[ \t]+")
_SPACE: Final = re.compile(r"[\t\v\f\r ]+")
# Characters of a FROM, and of a variable's value in it; a stage's name has less.
_LONGEST: Final = 1_000
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")


def _directives(lines: Sequence[str]) -> dict[str, str]:
    """Return the parser's directives, which must be the first lines."""
    directives: dict[str, str] = {}
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.strip())
        if found:
            directives[found[1].lower()] = found[2].rstrip()
        elif not line.startswith("#!"):
            break
    return directives


def _instructions(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    sign = re.escape(escape[:1])
    continued = re.compile(rf"(?:(?<!{sign}){sign}|^{sign})[ \t]*$")
    comments: list[str] = []
    rest = iter(enumerate(lines, start=1))
    for number, first in rest:
        line = first.lstrip().removesuffix("\r")
        if line.startswith("#"):
            comment = line[1:].strip()
            if comment:
                comments.append(comment)
            else:
                comments = []
            continue
        parts = [line]
        while found := continued.search(parts[-1]):
            parts[-1] = parts[-1][: found.start()]
            # Comments and empty lines do not end the instruction.
            following = next((text for _, text in rest if text.lstrip()[:1] not in {"", "#"}), None)
            if following is None:
                break
            parts.append(following.removesuffix("\r"))
        joined = "".join(parts).strip()
        if joined:
            instruction = _instruction(joined, number, tuple(comments))
            bodies = tuple(_body(opening, rest) for opening in _heredocs(instruction))
            comments = []
            yield replace(instruction, heredocs=bodies)


def _instruction(line: str, number: int, comments: tuple[str, ...]) -> Instruction:
    word, *after = _SPACE.split(line, maxsplit=1)
    rest, at = after[0] if after else "", 0
    flags: list[tuple[str, str]] = []
    while found := _WORD.match(rest, at):
        flag = _FLAG.fullmatch(unquoted(found[0]))
        if not flag:
            break
        flags.append((flag[1].lower(), flag[2] or ""))
        at = found.end()
        while rest[at : at + 1].isspace():
            at += 1
    return Instruction(
        word=word.upper(), flags=tuple(flags), text=rest[at:], line=number, comments=comments
    )


def _heredocs(instruction: Instruction) -> Iterator[re.Match[str]]:
    """Yield the openings of heredocs, in the order in which their bodies follow."""
    text, word = instruction.text, instruction.word
    if word == "ONBUILD":
        word = text.split(maxsplit=1)[0].upper() if text else ""
    if word in {"ADD", "COPY", "RUN"} and "<<" in text and not _json_list(text):
        for found in _WORD.findall(_SPACED.sub("<<", text)):
            if opening := _HEREDOC.fullmatch(found):
                yield opening


def _body(opening: re.Match[str], rest: Iterator[tuple[int, str]]) -> str:
    """Consume a heredoc's lines."""
    name, body = unquoted(opening[2]), []
    for _, line in rest:
        end = line.removesuffix("\r")
        if (end.lstrip("\t") if opening[1] else end) == name:
            break
        body.append(line)
    return "\n".join(body)


def _json_list(text: str) -> tuple[str, ...]:
    """Return the texts of a JSON list, or () for the text of a shell."""
    if not text.startswith("["):
        return ()
    try:
        items = untrusted_json.anything(text)
    except ValueError:
        return ()
    return tuple(item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def _stage(
    start: Instruction,
    instructions: Sequence[Instruction],
    names: Mapping[str, int],
    number: int,
    values: Mapping[str, str],
) -> Stage:
    # FROM image AS name
    image, word, name = (*start.words(), "", "", "")[:3]
    numbers = (_named(text, names, number) for step in instructions for text in sources(step))
    return Stage(
        number=number,
        name=name.lower() if word.upper() == "AS" else "",
        start=start,
        instructions=tuple(instructions),
        bases=tuple(_bases(image, names, values)),
        uses=tuple(used for used in numbers if used is not None),
    )


def _named(name: str, names: Mapping[str, int], count: int) -> int | None:
    """Return the number of the stage, of `count`, with this name or number."""
    if (number := whole_numbers.read(name)) is not None:
        return number if number < count else None
    return names.get(name.lower())


def _bases(base: str, names: Mapping[str, int], values: Mapping[str, str]) -> Iterator[int]:
    """Yield the stages that a FROM names, or may name."""
    parts = _known(base, values) if len(base) <= _LONGEST else [""]
    if len(parts) > 1:
        yield from (number for name, number in names.items() if _has(name, parts))
    elif parts[0] in names:
        yield names[parts[0]]


def sources(step: Instruction) -> Iterator[str]:
    """Yield the stages, contexts and images that a step copies or mounts from; some are empty."""
    yield step.flag("from")
    for mount in mounts(step):
        yield mount.get("from", "")


def stage_named(file: Dockerfile, stage: Stage, name: str) -> Stage | None:
    """Return the stage that a step of a stage copies from by this name or number, if it is one."""
    earlier = file.stages[: stage.number]
    number = _named(name, {one.name: one.number for one in earlier if one.name}, len(earlier))
    return None if number is None else earlier[number]


def mounts(instruction: Instruction) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of each mount of a RUN."""
    for name, value in instruction.flags:
        if name == "mount":
            pairs = (part.partition("=") for part in _fields(value))
            yield {key.strip().lower(): text for key, _, text in pairs}


def _fields(value: str) -> Sequence[str]:
    """Return the fields of a line of CSV; none if BuildKit refuses it."""
    if '"' not in value:
        return value.split(",")
    try:
        return next(csv.reader([value], strict=True), [])
    except csv.Error:
        return []


def _known(base: str, values: Mapping[str, str]) -> Sequence[str]:
    """Return what is known of a base's name: the texts around variables without a value."""
    parts, end = [""], 0
    for found in _VARIABLE.finditer(base):
        parts[-1] += base[end : found.start()]
        value = _value(found, values)
        if value is None:
            parts.append("")
        else:
            parts[-1] += value[:_LONGEST]
        end = found.end()
    parts[-1] += base[end:]
    return [part.lower() for part in parts]


def _has(name: str, parts: Sequence[str]) -> bool:
    """Return whether a name has these parts in their order, the first and the last at its ends."""
    first, *middle, last = parts
    at = len(first) if name.startswith(first) else -1
    for part in middle:
        found = name.find(part, at) if at >= 0 else -1
        at = found + len(part) if found >= 0 else -1
    return 0 <= at <= len(name) - len(last) and name.endswith(last)


def _value(found: re.Match[str], values: Mapping[str, str]) -> str | None:
    """Return the value of a variable in FROM; None if only BuildKit knows it."""
    value = values.get(found[1] or found[4])
    match found[2]:
        case "-":
            return value or found[3]
        case "+":
            return found[3] if value else ""
        case _:
            return value or None
