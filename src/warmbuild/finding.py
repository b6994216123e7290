"""What a lint rule found, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found, and where."""

    rule: str
    """The name of the rule."""
    severity: str
    """One of the words of GitLab's code quality report."""
    file: str
    """A path from the repository's root."""
    line: int
    text: str
    """What it is, what it does, and what to do."""
    about: str
    """What tells it from other findings of its rule in the file, on any line."""
