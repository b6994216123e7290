"""CachePlan: the caches that a build reads and writes, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.backends import BACKENDS, Backend
from warmbuild.frozen import frozen
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from datetime import timedelta

    from warmbuild.cache.probe import Found
    from warmbuild.cache.problems import Problem
    from warmbuild.record.cause import Cause
    from warmbuild.vendors.base import Vendor

# The name of a cache: a reference in a registry; a directory, scope or name for other backends.
Place = Reference | str


@frozen
class CacheRef:
    """A cache ref and why it is read or written."""

    ref: Place
    reason: str
    branch: str = ""  # Branch that the cache belongs to
    stage: str = ""  # Set if the ref caches a single stage
    platform: str = ""  # Set if the ref caches a single platform
    beside: bool = False  # Whether it is a generation, platform or stage, not its branch's own ref
    found: Found | None = None  # What the registry holds there; None until it was asked
    vendor: Vendor | None = None  # Whose registry it is; None until it was asked


@frozen
class CachePlan:
    """The refs that a build reads, near before far, and the one that it writes."""

    backend: Backend = BACKENDS["registry"]
    options: tuple[str, ...] = ()  # Further attributes of the backend, `name=value`
    secrets: tuple[tuple[str, str], ...] = ()  # (attribute, variable) not read by buildx itself
    prefix: str = ""  # Prefix of the tags of cache refs
    read: tuple[CacheRef, ...] = ()
    merged: Place = ""  # The one place that holds everything in `read`, if caches were merged
    named: tuple[Place, ...] = ()  # All caches that this branch would read, found or not
    write: CacheRef | None = None
    platforms: tuple[CacheRef, ...] = ()  # One each, `write` first, if nodes export their own
    stages: tuple[CacheRef, ...] = ()  # Stages that an inline cache pushes beside its image
    history: tuple[CacheRef, ...] = ()  # Older generations of `write`, the youngest first
    mode: str = "max"  # BuildKit's mode of the export
    imports: str = "auto"  # The input cache-import
    mounts: tuple[str, ...] = ("auto",)  # The input cache-mounts
    mounts_limit: int = 0  # Bytes that a cache mount may have
    packing: tuple[str, ...] = ()  # Attributes of an export by which new layers are packed
    lazy: bool = False  # Whether a builder uses layers that it has not unpacked
    repacks: bool = False  # Whether the export packs all layers so that it can
    after: bool = False  # Whether the cache is exported after the image, not together with it
    max_age: timedelta | None = None
    stale: bool = False  # Whether every step has to run: all caches too old, or `refresh` is on
    sources: tuple[str, ...] = ()  # The user's own --cache-from
    destinations: tuple[str, ...] = ()  # The user's own --cache-to
    unread: tuple[Cause, ...] = ()  # Why steps may miss: caches that are not read, near before far
    notes: tuple[str, ...] = ()  # Decisions that no ref carries
    problems: tuple[Problem, ...] = ()

    @property
    def asked(self) -> tuple[Place, ...]:
        """Everything to ask the registry for before the plan can be settled."""
        if not self.backend.asked:
            return ()
        written = [self.write] if self.write else []
        items = (*self.read, *written, *self.platforms, *self.stages, *self.history)
        return tuple(dict.fromkeys(item.ref for item in items))
