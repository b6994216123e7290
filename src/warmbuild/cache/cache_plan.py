"""CachePlan: what a build reads and writes of caches, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warmbuild.backends import BACKENDS, Backend
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from datetime import timedelta

    from warmbuild.cache.probe import Found
    from warmbuild.cache.problems import Problem
    from warmbuild.vendors.base import Vendor

# What names a cache: a reference, or a directory, scope or name of the other backends.
Place = Reference | str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRef:
    """A cache ref and why it is read or written."""

    ref: Place
    reason: str
    branch: str = ""
    """Branch that the cache belongs to."""
    stage: str = ""
    """Set when the ref caches a single stage."""
    beside: bool = False
    """Whether the ref stands beside its branch's own: a generation, platform or stage."""
    platform: str = ""
    """Set when the ref caches a single platform."""
    found: Found | None = None
    """What the registry holds there; None until it was asked."""
    vendor: Vendor | None = None
    """Whose registry it is, as its answers tell; None until it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """What a build reads, near before far, and the one ref that it writes."""

    backend: Backend = BACKENDS["registry"]
    options: tuple[str, ...] = ()
    """Further attributes of the backend, `name=value`."""
    secrets: tuple[tuple[str, str], ...] = ()
    """Secret attributes that buildx does not find by itself, with their variables."""
    prefix: str = ""
    """What the tags of cache refs begin with."""
    read: tuple[CacheRef, ...] = ()
    merged: Place = ""
    """The one place that holds everything in `read`, if several caches were put together."""
    named: tuple[Place, ...] = ()
    """All caches that this branch would read, found or not."""
    write: CacheRef | None = None
    platforms: tuple[CacheRef, ...] = ()
    """One ref a platform, if nodes build one each; they would overwrite each other's export.

    `write` is the first of them.
    """
    stages: tuple[CacheRef, ...] = ()
    """Stages that an inline cache pushes beside its image."""
    history: tuple[CacheRef, ...] = ()
    """Older generations of the ref that is written, the youngest first."""
    mode: str = "max"
    """BuildKit's mode of the export."""
    imports: str = "auto"
    """The input cache-import."""
    after: bool = False
    """Whether the cache is written once the image is out, and not beside it."""
    max_age: timedelta | None = None
    stale: bool = False
    """Whether every step has to run: each cache is too old, or a refresh was asked for."""
    sources: tuple[str, ...] = ()
    """The user's own --cache-from."""
    destinations: tuple[str, ...] = ()
    """The user's own --cache-to."""
    notes: tuple[str, ...] = ()
    """Decisions that no ref carries."""
    problems: tuple[Problem, ...] = ()

    @property
    def asked(self) -> tuple[Place, ...]:
        """Everything that has to be asked for before the plan can be settled."""
        if not self.backend.asked:
            return ()
        written = [self.write] if self.write else []
        items = (*self.read, *written, *self.platforms, *self.stages, *self.history)
        return tuple(dict.fromkeys(item.ref for item in items))
