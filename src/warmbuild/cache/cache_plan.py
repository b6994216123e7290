"""CachePlan: what a build reads and writes of caches, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warmbuild.backends import BACKENDS, Backend
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from datetime import timedelta

    from warmbuild.cache.probe import Found
    from warmbuild.vendors.base import Vendor

# What names a cache: a reference, or a directory, scope or name of the other backends.
Place = Reference | str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRef:
    """A cache ref and why it is read or written.

    `branch` is the one whose cache it is. `stage` is the stage that is built for it alone,
    `platform` the one that it is written of alone, and `beside` says that it stands beside its
    branch's own ref: an older generation, another platform's, a stage's. `found` is what the
    registry holds there, once it was asked, and `vendor` whose registry it is.
    """

    ref: Place
    reason: str
    branch: str = ""
    stage: str = ""
    beside: bool = False
    platform: str = ""
    found: Found | None = None
    vendor: Vendor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """What the build reads, near before far, and the one ref it writes.

    `merged` is what holds all that is read, where that is more than one; `named` are all caches
    that are of use to the run's branch, read or not.

    Nodes that build a platform each would overwrite each other's export, so each of `platforms` is
    then written to a ref of its own, of which `write` is the first.

    `stages` are what an inline cache writes beside its image, `history` the older generations of
    the ref that is written. `sources` and `destinations` are the user's own, passed on as they
    are; `mode` is BuildKit's. `options` are the backend's further attributes, `secrets` those that
    buildx does not find by itself, with the variables that hold them; `prefix` is what tags begin
    with. `stale` says that everything there is was too old, so that nothing may come from any
    cache. `notes` are decisions without a ref; `warnings` are what a user would want to mend, and
    `lost` those of them that are caches which could not be read or written; `write_error` is why
    the latter.
    """

    backend: Backend = BACKENDS["registry"]
    options: tuple[str, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    prefix: str = ""
    read: tuple[CacheRef, ...] = ()
    merged: Place = ""
    named: tuple[Place, ...] = ()
    write: CacheRef | None = None
    platforms: tuple[CacheRef, ...] = ()
    stages: tuple[CacheRef, ...] = ()
    history: tuple[CacheRef, ...] = ()
    mode: str = "max"
    imports: str = "auto"
    after: bool = False
    max_age: timedelta | None = None
    stale: bool = False
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    write_error: str = ""

    @property
    def asked(self) -> tuple[Place, ...]:
        """Everything that has to be asked for before the plan can be settled."""
        if not self.backend.asked:
            return ()
        written = [self.write] if self.write else []
        items = (*self.read, *written, *self.platforms, *self.stages, *self.history)
        return tuple(dict.fromkeys(item.ref for item in items))
