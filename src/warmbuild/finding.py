"""Finding: what a lint rule found, and where."""

from __future__ import annotations

from warmbuild.frozen import frozen


@frozen
class Finding:
    """One finding of one rule."""

    rule: str  # The name of the rule
    severity: str  # One of the words of GitLab's code quality report
    file: str  # A path from the repository's root
    line: int
    text: str  # What is wrong, what it causes, and what to do
    again: tuple[str, ...] = ()  # The steps that run again because of it, as BuildKit shows them
    about: str  # What identifies it among the findings of its rule in the file
