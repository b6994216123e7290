"""A Dockerfile's text as stages and instructions with their lines.

Lines are joined and heredocs found as BuildKit's own parser does it. What BuildKit would refuse is
read as far as it goes, for it says so itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction."""

    word: str
    """RUN, COPY and so on, in upper case."""
    flags: tuple[tuple[str, str], ...]
    text: str
    """What follows the word and its flags, continued lines joined."""
    line: int
    comments: tuple[str, ...] = ()
    """The comments above it, without their `#`."""
    heredocs: tuple[str, ...] = ()
    """The bodies of its heredocs, in order."""

    def flag(self, name: str) -> str:
        """Return the value of a flag that may be given once."""
        return dict(self.flags).get(name, "")

    def words(self) -> tuple[str, ...]:
        """Return the parts of the text: of its JSON list, or between spaces."""
        return _json_list(self.text) or tuple(self.text.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A build stage."""

    number: int
    """Its place among the stages, from 0 on."""
    name: str
    """In lower case; empty if it has none."""
    start: Instruction
    """Its FROM."""
    instructions: tuple[Instruction, ...]
    lineage: tuple[int, ...]
    """Numbers of the stages that it is built on, the farthest first, and its own."""
    uses: tuple[int, ...]
    """Numbers of the stages that it copies or mounts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A whole file."""

    syntax: str
    """The frontend that the file names; empty for the builder's own."""
    arguments: tuple[Instruction, ...]
    """Each ARG before the first FROM."""
    stages: tuple[Stage, ...]


def parse(text: str, given: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile; a text that is none has no stages.

    `given` are the build arguments. Where FROM holds a variable that has no value yet, a stage is
    built on every earlier one that it may mean.
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
    """Yield (name, default) of an ARG; the default is empty where there is none."""
    for word in _WORD.findall(instruction.text):
        name, _, default = word.partition("=")
        yield name, unquoted(default)


def lineage(file: Dockerfile, stage: Stage) -> tuple[Stage, ...]:
    """Return the stages whose steps make up a stage, the farthest base first."""
    return tuple(file.stages[number] for number in stage.lineage)


def target(file: Dockerfile, name: str) -> Stage | None:
    """Return the stage that is built: the last one, or that of a name or a number."""
    if name:
        return _named(file.stages, name)
    return file.stages[-1] if file.stages else None


def needed(file: Dockerfile, built: Stage) -> tuple[Stage, ...]:
    """Return the stages that BuildKit runs to make one of them, in the file's order."""
    wanted: set[int] = set()
    waiting = [built.number]
    while waiting:
        number = waiting.pop()
        if number not in wanted:
            wanted.add(number)
            waiting += (*file.stages[number].lineage, *file.stages[number].uses)
    return tuple(stage for stage in file.stages if stage.number in wanted)


def unquoted(word: str) -> str:
    """Return a word of a shell without its quotes."""
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)


_QUOTED: Final = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
# A part of a line that spaces end, but not those in quotes.
_WORD: Final = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\]|['"\\])+""")
_DIRECTIVE: Final = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(.+?)\s*", re.IGNORECASE)
_FLAG: Final = re.compile(r"--([\w-]+)(?:=(.*))?", re.DOTALL)
_HEREDOC: Final = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)
_SPACED: Final = re.compile(r"<<[ \t]+")
_SPACE: Final = re.compile(r"[\t\v\f\r ]+")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")


def _directives(lines: Sequence[str]) -> dict[str, str]:
    """Return the parser's directives, which are the first lines and nothing else."""
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
            following = next((text for _, text in rest if _continues(text)), None)
            if following is None:
                break
            parts.append(following)
        joined = "".join(parts).strip()
        if joined:
            instruction = _instruction(joined, number, tuple(comments))
            bodies = tuple(_body(opening, rest) for opening in _heredocs(instruction))
            comments = []
            yield replace(instruction, heredocs=bodies)


def _continues(line: str) -> bool:
    """Say whether a line goes on with the one before: neither comment nor empty."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


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
    """Take a heredoc's lines from the rest of the file."""
    name, body = unquoted(opening[2]), []
    for _, line in rest:
        if (line.lstrip("\t") if opening[1] else line) == name:
            break
        body.append(line)
    return "\n".join(body)


def _json_list(text: str) -> tuple[str, ...]:
    """Return the texts of a JSON list; nothing where it is none, for that is a shell's text."""
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
    words = start.words()
    named = len(words) > _AS and words[_AS - 1].upper() == "AS"
    bases = _bases(words[0], earlier, values) if words else ()
    sources = (_named(earlier, name) for step in instructions for name in _sources(step))
    return Stage(
        number=len(earlier),
        name=words[_AS].lower() if named else "",
        start=start,
        instructions=tuple(instructions),
        lineage=(*sorted({number for base in bases for number in base.lineage}), len(earlier)),
        uses=tuple(stage.number for stage in sources if stage),
    )


# Where the name stands in `FROM image AS name`.
_AS: Final = 2


def _named(stages: Sequence[Stage], name: str) -> Stage | None:
    """Return the stage of a name or a number; of two with one name the later."""
    if not name:
        return None
    if name.isdecimal():
        return stages[int(name)] if int(name) < len(stages) else None
    return next((stage for stage in reversed(stages) if stage.name == name.lower()), None)


def _bases(base: str, earlier: Sequence[Stage], values: Mapping[str, str]) -> Iterator[Stage]:
    """Yield the stages that a FROM names, or may name."""
    pattern = _pattern(base, values)
    named = [stage for stage in earlier if stage.name and pattern.fullmatch(stage.name)]
    # Of two with one name it is the later.
    yield from named if "$" in base else named[-1:]


def _sources(step: Instruction) -> Iterator[str]:
    """Yield what a step copies or mounts from: stages, contexts and images alike."""
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
    """Return what a base's name may be, once its variables have values."""
    parts, end = [], 0
    for found in _VARIABLE.finditer(base):
        value = _value(found, values)
        parts += [re.escape(base[end : found.start()])]
        parts += [".*" if value is None else re.escape(value)]
        end = found.end()
    return re.compile("".join([*parts, re.escape(base[end:])]), re.IGNORECASE)


def _value(found: re.Match[str], values: Mapping[str, str]) -> str | None:
    """Return what stands for a variable in FROM; None where only BuildKit knows."""
    value = values.get(found[1] or found[4])
    match found[2]:
        case "-":
            return value or found[3]
        case "+":
            return found[3] if value else ""
        case _:
            return value or None
