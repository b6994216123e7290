"""A Dockerfile's text as stages and instructions with their lines.

Lines are joined and heredocs found as in BuildKit's own parser. A file that BuildKit would refuse
is read as far as possible; BuildKit reports the error.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@frozen
class Instruction:
    """One instruction."""

    word: str  # RUN, COPY and so on, in upper case
    flags: tuple[tuple[str, str], ...]
    text: str  # everything after the word and its flags, with continued lines joined
    line: int
    comments: tuple[str, ...] = ()  # above it, without `#`
    heredocs: tuple[str, ...] = ()  # their bodies, in order

    def flag(self, name: str) -> str:
        """Return the value of a flag that is not repeated."""
        return dict(self.flags).get(name, "")

    def words(self) -> tuple[str, ...]:
        """Return the items of the text's JSON list, or its words."""
        return _json_list(self.text) or tuple(self.text.split())

    def __str__(self) -> str:
        return f"{self.word} {' '.join(self.words())}"


@frozen
class Stage:
    """A build stage."""

    number: int  # from 0 on
    name: str  # in lower case, or ""
    start: Instruction  # FROM
    instructions: tuple[Instruction, ...]
    lineage: tuple[int, ...]
    """Numbers of the stages that it is built on, the farthest first, and its own number."""
    uses: tuple[int, ...]  # numbers of the stages that it copies or mounts from


@frozen
class Dockerfile:
    """A whole file."""

    syntax: str  # the frontend that the file names, or "" for the builder's own
    arguments: tuple[Instruction, ...]  # each ARG before the first FROM
    stages: tuple[Stage, ...]


def parse(text: str, given: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile; any other text has no stages.

    `given` are the build arguments. If a variable in FROM has no value, the stage is built on every
    earlier stage that FROM may name.
    """
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    directives = _directives(lines)
    arguments: list[Instruction] = []
    parts: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in _instructions(lines, directives.get("escape", "\\")):
        if instruction.word == "FROM":
            parts.append((instruction, []))
        elif parts:
            parts[-1][1].append(instruction)
        elif instruction.word == "ARG":
            arguments.append(instruction)
    defaults = (pair for argument in arguments for pair in declared(argument))
    values = dict(defaults) | {name: value for name, value in given.items() if value}
    stages: list[Stage] = []
    for start, instructions in parts:
        stages.append(_stage(start, instructions, stages, values))
    return Dockerfile(
        syntax=directives.get("syntax", ""), arguments=tuple(arguments), stages=tuple(stages)
    )


def declared(instruction: Instruction) -> Iterator[tuple[str, str]]:
    """Yield (name, default) of each argument of an ARG; without a default it is ""."""
    for word in _WORD.findall(instruction.text) if instruction.word == "ARG" else ():
        name, _, default = word.partition("=")
        yield name, unquoted(default)


def takes_context(step: Instruction) -> bool:
    """Return whether a COPY or ADD takes files from the context."""
    is_local = step.word in {"ADD", "COPY"} and not step.flag("from")
    return is_local and any(not _FOREIGN.match(source) for source in step.words()[:-1])


def takes_everything(step: Instruction) -> bool:
    """Return whether a COPY or ADD takes all files of the context."""
    is_whole = takes_context(step) and not step.flag("exclude")
    return is_whole and any(map(_EVERYTHING.fullmatch, step.words()[:-1]))


def lineage(file: Dockerfile, stage: Stage) -> tuple[Stage, ...]:
    """Return a stage and the stages that it is built on, the farthest first."""
    return tuple(file.stages[number] for number in stage.lineage)


def built_stage(file: Dockerfile, name: str) -> Stage | None:
    """Return the stage with this name or number; the last one if the name is empty."""
    if name:
        return _named(file.stages, name)
    return file.stages[-1] if file.stages else None


def needed(file: Dockerfile, built: Stage) -> tuple[Stage, ...]:
    """Return the stages that BuildKit runs to build one of them, in the file's order."""
    wanted: set[int] = set()
    waiting = [built.number]
    while waiting:
        number = waiting.pop()
        if number not in wanted:
            wanted.add(number)
            waiting += (*file.stages[number].lineage, *file.stages[number].uses)
    return tuple(stage for stage in file.stages if stage.number in wanted)


def unquoted(word: str) -> str:
    """Return a word of a shell without quotes."""
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)


# Sources outside of the context: a heredoc, a URL.
_FOREIGN: Final = re.compile(r"\d*<<|[a-z]+://|git@")
_EVERYTHING: Final = re.compile(r"(?:\./+|/+)*(?:\.|\*|\./|/)")
_QUOTED: Final = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
# A word, which spaces end unless they are quoted.
_WORD: Final = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\]|['"\\])+""")
_DIRECTIVE: Final = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(.+?)\s*", re.IGNORECASE)
_FLAG: Final = re.compile(r"--([\w-]+)(?:=(.*))?", re.DOTALL)
_HEREDOC: Final = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)
_SPACED: Final = re.compile(r"<<[ \t]+")
_SPACE: Final = re.compile(r"[\t\v\f\r ]+")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")


def _directives(lines: Sequence[str]) -> dict[str, str]:
    """Return the parser's directives, which must be the first lines."""
    directives: dict[str, str] = {}
    for line in lines:
        found = _DIRECTIVE.fullmatch(line.lstrip())
        if found:
            directives[found[1].lower()] = found[2]
        elif not line.startswith("#!"):
            break
    return directives


def _instructions(lines: Sequence[str], escape: str) -> Iterator[Instruction]:
    sign = re.escape(escape[:1])
    continued = re.compile(rf"(?:(?<!{sign}){sign}|^{sign})[ \t]*$")
    comments: list[str] = []
    rest = iter(enumerate(lines, start=1))
    for number, first in rest:
        line = first.lstrip()
        if line.startswith("#"):
            comment = line[1:].strip()
            comments = [*comments, comment] if comment else []
            continue
        parts = [line]
        while found := continued.search(parts[-1]):
            parts[-1] = parts[-1][: found.start()]
            # Comments and empty lines do not end the instruction.
            following = next((text for _, text in rest if text.lstrip()[:1] not in {"", "#"}), None)
            if following is None:
                break
            parts.append(following)
        joined = "".join(parts).strip()
        if joined:
            instruction = _instruction(joined, number, tuple(comments))
            bodies = tuple(_body(opening, rest) for opening in _heredocs(instruction))
            comments = []
            yield replace(instruction, heredocs=bodies)


def _instruction(line: str, number: int, comments: tuple[str, ...]) -> Instruction:
    word, *after = _SPACE.split(line, maxsplit=1)
    rest = after[0] if after else ""
    flags: list[tuple[str, str]] = []
    while found := _WORD.match(rest):
        flag = _FLAG.fullmatch(unquoted(found[0]))
        if not flag:
            break
        flags.append((flag[1].lower(), flag[2] or ""))
        rest = rest[found.end() :].lstrip()
    return Instruction(
        word=word.upper(), flags=tuple(flags), text=rest, line=number, comments=comments
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
        if (line.lstrip("\t") if opening[1] else line) == name:
            break
        body.append(line)
    return "\n".join(body)


def _json_list(text: str) -> tuple[str, ...]:
    """Return the texts of a JSON list, or () for the text of a shell."""
    if not text.startswith("["):
        return ()
    try:
        items = json.loads(text)
    except ValueError:
        return ()
    return tuple(item for item in items if isinstance(item, str))


def _stage(
    start: Instruction,
    instructions: Sequence[Instruction],
    earlier: Sequence[Stage],
    values: Mapping[str, str],
) -> Stage:
    # FROM image AS name
    image, word, name = (*start.words(), "", "", "")[:3]
    bases = _bases(image, earlier, values) if image else []
    sources = (_named(earlier, name) for step in instructions for name in _sources(step))
    return Stage(
        number=len(earlier),
        name=name.lower() if word.upper() == "AS" else "",
        start=start,
        instructions=tuple(instructions),
        lineage=(*sorted({number for base in bases for number in base.lineage}), len(earlier)),
        uses=tuple(stage.number for stage in sources if stage),
    )


def _named(stages: Sequence[Stage], name: str) -> Stage | None:
    """Return the stage with this name or number; the later one of two with one name."""
    if not name:
        return None
    if name.isdecimal():
        return stages[int(name)] if int(name) < len(stages) else None
    return next((stage for stage in reversed(stages) if stage.name == name.lower()), None)


def _bases(base: str, earlier: Sequence[Stage], values: Mapping[str, str]) -> list[Stage]:
    """Return the stages that a FROM names, or may name."""
    pattern = _pattern(base, values)
    named = [stage for stage in earlier if stage.name and pattern.fullmatch(stage.name)]
    # If two have the name, BuildKit takes the later one.
    return named if "$" in base else named[-1:]


def _sources(step: Instruction) -> Iterator[str]:
    """Yield the stages, contexts and images that a step copies or mounts from."""
    yield step.flag("from")
    for mount in mounts(step):
        yield mount.get("from", "")


def mounts(instruction: Instruction) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of each mount of a RUN."""
    for name, value in instruction.flags:
        if name == "mount":
            pairs = (part.partition("=") for part in value.split(","))
            yield {key.strip().lower(): text for key, _, text in pairs}


def _pattern(base: str, values: Mapping[str, str]) -> re.Pattern[str]:
    """Return an expression for the base's name; a variable without a value matches anything."""
    parts, end = [], 0
    for found in _VARIABLE.finditer(base):
        value = _value(found, values)
        parts += [re.escape(base[end : found.start()])]
        parts += [".*" if value is None else re.escape(value)]
        end = found.end()
    return re.compile("".join([*parts, re.escape(base[end:])]), re.IGNORECASE)


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
