"""What a lint rule found, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found, and where; `text` says what it is, what it does, and what to do.

    `file` is relative to the repository's root; `severity` is one of GitLab's words; `about` tells
    a finding from others of its rule in the file, on whatever line it is.
    """

    rule: str
    severity: str
    file: str
    line: int
    text: str
    about: str
