"""How layers are packed: compressed, and maybe so that a builder can use them before it has them.

An eStargz layer is a gzip layer with a table of contents. BuildKit's stargz snapshotter fetches
that table, and the parts of files that a step reads.

A layer is packed once, by the export that comes first: that of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes

if TYPE_CHECKING:
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Inputs

_ESTARGZ: Final = ("compression=estargz",)
# BuildKit converts all layers that it does not hold, for it does not look whether they are eStargz
# already (`estargzType.NeedsConversion`, v0.34.2): 32 s for an edit of examples/flask, not 1.4 s.
_REPACKED: Final = "force-compression=true"
# Outputs that pack layers.
_OF_IMAGES: Final = ("image", "registry", "oci")


def of_inputs(inputs: Inputs) -> tuple[str, ...]:
    """Return the attributes by which exports pack new layers; none leave that to BuildKit."""
    if inputs.lazy:
        return _ESTARGZ
    kind, _, level = inputs.compression.partition(":")
    pairs = (("compression", kind), ("compression-level", level))
    return tuple(f"{name}={value}" for name, value in pairs if value)


def of_cache(cache: CachePlan) -> tuple[str, ...]:
    """Return the attributes by which an export packs the layers of a cache."""
    if "compression" not in cache.backend.known:
        return ()
    return (*cache.packing, _REPACKED) if cache.repacks else cache.packing


def of_outputs(
    outputs: tuple[str, ...], packing: tuple[str, ...], *, push: bool
) -> tuple[str, ...]:
    """Return outputs that pack new layers so; an output with a compression keeps it."""
    if not packing:
        return outputs
    if push and not outputs:
        return (",".join(("type=image", *packing)),)
    return tuple(
        ",".join((entry, *packing)) if _may_be_packed(entry) else entry for entry in outputs
    )


def all_lazy(cache: CachePlan) -> bool:
    """Return whether everything that a build reads is packed as eStargz already."""
    return bool(cache.read) and all(read.found and read.found.lazy for read in cache.read)


def _may_be_packed(entry: str) -> bool:
    attributes = dict(csv_attributes.pairs(entry))
    return attributes.get("type") in _OF_IMAGES and "compression" not in attributes
