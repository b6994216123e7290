"""Records in a registry: a manifest with a tag of its own, in the repository of the cache.

It is marked by an annotation, and otherwise looks like a cache: GitLab, and Quay where artifact
types are checked, take manifests of the types alone that they know, BuildKit's among them
(ocx-sh/ocx#480, and docs/registries.md). So each registry that takes a cache takes its record. Some
registries take no manifest without layers, so the record is its own layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import refs, untrusted_json
from warmbuild.cache import merging, probe
from warmbuild.cache.probe import Found
from warmbuild.errors import RegistryError
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from warmbuild.cache.merging import Merged
    from warmbuild.stores.spot import Spot

# A type that each registry takes, whatever it is of.
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


def read(spot: Spot) -> bytes | None:
    """Return the record, None if there is none; raises RegistryError if it cannot be read."""
    ref = _ref(spot)
    registry = spot.client(ref.host)
    manifest = registry.fetch(ref, "manifests", ref.tag)
    if manifest is None:
        return None
    content = registry.fetch(ref, "blobs", _digest(ref, manifest))
    if content is None:
        raise RegistryError(f"the registry {ref.host} has lost the content of {ref}")
    return content


def write(spot: Spot, content: bytes) -> None:
    """Write the record; raises RegistryError if that fails, or its tag holds something else."""
    ref = _ref(spot)
    registry = spot.client(ref.host)
    there = registry.fetch(ref, "manifests", ref.tag)
    if there is not None:
        _digest(ref, there)
    packed = pack(content)
    registry.write(ref, packed)
    found = Found(packed.digest, manifest=packed.manifest, media_type=merging.MANIFEST_TYPE)
    registry.retag(ref, found)


def pack(content: bytes) -> Merged:
    """Return a record and its manifest."""
    layer = {
        "mediaType": _LAYER_TYPE,
        "digest": probe.digest_of(content),
        "size": len(content),
    }
    return merging.in_manifest(content, [layer], mark=probe.RECORD)


def _digest(ref: Reference, manifest: bytes) -> str:
    """Return the digest of a record; raises RegistryError for a manifest of anything else."""
    try:
        parsed = untrusted_json.parsed(manifest)
    except ValueError:
        parsed = {}
    digest = untrusted_json.text(untrusted_json.child(parsed, "config"), "digest")
    is_marked = probe.RECORD in untrusted_json.child(parsed, "annotations")
    if not (is_marked and refs.is_digest(digest)):
        raise RegistryError(
            f"{ref} holds no record; remove it, or choose another cache-repository or "
            "cache-tag-prefix"
        )
    return digest


def _ref(spot: Spot) -> Reference:
    # The other backends have other stores.
    assert isinstance(spot.place, Reference)  # noqa: S101 (for the type checker)
    return replace(spot.place, tag=refs.record_tag(spot.place.tag), digest="")
