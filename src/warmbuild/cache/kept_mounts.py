"""What is kept of cache mounts beside a cache: where, how much, and when it is written anew.

What is kept of a mount is an image. Each of its layers holds one archive: the first one the whole
content, each later one what a build has changed. So a build uploads only its changes.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import refs, sizes, untrusted_json, whole_numbers
from warmbuild.frozen import frozen
from warmbuild.project.cache_mount import AUTO, OFF
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.project.cache_mount import CacheMount

# The annotation of an image that is kept of a mount: the bytes of the content.
MARK: Final = "warmbuild.mount"
# The ID of the mount that holds what warmbuild notes of others.
NOTES: Final = "warmbuild-notes"
# Mounts of a run: each is a question to a registry, and a step of our own.
MOST_MOUNTS: Final = 32
# Archives of one mount: each is read at every restore.
MOST_ARCHIVES: Final = 8
# A mount is written anew before its archives have more than this many times its content.
_STALE: Final = 2
# What counts as nothing beside that, in bytes: an archive names every directory.
_SMALL: Final = 10 * 1000**2
# What a machine has to have free beside a kept mount: its archive, and its content.
UNPACKED: Final = 2


@frozen
class Kept:
    """What is kept of a mount."""

    place: Place  # a reference with its digest, or a directory
    digest: str  # of the manifest
    archives: int
    size: int  # bytes of the content
    stored: int  # bytes of all layers, compressed


@frozen
class Seen:
    """What is in a mount after a build."""

    size: int  # bytes of the content; 0 if it is empty
    new: int  # bytes of what has changed since the restore
    is_changed: bool
    is_marked: bool  # whether it is known what was restored


@frozen
class Carriage:
    """What became of a mount in a run."""

    mount: CacheMount
    restored: int = 0  # bytes of the content
    saved: int = 0  # bytes of the archive that was written
    unrestored: str = ""  # why it was not restored, as a clause
    unsaved: str = ""  # why it was not saved, as a clause

    def shown(self, redact: Callable[[str], str]) -> Carriage:
        """Return it as it may be shown: `redact` hides secrets in what others wrote."""
        mount = replace(self.mount, identity=redact(self.mount.identity))
        unrestored, unsaved = redact(self.unrestored), redact(self.unsaved)
        return replace(self, mount=mount, unrestored=unrestored, unsaved=unsaved)


def place(cache: Place, name: str) -> Place:
    """Return where a mount is kept beside a cache."""
    if isinstance(cache, Reference):
        return replace(cache, tag=refs.mount_tag(cache.tag, name), digest="")
    directory, _, last = cache.rpartition("/")
    return posixpath.join(directory or ".", refs.mount_tag(last, name))


def read(place: Place, manifest: bytes, digest: str) -> Kept:
    """Read the manifest of what is kept; raises ValueError, with the reason as a clause."""
    try:
        found = untrusted_json.parsed(manifest)
    except ValueError as error:
        raise ValueError("it holds no cache mount") from error
    mark = untrusted_json.text(untrusted_json.child(found, "annotations"), MARK)
    size = whole_numbers.read(mark)
    layers = list(untrusted_json.children(found, "layers"))
    if size is None or not (refs.is_digest(digest) and 0 < len(layers) <= MOST_ARCHIVES):
        raise ValueError("it holds no cache mount")
    at = replace(place, digest=digest) if isinstance(place, Reference) else place
    stored = sum(max(0, untrusted_json.number(layer, "size")) for layer in layers)
    return Kept(place=at, digest=digest, archives=len(layers), size=size, stored=stored)


def config(manifest: bytes) -> str:
    """Return the digest of the configuration of what is kept; an empty text for anything strange.

    BuildKit ignores the case of a member's name, and takes the last of several.
    """
    text = manifest.lower()
    if b"\\" in text or b'"manifests"' in text or text.count(b'"config"') != 1:
        return ""
    descriptor = untrusted_json.child(untrusted_json.parsed(manifest), "config")
    found = untrusted_json.text(descriptor, "digest")
    return found if refs.is_digest(found) else ""


def has_triggers(config: bytes) -> bool:
    """Return whether a configuration may have what BuildKit runs wherever an image is a base."""
    return b"\\" in config or b"onbuild" in config.lower()


def obstacle(cache: CachePlan, *, is_fresh: bool, no_cache: bool) -> str:
    """Return why no mount of a build is kept, as a clause; empty if nothing is in the way.

    `is_fresh` tells whether the builder is one daemon of this run alone.
    """
    reasons = (
        (not (cache.read or cache.write), "no cache is read or written"),
        (not cache.backend.keeps_mounts, f"the backend {cache.backend.name} keeps none"),
        (not is_fresh, "the builder is not one daemon of this run alone"),
        # BuildKit then begins with empty ones (moby/buildkit#1092).
        (no_cache, "no-cache is on"),
    )
    return next((why for holds, why in reasons if holds), "")


def not_kept(mount: CacheMount, chosen: tuple[str, ...]) -> str:
    """Return why a mount is not kept, as a clause; empty if it is. `chosen` is `cache-mounts`."""
    if chosen != (AUTO,) and mount.identity not in chosen:
        return "cache-mounts does not name it"
    if mount.identity == NOTES:
        return "its ID is that of warmbuild's own notes"
    return "" if mount.is_plain else "its ID, owner or mode cannot be passed on"


def too_large(size: int, limit: int) -> str:
    """Return why a mount of this size is left out, as a clause; empty if it is not."""
    if size <= limit:
        return ""
    return f"it has {sizes.shown(size)}, more than the {sizes.shown(limit)} of cache-mounts-limit"


def too_many(more: int) -> str:
    """Return what is said of mounts beyond the most that a run keeps."""
    return f"{more} more cache mounts are not kept: a run keeps at most {MOST_MOUNTS}"


def unsaved(seen: Seen, limit: int) -> str:
    """Return why a mount is not saved, as a clause; empty if it is."""
    if not seen.is_changed:
        return "its content has not changed" if seen.size else "it is empty"
    return too_large(seen.size, limit)


def unknown(chosen: tuple[str, ...], there: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the IDs in `cache-mounts` that no step has."""
    for name in chosen:
        if name not in (AUTO, OFF, *there):
            known = f"; there is {', '.join(there)}" if there else ""
            yield f"cache-mounts: no step has a cache mount {name!r}{known}"


def base(kept: Kept | None, seen: Seen) -> Kept | None:
    """Return what the changes are added to; None if the whole content is written anew."""
    if kept is None or not seen.is_marked or kept.archives >= MOST_ARCHIVES:
        return None
    is_stale = kept.stored + seen.new > _STALE * seen.size + _SMALL
    return None if is_stale else kept


def seen(texts: Mapping[str, str], name: str) -> Seen | None:
    """Return what a look said of a mount; None if it said nothing of it."""
    numbers = [whole_numbers.read(word) for word in texts.get(name, "").split()]
    match numbers:
        case [int() as size, int() as new, int() as changed, int() as marked]:
            return Seen(size=size, new=new, is_changed=bool(changed), is_marked=bool(marked))
        case _:
            return None


def text(one: Carriage) -> str:
    """Return what became of a mount, in a line."""
    done = [f"{sizes.shown(one.restored)} restored"] if one.restored else []
    done += [f"not restored: {one.unrestored}"] if one.unrestored else []
    done += [f"{sizes.shown(one.saved)} saved"] if one.saved else []
    done += [f"not saved: {one.unsaved}"] if one.unsaved else []
    return f"{one.mount.identity}: {', '.join(done)}"
