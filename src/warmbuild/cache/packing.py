"""How the layers of a cache are packed: as eStargz, a builder can use them before it has them.

An eStargz layer is a gzip layer with a table of contents. BuildKit's stargz snapshotter fetches
that table, and the parts of files that a step reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes

if TYPE_CHECKING:
    from warmbuild.cache.cache_plan import CachePlan

_ESTARGZ: Final = "compression=estargz"
# BuildKit converts all layers that it does not hold, for it does not look whether they are eStargz
# already (`estargzType.NeedsConversion`, v0.34.2): 32 s for an edit of examples/flask, not 1.4 s.
_REPACKED: Final = "force-compression=true"
# Outputs that pack layers; the cache takes over those that an image was exported with.
_OF_IMAGES: Final = ("image", "registry", "oci")


def of_cache(cache: CachePlan) -> tuple[str, ...]:
    """Return the attributes by which an export packs the layers of a cache."""
    if not cache.lazy:
        return ()
    return (_ESTARGZ, _REPACKED) if cache.repacks else (_ESTARGZ,)


def of_outputs(outputs: tuple[str, ...], *, push: bool) -> tuple[str, ...]:
    """Return outputs that pack the new layers of an image as its lazy cache does.

    Otherwise they would be packed twice. An output that names a compression keeps it.
    """
    if push and not outputs:
        return (f"type=image,{_ESTARGZ}",)
    return tuple(f"{entry},{_ESTARGZ}" if _may_be_packed(entry) else entry for entry in outputs)


def all_lazy(cache: CachePlan) -> bool:
    """Return whether everything that a build reads is packed as eStargz already."""
    return bool(cache.read) and all(read.found and read.found.lazy for read in cache.read)


def _may_be_packed(entry: str) -> bool:
    attributes = dict(csv_attributes.pairs(entry))
    return attributes.get("type") in _OF_IMAGES and "compression" not in attributes
