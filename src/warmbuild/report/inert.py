"""Markdown of what others wrote: their text stays text, on GitHub's pages and on GitLab's.

A word is written as it is if it has letters, digits and harmless punctuation alone. All others
become code, in which neither HTML nor links, images, mentions or references are read.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from warmbuild.record.cause import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Characters of a text, and of a line that a step has written.
_LONGEST: Final = 1_000
_LONGEST_LINE: Final = 300
_WORD: Final = re.compile(r'[^\s"]*"[^"]*"\S*|\S+')
# What means nothing to Markdown within a line. A second colon may end the name of an emoji.
_PLAIN: Final = re.compile(r"(?:[^\W_]|[.,;'\"()/+=?…-])*(?::(?:[^\W_]|[.,;'\"()/+=?…-])*)?")
# What becomes a link by itself: an address, a commit, and GitHub's `GH-1`.
_LINKED: Final = re.compile(r"://|www\.|[0-9a-f]{7,}|gh-[0-9]", re.IGNORECASE)
# What begins a list, a rule or a heading where a line begins.
_MARKER: Final = re.compile(r"[-+=]+|[0-9]+[.)]")
# Punctuation behind code, which ends a part of a sentence.
_END: Final = re.compile(r"(?<=[^`])([.,:;]+)`$")
_COLOR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_DIGEST: Final = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
# In a table, a pipe ends the cell unless a backslash is before it, and two of them are none.
_PIPE: Final = re.compile(r"(\\*)\|")


def inline(text: str, longest: int = _LONGEST) -> str:
    """Return a text in one line, with the words as code that might mean something.

    What is in quotation marks counts as one word.
    """
    first, *others = _WORD.findall(_one_line(text, longest)) or [""]
    is_safe = _is_plain(first) and not _MARKER.fullmatch(first)
    words = [(is_safe, first), *((_is_plain(word), word) for word in others)]
    parts = []
    for is_plain, run in groupby(words, key=itemgetter(0)):
        together = " ".join(word for _, word in run)
        parts.append(together if is_plain else _END.sub(r"`\1", code(together)))
    return " ".join(parts)


def around(name: str, text: str) -> str:
    """Return a text in one line, in which a name that it has is code as a whole."""
    line, wanted = _one_line(text, _LONGEST), _one_line(name, _LONGEST)
    if not wanted or wanted not in line:
        return inline(text)
    before, found, after = line.partition(wanted)
    space = " " * after.startswith(" ")
    return f"{inline(before)} {code(found)}{space}{inline(after)}".strip()


def _is_plain(words: str) -> bool:
    return all(map(_PLAIN.fullmatch, words.split(" "))) and not _LINKED.search(words)


def code(text: str, longest: int = _LONGEST) -> str:
    """Return a text as code in one line, or nothing if it is empty."""
    shorter = _one_line(text, longest).replace("`", "'")
    return f"`{shorter}`" if shorter else ""


def codes(texts: Sequence[str], most: int) -> str:
    """Return texts as code, with the number of those that are left out."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(code, texts[:most])) + more


def _one_line(text: str, longest: int) -> str:
    return shown(" ".join(text.split()), longest)


def short(text: str) -> str:
    """Return a text whose digests have 12 digits."""
    return _DIGEST.sub(r"\1", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> str:
    """Return a table of Markdown; the column with the header `right` is aligned there."""
    rules = ("---:" if name == right else "---" for name in header)
    lines = (header, rules, *([_PIPE.sub(_escaped, cell) for cell in row] for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(pipe: re.Match[str]) -> str:
    return f"{pipe[1]} \\|" if pipe[1] else "\\|"


def fence(lines: Iterable[str]) -> str:
    """Return lines that somebody else wrote as a block that none of them ends."""
    cut = [shown(_COLOR.sub("", line).expandtabs().rstrip(), _LONGEST_LINE) for line in lines]
    runs = (len(run) for line in cut for run in re.findall("`+", line))
    bar = "`" * max(3, 1 + max(runs, default=0))
    return "\n".join((f"{bar}text", *cut, bar))


def alert(kind: str, *paragraphs: str) -> str:
    """Return an alert of GitHub, of a kind such as WARNING."""
    return f"> [!{kind}]\n" + "\n>\n".join(f"> {one}" for one in paragraphs)


def folded(title: str, body: str, name: str = "") -> str:
    """Return what is shown on demand; `name` is by others, and comes before the title."""
    before = f"<code>{html.escape(_one_line(name, _LONGEST))}</code> " if name else ""
    return f"<details>\n<summary>{before}{title}</summary>\n\n{body}\n\n</details>"
