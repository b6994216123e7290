"""What of a project the lint rules look at, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OddModes:
    """A file in the context whose mode is not what git stores; `has_more`: there are others."""

    path: str
    mode: int
    stored: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What of a project the rules look at; empty where a build's context is not here.

    `ignore` is the .dockerignore that counts, None where there is none. `in_context` are those of
    `.git`, a directory, and the Dockerfile itself that lie in the context. `pipeline` is the file
    of the CI system that this run comes from.
    """

    file: str = ""
    text: str = ""
    ignore_file: str = ".dockerignore"
    ignore: str | None = None
    in_context: frozenset[str] = frozenset()
    odd_modes: OddModes | None = None
    pipeline_file: str = ""
    pipeline: str = ""
