"""Merges several caches into one, from which BuildKit misses no step.

BuildKit asks each of several caches for a step and keeps the first answer alone
(combinedCacheManager.Query, v0.34.2). If two caches hold the same step, as the caches of a branch
and of its parent do, the later steps are then found in one of them only: 16 of 20 rebuilds of
an unchanged branch missed one. One cache with the records of both never did.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import untrusted_json
from warmbuild.cache import probe, records
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.cache.probe import Found

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
# Annotation of the manifest of a merged cache.
_MERGED: Final = "warmbuild.merged"


@frozen
class Merged:
    """What warmbuild itself writes into a registry: a merged cache, or the record beside one."""

    config: bytes
    config_digest: str
    manifest: bytes
    digest: str  # Of the manifest


def merge(caches: Iterable[Found]) -> Merged:
    """Merge the records and layers of several caches; raises ValueError for a broken one.

    Links count records by their place, so they move with them. Equal records stay: BuildKit itself
    unites them.
    """
    layers: list[dict[str, object]] = []
    merged: list[dict[str, object]] = []
    descriptors: dict[str, object] = {}
    for text, whole in (part for cache in caches for part in _parts(cache)):
        config, manifest = untrusted_json.parsed(text), untrusted_json.parsed(whole)
        own_layers = list(untrusted_json.children(config, "layers"))
        own_records = list(untrusted_json.children(config, "records"))
        layer_at = partial(_moved_by, len(layers), len(own_layers))
        record_at = partial(_moved_by, len(merged), len(own_records))
        for layer in own_layers:
            parent = untrusted_json.number(layer, "parent")
            layers.append({**layer, "parent": layer_at(parent) if parent >= 0 else -1})
        merged += [_moved(dict(record), layer_at, record_at) for record in own_records]
        for descriptor in _layers(manifest):
            descriptors.setdefault(untrusted_json.text(descriptor, "digest"), descriptor)
    joined = _written({"layers": layers, "records": merged})
    return in_manifest(joined, list(descriptors.values()), mark=_MERGED)


def in_manifest(config: bytes, layers: Sequence[object], *, mark: str) -> Merged:
    """Return a configuration in a manifest as that of a cache, which an annotation marks."""
    digest = probe.digest_of(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": records.CONFIG_TYPE, "digest": digest, "size": len(config)},
        "layers": layers,
        "annotations": {mark: "true"},
    }
    body = _written(manifest)
    return Merged(config=config, config_digest=digest, manifest=body, digest=probe.digest_of(body))


def is_merged(cache: Found) -> bool:
    """Return whether a cache was merged, and not exported by BuildKit."""
    try:
        manifest = untrusted_json.parsed(cache.manifest)
    except ValueError:
        return False
    return _MERGED in untrusted_json.child(manifest, "annotations")


def _layers(manifest: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the descriptors of a cache's layers.

    A cache is a manifest, or an index that lists its layers and its configuration. BuildKit wrote
    an index before 0.21, and still does with `image-manifest=false`.
    """
    yield from untrusted_json.children(manifest, "layers")
    for entry in untrusted_json.children(manifest, "manifests"):
        if entry.get("mediaType") != records.CONFIG_TYPE:
            yield entry


def _parts(cache: Found) -> tuple[tuple[bytes, bytes], ...]:
    """Return the configurations of a cache, each with a manifest that has its layers."""
    if not (cache.inline or cache.text):
        raise ValueError("the records of a cache are broken, or too large")
    return cache.inline or ((cache.text, cache.manifest),)


def _written(value: Mapping[str, object]) -> bytes:
    # Python reads and writes NaN, which is no JSON.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _moved_by(first: int, count: int, at: int) -> int:
    """Return where one of `count` members is now; another's place would mix up two caches."""
    if not 0 <= at < count:
        raise ValueError("a cache has a link to nowhere")
    return first + at


def _moved(
    record: dict[str, object], layer_at: Callable[[int], int], record_at: Callable[[int], int]
) -> dict[str, object]:
    """Return a record whose layers and links count from other beginnings."""
    results = [
        {**result, "layer": layer_at(untrusted_json.number(result, "layer"))}
        for result in untrusted_json.children(record, "layers")
    ]
    chains = [
        {**chain, "layers": list(map(layer_at, untrusted_json.numbers(chain, "layers")))}
        for chain in untrusted_json.children(record, "chains")
    ]
    links = [
        [
            {**link, "link": record_at(untrusted_json.number(link, "link"))}
            for link in untrusted_json.objects(alternatives)
        ]
        for alternatives in untrusted_json.items(record, "inputs")
    ]
    moved = {"layers": results, "chains": chains, "inputs": links}
    return record | {name: value for name, value in moved.items() if value}
