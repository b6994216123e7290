"""How layers are packed: compressed, and maybe so that a builder can use them before it has them.

An eStargz layer is a gzip layer with a table of contents. BuildKit's stargz snapshotter fetches
that table, and the parts of files that a step reads.

A layer is packed once, by the export that comes first: that of the image.

A lazy build packs everything as eStargz if nothing that it reads is packed so, or if no step is
cached. Any other one packs the new layers of its image as eStargz, and asks for a cache in zstd,
which no new layer is. If the export of a cache asks for eStargz, BuildKit v0.34.2 finds each new
layer to be a variant of itself, and looks up the layers below a variant in the content store alone
(`getAvailableBlobs`), where lazy layers are not. Then the cache has no result of that step, and the
next build runs it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes

if TYPE_CHECKING:
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.inputs.values import Inputs

_ESTARGZ: Final = "compression=estargz"
# With eStargz, BuildKit converts all layers that it does not hold, for it does not look whether
# they are eStargz already (`estargzType.NeedsConversion`): 32 s for an edit of examples/flask.
_FORCED: Final = "force-compression=true"
# A compression that no new layer has, for the image's export comes first.
_UNLIKE: Final = "compression=zstd"
# Outputs that pack layers, and take how from us.
_OF_IMAGES: Final = ("image", "registry", "oci")


def of_inputs(inputs: Inputs) -> tuple[str, ...]:
    """Return the attributes by which exports pack new layers; none leave that to BuildKit."""
    if inputs.lazy:
        return (_ESTARGZ,)
    kind, _, level = inputs.compression.partition(":")
    pairs = (("compression", kind), ("compression-level", level))
    return tuple(f"{name}={value}" for name, value in pairs if value)


def of_cache(cache: CachePlan) -> tuple[str, ...]:
    """Return the attributes by which an export packs the layers of a cache."""
    if "compression" not in cache.backend.known:
        return ()
    if cache.lazy:
        return (_ESTARGZ, _FORCED) if cache.repacks else (_UNLIKE,)
    return cache.packing


def of_outputs(
    outputs: tuple[str, ...], packing: tuple[str, ...], *, is_image: bool
) -> tuple[str, ...]:
    """Return outputs that pack new layers so; an output with a compression keeps it.

    `is_image` tells whether an image is made if no output is given.
    """
    if not packing:
        return outputs
    if is_image and not outputs:
        return (",".join(("type=image", *packing)),)
    return tuple(
        ",".join((entry, *packing)) if _may_be_packed(entry) else entry for entry in outputs
    )


def of_export_alone(cache: CachePlan) -> str:
    """Return the output of a call that only exports a cache."""
    is_second = cache.lazy and not cache.repacks
    return f"type=image,{_ESTARGZ}" if is_second else "type=cacheonly"


def packs_unlike_zstd(outputs: tuple[str, ...]) -> bool:
    """Return whether these outputs pack new layers, and none as zstd: it may come first."""
    found = [dict(csv_attributes.pairs(entry)) for entry in outputs]
    packing = [one for one in found if one.get("type") in (*_OF_IMAGES, "docker")]
    return bool(packing) and all(one.get("compression") != "zstd" for one in packing)


def has_lazy(cache: CachePlan) -> bool:
    """Return whether a build reads any layer that is packed as eStargz."""
    return any(read.found and read.found.lazy for read in cache.read)


def _may_be_packed(entry: str) -> bool:
    attributes = dict(csv_attributes.pairs(entry))
    return attributes.get("type") in _OF_IMAGES and "compression" not in attributes
