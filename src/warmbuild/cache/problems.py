"""Problem: what a user would want to fix in a plan or its outcome, and what was lost by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(Enum):
    """What a problem cost."""

    ADVICE = auto()
    """Nothing that a cache holds or would hold."""
    READ = auto()
    """A cache that could not be read."""
    WRITE = auto()
    """A cache that could not be written."""
    HISTORY = auto()
    """An older generation of a cache that could not be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem, as one warning."""

    kind: Kind
    text: str
    """What happened and, if anything helps, what to do."""
    cause: str = ""
    """What BuildKit or the registry said, if `text` says more than that."""


def texts(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the warnings, each once."""
    return tuple(dict.fromkeys(problem.text for problem in problems))


def losses(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the warnings that `cache-strict` fails for, each once."""
    return texts(problem for problem in problems if problem.kind is not Kind.ADVICE)


def write_error(problems: Iterable[Problem]) -> str:
    """Return why a cache was not written, as the output `cache-write-error` has it."""
    causes = (one.cause or one.text for one in problems if one.kind is Kind.WRITE)
    return "; ".join(dict.fromkeys(causes))
