"""The sentences in the sources: every text of three words or more that warmbuild can print."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCES: Final = Path(__file__).resolve().parents[2] / "src" / "warmbuild"
_WORD: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
# A placeholder of str.format in a plain text.
_PLACEHOLDER: Final = re.compile(r"(?<!\{)\{[a-z_0-9.]*(?::[^{}]*)?\}(?!\})")
_RAW: Final = re.compile(rb"[bBfF]?[rR][\"']")
# Functions that look for their argument and do not say it.
_LOOKS: Final = frozenset(
    {
        *("compile", "endswith", "find", "findall", "fullmatch", "match", "partition"),
        *("removeprefix", "removesuffix", "replace", "rpartition", "search", "split"),
        *("startswith", "sub"),
    }
)
# What stands for a value in an f-string.
_VALUE: Final = "\0"
_FEWEST: Final = 3
# Of a template: what is no text, tags, attributes that are read, and texts in an expression.
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_TAG: Final = re.compile(r"<[^>]*>")
_TOLD: Final = re.compile(r'(?:placeholder|aria-label)="([^"]*)"')
_LITERAL: Final = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A text in the sources."""

    place: str
    """Module and line."""
    text: str
    """The text, with … for each value in it."""
    pieces: tuple[str, ...]
    """The literal pieces of it to look for: the longest one, and all of three words or more."""


def sentences() -> Iterator[Sentence]:
    """Return the sentences of all modules and templates, in their order."""
    for path in sorted(SOURCES.rglob("*.py")):
        yield from of_module(path.read_text(encoding="utf-8"), str(path.relative_to(SOURCES)))
    for path in sorted(SOURCES.rglob("*.html")):
        yield from of_template(path.read_text(encoding="utf-8"), str(path.relative_to(SOURCES)))


def of_module(source: str, name: str) -> Iterator[Sentence]:
    """Return the sentences of a module: its texts but for docstrings, regexes and keys."""
    tree, lines = ast.parse(source), source.encode().splitlines()
    left_out = set(_left_out(tree))
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        text = _text(node, lines)
        if " " not in text.strip() or len(_WORD.findall(text)) < _FEWEST:
            continue
        pieces = [spaced(piece) for piece in text.split(_VALUE)]
        wanted = {max(pieces, key=len), *(one for one in pieces if _is_long(one))}
        yield Sentence(
            place=f"{name}:{node.lineno}",  # type: ignore[attr-defined]  # an expression has one
            text=spaced(text.replace(_VALUE, "…")),
            pieces=tuple(sorted(wanted)),
        )


def of_template(source: str, name: str) -> Iterator[Sentence]:
    """Return the sentences of a template: texts between tags, of attributes, and in expressions."""
    for number, line in enumerate(source.splitlines(), 1):
        told = [text for part in _EXPRESSION.findall(line) for text in _LITERAL.findall(part)]
        plain = _EXPRESSION.sub(_VALUE, line)
        told += [*_TAG.split(plain), *_TOLD.findall(plain)]
        for text in told:
            pieces = [spaced(piece) for piece in text.split(_VALUE)]
            if any(map(_is_long, pieces)):
                yield Sentence(
                    place=f"{name}:{number}",
                    text=spaced(text.replace(_VALUE, "…")),
                    pieces=tuple(filter(_is_long, pieces)),
                )


def spaced(text: str) -> str:
    """Return a text with a space wherever it has any white space."""
    return " ".join(text.split())


def _is_long(piece: str) -> bool:
    return len(_WORD.findall(piece)) >= _FEWEST


def _text(node: ast.AST, lines: Sequence[bytes]) -> str:
    match node:
        case ast.Constant(value=str(value)) if not _is_raw(node, lines):
            return _PLACEHOLDER.sub(_VALUE, value)
        case ast.JoinedStr(values=values):
            literals = (getattr(part, "value", None) for part in values)
            return "".join(part if isinstance(part, str) else _VALUE for part in literals)
        case _:
            return ""


def _is_raw(node: ast.expr, lines: Sequence[bytes]) -> bool:
    """Say whether a text is written as a raw one, which is a regular expression here."""
    return bool(_RAW.match(lines[node.lineno - 1], node.col_offset))


def _left_out(tree: ast.AST) -> Iterator[int]:
    """Return the nodes that are no texts for a user, by identity."""
    for node in ast.walk(tree):
        match node:
            # Docstrings, of fields as well.
            case ast.Expr(value=ast.Constant() as text):
                yield id(text)
            case ast.Compare(left=left, comparators=others):
                for part in (left, *others):
                    yield from map(id, ast.walk(part))
            case ast.Call(func=ast.Attribute(attr=name), args=arguments) if name in _LOOKS:
                yield from map(id, arguments)
            case ast.Dict(keys=keys):
                yield from map(id, keys)
            case ast.Subscript(slice=key):
                yield id(key)
            # Its parts are no texts of their own.
            case ast.JoinedStr(values=values):
                yield from map(id, values)
            case _:
                pass
