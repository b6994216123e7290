"""Problem: what a user would want to fix in a plan or its outcome, and what it cost."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(Enum):
    """What a problem cost."""

    ADVICE = auto()  # Nothing that a cache holds or would hold
    READ = auto()  # A cache could not be read
    WRITE = auto()  # A cache could not be written
    HISTORY = auto()  # An older generation of a cache could not be kept


@frozen
class Problem:
    """One problem, shown as one warning."""

    kind: Kind
    text: str  # What happened and, if anything helps, what to do
    cause: str = ""  # What BuildKit or the registry said, if `text` says more than that


def advice(texts: Iterable[str]) -> tuple[Problem, ...]:
    """Return problems that cost no cache anything."""
    return tuple(Problem(kind=Kind.ADVICE, text=text) for text in texts)


def texts(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the warnings, each once."""
    return tuple(dict.fromkeys(problem.text for problem in problems))


def losses(problems: Iterable[Problem]) -> tuple[str, ...]:
    """Return the warnings that fail a run if `cache-strict` is on, each once."""
    return texts(problem for problem in problems if problem.kind is not Kind.ADVICE)


def write_error(problems: Iterable[Problem]) -> str:
    """Return why caches were not written: the output `cache-write-error`."""
    causes = (problem.cause or problem.text for problem in problems if problem.kind is Kind.WRITE)
    return "; ".join(dict.fromkeys(causes))
