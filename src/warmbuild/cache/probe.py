"""What can be at a cache ref, and how it is told from a manifest.

The formats are those of BuildKit's cache/remotecache: an image manifest or an index that names
one configuration (media type application/vnd.buildkit.cacheconfig.v0) beside its layers, or an
image whose own config has the records in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json
from warmbuild.cache import records
from warmbuild.cache.records import Records

if TYPE_CHECKING:
    import hashlib

    # Returns what `manifests` or `blobs` has under a digest, None where it is not there.
    from collections.abc import Callable, Iterator, Mapping

    from warmbuild.vendors.base import Vendor

    Fetch = Callable[[str, str], bytes | None]
else:
    hashlib = lazy.module("hashlib")


# BuildKit reads neither a manifest nor a cache's configuration above this, in bytes.
LARGEST: Final = 1024 * 1024
# The annotation of what an index has beside its images: provenance and the like.
_ATTESTS: Final = "vnd.docker.reference.type"
_IMAGE_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What there is; `vendor` is whose registry said so, where one did."""

    vendor: Vendor | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Found(_Answer):
    """A cache is there; `digest` is its manifest's.

    `records` are those of its configuration, of which an image for several platforms has one
    each; `size` is the larger of manifest and configuration, in bytes. `blobs` are its layers.
    `manifest` and `media_type` are what another tag needs to hold the same, and `config` tells
    two manifests of the same cache from two caches: the digests of what has the records in it.
    `text` is a configuration as BuildKit wrote it.
    """

    digest: str
    records: tuple[Records, ...] = ()
    size: int = 0
    blobs: frozenset[str] = frozenset()
    config: str = ""
    media_type: str = ""
    manifest: bytes = field(default=b"", repr=False)
    text: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Missing(_Answer):
    """Nothing is there, as before a branch's first build."""


@dataclass(frozen=True, slots=True)
class Refused(_Answer):
    """The registry answered and said no."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotACache(_Answer):
    """Something is there that BuildKit did not write as a cache; `is_image` where that is one."""

    reason: str
    is_image: bool = False


@dataclass(frozen=True, slots=True)
class Silent(_Answer):
    """The registry cannot be reached, or does not answer in time."""

    reason: str


Answer = Found | Missing | Refused | NotACache | Silent


def look(body: bytes, *, media_type: str, digest: str, fetch: Fetch) -> Answer:
    """Say what a manifest is the manifest of; `fetch` gets the parts that it names.

    `media_type` and `digest` are what the registry says of it, where it does.
    """
    if len(body) > LARGEST:
        return Refused("its manifest is larger than 1 MiB, and BuildKit does not read such a one")
    try:
        manifest = untrusted_json.parsed(body)
    except ValueError:
        return NotACache("what is there is no manifest; remove it, or choose a cache-tag-prefix")
    found = Found(
        digest or f"sha256:{hashlib.sha256(body).hexdigest()}",
        size=len(body),
        blobs=frozenset(_layers(manifest)),
        media_type=media_type or untrusted_json.text(manifest, "mediaType"),
        manifest=body,
    )
    config = _configuration(manifest)
    if config is None:
        return _look_inside(manifest, found, fetch)
    return _look_at(config, manifest, found, fetch)


def _look_at(
    config: Mapping[str, object], manifest: Mapping[str, object], found: Found, fetch: Fetch
) -> Answer:
    """Read the configuration of a cache."""
    digest, size = untrusted_json.text(config, "digest"), untrusted_json.number(config, "size")
    if size > LARGEST:
        return Refused(
            f"its configuration has {size} bytes, and BuildKit reads no more than {LARGEST}"
        )
    text = fetch("blobs", digest)
    if text is None:
        return Refused("its configuration cannot be had")
    found = replace(found, size=max(found.size, size), config=digest, text=text)
    try:
        return replace(found, records=(records.parse(text, manifest),))
    except ValueError:
        # BuildKit will say so, and the next export repairs it.
        return found


def _look_inside(manifest: Mapping[str, object], found: Found, fetch: Fetch) -> Answer:
    """Read the caches in an image, or in the images of an index."""
    images = [manifest, *_images(manifest, fetch)]
    inline: dict[str, Records] = {}
    for image in images:
        digest = untrusted_json.text(untrusted_json.child(image, "config"), "digest")
        text = fetch("blobs", digest) if digest else None
        inside = _inline(text) if text else None
        inline |= {digest: inside} if inside else {}
    if not inline:
        return NotACache(
            "an image is there and no cache; remove it, or choose another cache-repository "
            "or cache-tag-prefix",
            is_image=any(_is_image(image) for image in images),
        )
    blobs = frozenset(digest for image in images for digest in _layers(image))
    return replace(found, records=tuple(inline.values()), blobs=blobs, config=",".join(inline))


def _images(index: Mapping[str, object], fetch: Fetch) -> Iterator[Mapping[str, object]]:
    """Return the manifests of the images of an index, but not of what attests them."""
    for item in untrusted_json.children(index, "manifests"):
        if _ATTESTS in untrusted_json.child(item, "annotations"):
            continue
        try:
            yield untrusted_json.parsed(
                fetch("manifests", untrusted_json.text(item, "digest")) or b""
            )
        except ValueError:
            continue


def _is_image(manifest: Mapping[str, object]) -> bool:
    return (
        untrusted_json.text(untrusted_json.child(manifest, "config"), "mediaType") in _IMAGE_CONFIGS
    )


def _inline(config: bytes) -> Records | None:
    """Read the cache in an image's config, of which a large one was not fetched whole."""
    try:
        return records.parse_inline(config)
    except ValueError:
        return Records(records=()) if len(config) > LARGEST else None


def _configuration(manifest: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return what BuildKit calls the cache's configuration: the config, or an index's entry."""
    parts = [
        untrusted_json.child(manifest, "config"),
        *untrusted_json.children(manifest, "manifests"),
    ]
    is_it = (part for part in parts if part.get("mediaType") == records.CONFIG_TYPE)
    return next(is_it, None)


def _layers(manifest: Mapping[str, object]) -> Iterator[str]:
    for name in ("layers", "manifests"):
        yield from (
            untrusted_json.text(item, "digest") for item in untrusted_json.children(manifest, name)
        )
