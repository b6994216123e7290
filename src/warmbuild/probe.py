"""What a registry can answer when it is asked for a cache ref."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A cache is there; `digest` is its manifest's."""

    digest: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing is there, as before a branch's first build."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The registry answered and said no."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotACache:
    """Something is there that BuildKit did not write as a cache."""

    reason: str


@dataclass(frozen=True, slots=True)
class Silent:
    """The registry cannot be reached, or does not answer in time."""

    reason: str


Answer = Found | Missing | Refused | NotACache | Silent
