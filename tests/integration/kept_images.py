"""Images of cache mounts as the tests put them in the place of those that a run has kept."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from tests.integration.conftest import OCI_MANIFEST
from warmbuild import refs
from warmbuild.cache import kept_mounts
from warmbuild.cache.kept_mounts import MARK
from warmbuild.project.cache_mount import CacheMount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.integration.conftest import Registry

    # A member of an archive: its name, its type, and then its content, or what it links to.
    Member = tuple[str, bytes, bytes | str]

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
# The most bytes of a layer that is unpacked here.
_SMALL = 2**20
# Numbers of /dev/zero as a device of characters; as one of blocks they are a RAM disk's.
_DEVICE = (1, 5)


def place(repository: str, identity: str, branch: str = "main", namespace: str = "") -> str:
    """Return the ref that a cache mount of a branch is kept at."""
    cache = refs.parse(f"{repository}:cache-{branch}")
    return str(kept_mounts.place(cache, CacheMount(identity=identity, namespace=namespace).name))


def archive(*members: Member) -> bytes:
    """Return an archive with members that nobody looks at twice."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, given in members:
            one = tarfile.TarInfo(name)
            one.type, one.mode = kind, 0o4755
            one.devmajor, one.devminor = _DEVICE
            content = given if isinstance(given, bytes) else b""
            one.linkname = given if isinstance(given, str) else ""
            one.size = len(content)
            tar.addfile(one, io.BytesIO(content))
    return made.getvalue()


def layer(*members: Member) -> bytes:
    """Return a layer of an image, whose archives are its files."""
    return gzip.compress(archive(*members))


def manifest(
    registry: Registry,
    repository: str,
    *layers: bytes,
    mark: str = "10",
    config: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a kept mount, after putting what it is made of."""
    # Nobody compares the digests of large ones.
    unpacked = [gzip.decompress(one) if len(one) < _SMALL else b"" for one in layers]
    whole = {
        "architecture": "amd64",
        "os": "linux",
        "config": config or {},
        "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in unpacked]},
    }
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(registry, repository, CONFIG, json.dumps(whole).encode()),
        "layers": [_blob(registry, repository, _LAYER, layer) for layer in layers],
        "annotations": {MARK: mark},
    }


def put(registry: Registry, ref: str, archives: Sequence[bytes], mark: str = "10") -> None:
    """Put what would be kept of a mount: an archive a layer, with the list of what is there."""
    repository, _, _ = ref.rpartition(":")
    layers, there = [], set[bytes]()
    for number, one in enumerate(archives):
        with tarfile.open(fileobj=io.BytesIO(one)) as archive:
            there |= {_kind(member) for member in archive}
        listed = b"".join(sorted(there))
        parts = [(f"{number:03}.tar", tarfile.REGTYPE, one)]
        parts += [(f"{number:03}.list", tarfile.REGTYPE, listed)] if number else []
        layers.append(layer(*parts))
    registry.put_manifest(ref, manifest(registry, repository, *layers, mark=mark))


def _kind(member: tarfile.TarInfo) -> bytes:
    """Return an entry of the list, as `find` writes it."""
    kind = "d" if member.isdir() else "l" if member.issym() else "f"
    return f"{kind}{member.name.removeprefix('./')}\0".encode()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(registry: Registry, repository: str, media_type: str, content: bytes) -> dict[str, Any]:
    registry.put_blob(repository, content, digest(content))
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}
