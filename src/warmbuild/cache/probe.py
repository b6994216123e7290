"""What a cache ref can hold, and how it is told from a manifest.

The formats are those of BuildKit's cache/remotecache: an image manifest or an index that names
one configuration (media type application/vnd.buildkit.cacheconfig.v0) beside its layers, or an
image whose own config holds the records.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json
from warmbuild.cache import records
from warmbuild.cache.records import Records

if TYPE_CHECKING:
    import hashlib

    # Returns the content of a digest in `manifests` or `blobs`; None if it is missing.
    from collections.abc import Callable, Iterator, Mapping

    from warmbuild.vendors.base import Vendor

    Fetch = Callable[[str, str], bytes | None]
else:
    hashlib = lazy.module("hashlib")


# The largest manifest or configuration that BuildKit reads, in bytes.
LARGEST: Final = 1024 * 1024
# The most images of an index that are read: no image has as many platforms.
_MOST_IMAGES: Final = 32
# The grammar of a digest in the OCI image specification, without its rarest algorithms. It makes a
# digest safe as the end of a path.
_DIGEST: Final = re.compile(r"[a-z0-9]{1,32}:[A-Za-z0-9=_-]{1,128}")
# Annotation of the attestations in an index, such as provenance.
_ATTESTS: Final = "vnd.docker.reference.type"
# Annotation of the record beside a cache, which has the same form.
RECORD: Final = "warmbuild.record"
# Annotation of an eStargz layer, by which the stargz snapshotter finds its table of contents.
_TABLE: Final = "containerd.io/snapshot/stargz/toc.digest"
_IMAGE_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a ref holds, and whose registry said so, if that is known."""

    vendor: Vendor | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Found(_Answer):
    """The ref holds a cache."""

    digest: str  # Of the manifest
    records: tuple[Records, ...] = ()  # One for each image with an inline cache, else one
    size: int = 0  # Of manifest or configuration, whichever is larger, in bytes
    blobs: Mapping[str, int] = field(default_factory=dict)
    """Compressed size of each layer, in bytes, by its digest."""
    lazy: bool = False  # Whether any layer is packed as eStargz
    config: str = ""  # Digests of what holds the records: the same for two exports of one cache
    media_type: str = ""  # Of the manifest
    manifest: bytes = field(default=b"", repr=False)
    text: bytes = field(default=b"", repr=False)  # The configuration as BuildKit wrote it
    inline: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """Configuration and manifest of each inline cache, in the form of a cache in a registry.

    Empty if any of them cannot be merged.
    """


@dataclass(frozen=True, slots=True)
class Missing(_Answer):
    """The ref does not exist, as before a branch's first build."""


@dataclass(frozen=True, slots=True)
class Refused(_Answer):
    """The registry refused, or BuildKit would refuse the cache."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotACache(_Answer):
    """The ref holds something that BuildKit did not write as a cache."""

    reason: str
    is_image: bool = False


@dataclass(frozen=True, slots=True)
class Silent(_Answer):
    """The registry cannot be reached, or does not answer in time."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unasked(_Answer):
    """Only BuildKit may reach the registry, so nothing is known of the ref."""


Answer = Found | Missing | Refused | NotACache | Silent | Unasked


def look(body: bytes, *, media_type: str, digest: str, fetch: Fetch) -> Answer:
    """Return what a manifest belongs to; `fetch` gets the parts that it names.

    `media_type` and `digest` are what the registry says of it; either may be empty.
    """
    if len(body) > LARGEST:
        return Refused("its manifest is larger than 1 MiB, the most that BuildKit reads")
    try:
        manifest = untrusted_json.parsed(body)
    except ValueError:
        return NotACache("it holds no manifest; remove it, or choose another cache-tag-prefix")
    found = Found(
        digest or digest_of(body),
        size=len(body),
        blobs=dict(_layers(manifest)),
        lazy=_is_lazy(manifest),
        media_type=media_type or untrusted_json.text(manifest, "mediaType"),
        manifest=body,
    )
    # BuildKit's cache is the config of a manifest, or an entry of an index.
    configs = (untrusted_json.child(manifest, "config"), *_entries(manifest))
    is_record = RECORD in untrusted_json.child(manifest, "annotations")
    for config in configs:
        if config.get("mediaType") == records.CONFIG_TYPE and not is_record:
            return _look_at(config, manifest, found, fetch)
    return _look_inside(manifest, found, fetch)


def digest_of(content: bytes) -> str:
    """Return the digest of a blob or manifest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def has_digest(content: bytes, digest: str) -> bool:
    """Return whether content has a digest, of SHA-256 or SHA-512."""
    sums = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
    algorithm, _, expected = digest.partition(":")
    return algorithm in sums and sums[algorithm](content).hexdigest() == expected


def _look_at(
    config: Mapping[str, object], manifest: Mapping[str, object], found: Found, fetch: Fetch
) -> Answer:
    """Read the configuration of a cache."""
    digest, size = untrusted_json.text(config, "digest"), untrusted_json.number(config, "size")
    text = _fetched("blobs", digest, fetch) if size <= LARGEST else b""
    if text is None:
        return Refused("its configuration could not be fetched")
    size = max(size, len(text))
    if size > LARGEST:
        return Refused(
            f"its configuration has {size} bytes, and BuildKit reads no more than {LARGEST}"
        )
    found = replace(found, size=max(found.size, size), config=digest, text=text)
    try:
        return replace(found, records=(records.parse(text, manifest),))
    except ValueError:
        # BuildKit will say so, and the next export repairs it.
        return found


def _look_inside(manifest: Mapping[str, object], found: Found, fetch: Fetch) -> Answer:
    """Read the caches in an image, or in the images of an index."""
    inline: dict[str, Records] = {}
    parts: list[tuple[bytes, bytes]] = []
    seen: set[str] = set()
    kinds: set[str] = set()
    blobs: dict[str, int] = {}
    for image in chain([manifest], _images(manifest, fetch)):
        config = untrusted_json.child(image, "config")
        kinds.add(untrusted_json.text(config, "mediaType"))
        blobs.update(_layers(image))
        digest = untrusted_json.text(config, "digest")
        text = None if digest in seen else _fetched("blobs", digest, fetch)
        seen.add(digest)
        if text and (inside := _inline(text)):
            inline[digest] = inside
            # A cache that is broken or too large cannot be merged.
            if len(text) <= LARGEST - sum(len(one) for one, _ in parts):
                with suppress(ValueError):
                    parts.append(records.detached(text, image))
    if not inline:
        return NotACache(
            "it holds an image and no cache; remove it, or choose another cache-repository "
            "or cache-tag-prefix",
            is_image=not kinds.isdisjoint(_IMAGE_CONFIGS),
        )
    return replace(
        found,
        records=tuple(inline.values()),
        blobs=blobs,
        config=",".join(inline),
        inline=tuple(parts) if len(parts) == len(inline) else (),
    )


def _fetched(kind: str, digest: str, fetch: Fetch) -> bytes | None:
    return fetch(kind, digest) if _DIGEST.fullmatch(digest) else None


def _images(index: Mapping[str, object], fetch: Fetch) -> Iterator[Mapping[str, object]]:
    """Yield the manifests of the images of an index, but not those of attestations."""
    images = (
        untrusted_json.text(item, "digest")
        for item in _entries(index)
        if _ATTESTS not in untrusted_json.child(item, "annotations")
    )
    for digest in islice(images, _MOST_IMAGES):
        body = _fetched("manifests", digest, fetch) or b""
        with suppress(ValueError):
            yield untrusted_json.parsed(body if len(body) <= LARGEST else b"")


def _inline(config: bytes) -> Records | None:
    """Read the cache in an image's config; a config that is too large was not fetched whole."""
    if len(config) > LARGEST:
        return Records(records=())
    try:
        return records.parse_inline(config)
    except ValueError:
        return None


def _entries(index: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return untrusted_json.children(index, "manifests")


def _is_lazy(manifest: Mapping[str, object]) -> bool:
    layers = untrusted_json.children(manifest, "layers")
    return any(_TABLE in untrusted_json.child(layer, "annotations") for layer in layers)


def _layers(manifest: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    layers = untrusted_json.children(manifest, "layers")
    return (
        (untrusted_json.text(item, "digest"), max(0, untrusted_json.number(item, "size")))
        for item in (*layers, *_entries(manifest))
    )
