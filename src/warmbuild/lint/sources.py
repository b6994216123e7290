"""What of a project the lint rules look at, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OddModes:
    """A file in the context whose mode is not what git stores."""

    path: str
    mode: int
    stored: int
    has_more: bool
    """Whether there are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the rules look at; empty if the build context is not on this machine."""

    file: str = ""
    """The Dockerfile's path, as findings name it."""
    text: str = ""
    """The Dockerfile's text."""
    ignore_file: str = ".dockerignore"
    """The path of the .dockerignore that applies."""
    ignore: str | None = None
    """The text of the .dockerignore; None if there is none."""
    in_context: frozenset[str] = frozenset()
    """Those of ".git" (a directory) and "Dockerfile" that lie in the context."""
    odd_modes: OddModes | None = None
    pipeline_file: str = ""
    """The path of the CI system's file that describes this run."""
    pipeline: str = ""
    """The text of that file."""
