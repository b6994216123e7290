"""Where a record is kept: the cache that it belongs to, and how that is reached."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild import refs
from warmbuild.cache import probe
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.cache.cache_plan import Place
    from warmbuild.registry.client import Registry

# The largest record, in bytes: no more of an answer is read.
MOST_PACKED: Final = probe.LARGEST


@frozen
class Spot:
    """Where the record of a cache is, and until when it may be read or written."""

    place: Place  # Of the cache
    settings: Mapping[str, str] = field(repr=False)
    """Attributes of the backend, as BuildKit gets them, with the secret ones."""
    env: Mapping[str, str] = field(repr=False)
    client: Callable[[str], Registry]
    end: float  # By the monotonic clock

    @property
    def name(self) -> str:
        """The record's name, where caches have one: like a record's tag."""
        return refs.record_tag(str(self.place))
