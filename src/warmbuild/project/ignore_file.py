"""What a .dockerignore excludes from a build's context.

BuildKit's client reads the patterns in the same way: Go's `filepath.Match`, `**`, and `!` for
exceptions; the last pattern that matches decides.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SET: Final = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]", re.DOTALL)
_PART: Final = re.compile(r"\*\*/?|\\?.", re.DOTALL)
_IN_SET: Final = re.compile(r"\\?.", re.DOTALL)
# Each is compared with each character of the paths; one more has no characters.
_MOST_SETS: Final = 100
# Such as `**.py`: every path with this end.
_SUFFIX: Final = re.compile(r"\*\*[^/*?\[\\][^*?\[\\]*")


def patterns(text: str) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore; an exception begins with `!`."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = "" if line.startswith("#") else line.strip()
        sign = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            cleaned = posixpath.normpath(pattern)
            found.append(sign + (cleaned.lstrip("/") or cleaned))
    return tuple(found)


def excludes_by_default(found: Sequence[str]) -> bool:
    """Return whether only exceptions (`!`) are in the context."""
    return any(pattern in {"*", "**", "**/*"} for pattern in found)


def matcher(found: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that returns whether a path below the context is excluded."""
    automaton = _Automaton([pattern.removeprefix("!") for pattern in found])

    def is_excluded(path: str) -> bool:
        last = automaton.last_match(path)
        return last is not None and not found[last].startswith("!")

    return is_excluded


class _Automaton:
    """All patterns as one nondeterministic automaton, whose states are the bits of an integer.

    Each character of a path is one step, so no pattern can make a path take long. A pattern is a
    row of states. Each of them leads to the next one, by certain characters or freely; some may
    read characters and stay. The last state of a row is the end of its pattern.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        # The places of states by the parts that they stand for.
        self._places: dict[str, list[int]] = defaultdict(list)
        self._sets: list[tuple[int, Callable[[str], bool]]] = []
        self._of_end: dict[int, int] = {}  # the pattern by the place of its end
        begins, place = [], 0
        for number, pattern in enumerate(patterns):
            try:
                parts = _parts(pattern)
            except ValueError:
                # BuildKit reports such a pattern and stops.
                continue
            begins.append(place)
            for part in parts:
                if isinstance(part, str):
                    self._places[part].append(place)
                else:
                    self._sets.append((place, part))
                place += 1
                if part == "**/":
                    # Stays until a slash.
                    self._places["inside"].append(place)
                    place += 1
            self._of_end[place] = number
            place += 1
        self._ends = _bits(self._of_end)
        self._staying = self._bits_of("**", "inside")
        # These also go on freely, and the last ones may skip the next state.
        self._free = self._bits_of("*", "**", "**/")
        self._skipping = self._bits_of("**/")
        # The states that a character leads on from, and those that it stays in.
        self._steps: dict[str, tuple[int, int]] = {}
        self._begins = self._freed(_bits(begins))
        # The directory of the last path, which the next one is often in too.
        self._directory, self._inside = "", (self._begins, 0)

    def _bits_of(self, *parts: str) -> int:
        return _bits(place for part in parts for place in self._places.get(part, ()))

    def last_match(self, path: str) -> int | None:
        """Return the last pattern that matches a path or a directory above it."""
        directory, slash, name = path.rpartition("/")
        if directory + slash != self._directory:
            self._inside = self._read(directory + slash, (self._begins, 0))
            self._directory = directory + slash
        states, ended = self._read(name, self._inside)
        return self._of_end.get((ended | states & self._ends).bit_length() - 1)

    def _read(self, text: str, at: tuple[int, int]) -> tuple[int, int]:
        """Return the states after a text, and the ends that were reached in front of a slash."""
        states, ended = at
        for character in text:
            if character == "/":
                ended |= states & self._ends
            going, staying = self._steps.get(character) or self._step(character)
            states = self._freed((states & going) << 1 | states & staying)
        return states, ended

    def _step(self, character: str) -> tuple[int, int]:
        """Return the states that go on by a character, and those that stay."""
        at_slash = character == "/"
        going = self._bits_of(f"\\{character}", "inside" if at_slash else "?")
        going |= _bits(place for place, has in self._sets[:_MOST_SETS] if has(character))
        staying = self._staying | (0 if at_slash else self._bits_of("*"))
        self._steps[character] = going, staying
        return going, staying

    def _freed(self, states: int) -> int:
        """Return states with those that they lead to freely."""
        while free := states & self._free:
            more = states | free << 1 | (free & self._skipping) << 2
            if more == states:
                break
            states = more
        return states


def _bits(places: Iterable[int]) -> int:
    """Return the number with these bits."""
    found = bytearray()
    for place in places:
        byte, bit = divmod(place, 8)
        found += bytes(max(0, byte + 1 - len(found)))
        found[byte] |= 1 << bit
    return int.from_bytes(found, "little")


def _parts(pattern: str) -> list[str | Callable[[str], bool]]:
    """Return a pattern's wildcards, sets, and characters with a backslash in front of each.

    `**` is anything, `**/` a directory with those above it, or nothing. Raises ValueError for a set
    that Go refuses.
    """
    if _SUFFIX.fullmatch(pattern):
        return ["**", *(f"\\{character}" for character in pattern[2:])]
    parts: list[str | Callable[[str], bool]] = []
    at, has_sets = 0, True
    while at < len(pattern):
        if has_sets and pattern[at] == "[":
            if found := _SET.match(pattern, at):
                parts.append(_set(found[2], is_negated=bool(found[1])))
                at = found.end()
                continue
            # If this set has no end, none after it has one.
            has_sets = False
        part = _PART.findall(pattern[at : at + 3])[0]
        at += len(part)
        if part in {"*", "?"}:
            parts.append(part)
        elif not part.startswith("**"):
            parts.append(f"\\{part[-1]}")
        elif at == len(pattern):
            parts.append("**")
        elif parts[-1:] != ["**/"]:
            parts.append("**/")
    return parts


def _set(text: str, *, is_negated: bool) -> Callable[[str], bool]:
    """Return whether a character is in a set; raises ValueError for a range from high to low."""
    members = deque(_IN_SET.findall(text))
    ranges = []
    while members:
        low = high = members.popleft()[-1]
        if len(members) > 1 and members[0] == "-":
            members.popleft()
            high = members.popleft()[-1]
        if low > high:
            raise ValueError(f"the range {low}-{high} is empty")
        ranges.append((low, high))
    return lambda character: any(low <= character <= high for low, high in ranges) != is_negated
