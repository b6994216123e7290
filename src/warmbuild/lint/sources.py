"""The parts of a project that the lint rules look at, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OddModes:
    """A file in the context whose mode is not what git stores."""

    path: str
    mode: int
    stored: int
    has_more: bool  # whether other files differ too


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the rules look at; empty if the build context is not on this machine."""

    file: str = ""  # the Dockerfile's path, as findings name it
    text: str = ""  # the Dockerfile's text
    ignore_file: str = ".dockerignore"  # the path of the .dockerignore that applies
    ignore: str | None = None  # the text of the .dockerignore, or None without one
    in_context: frozenset[str] = frozenset()  # ".git" and "Dockerfile", if inside the context
    odd_modes: OddModes | None = None
    pipeline_file: str = ""  # the path of the CI system's file that describes this run
    pipeline: str = ""  # the text of that file
