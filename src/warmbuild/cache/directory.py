"""Caches of the backend local: read from their directory, swapped in whole, and cleared away.

Each cache is a directory of its own in it, an OCI image layout as BuildKit's `type=local` writes
it. The CI system's own file cache saves and restores all of them together.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files, refs, untrusted_json
from warmbuild.cache import probe
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

# Seconds after which an unfinished export is removed; another job may still write a younger one.
_ABANDONED: Final = 3600.0
_UNFINISHED: Final = re.compile(r"\.(.+)\.[0-9a-f]{8}")
_NO_CACHE: Final = NotACache("the directory holds no cache; remove it, or choose another cache-dir")


def answer(place: str) -> Answer:
    """Return what a cache's directory holds."""
    layout = Path(place)
    try:
        with files.opened(layout / "index.json") as file:
            index = untrusted_json.parsed(file.read(files.MOST))
    except FileNotFoundError:
        return Missing()
    except (OSError, ValueError):
        return _NO_CACHE
    named = list(untrusted_json.children(index, "manifests"))
    if len(named) != 1:
        return _NO_CACHE
    digest = untrusted_json.text(named[0], "digest")
    body = _blob(layout, digest)
    if body is None:
        return Missing()
    return probe.look(
        body,
        media_type=untrusted_json.text(named[0], "mediaType"),
        digest=digest,
        fetch=lambda _, part: _blob(layout, part),
    )


def beside(place: str) -> str:
    """Return a new name for the directory that a cache is written to before it is swapped in."""
    path = Path(place)
    return str(path.with_name(f".{path.name}.{os.urandom(4).hex()}"))


def swap(new: str, place: str, *, prefix: str, keep: Collection[str]) -> str:
    """Replace a cache by a new one that is complete; return why that failed, or an empty text.

    Other caches of its scope that are not in `keep` are removed, because a file cache passes from
    branch to branch and would gather the caches of all. Abandoned exports are removed too, and what
    lies beside removed caches: their records, and cache mounts.
    """
    made = answer(new)
    if not isinstance(made, Found):
        shutil.rmtree(new, ignore_errors=True)
        return made.reason if isinstance(made, Refused) else ""
    if failed := replace(new, place):
        return failed
    kept = {Path(path).name for path in (*keep, place)}
    scope, gone = _scope(place, prefix), list[str]()
    for path in Path(place).parent.iterdir():
        unfinished = _UNFINISHED.fullmatch(path.name)
        if unfinished:
            is_stale = unfinished[1].startswith(prefix) and _age(path) > _ABANDONED
        else:
            is_stale = path.name not in kept and _scope(path.name, prefix) == scope
            is_stale = is_stale and (path / "index.json").is_file()
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                path.with_name(refs.record_tag(path.name)).unlink()
            gone.append(path.name)
    for path in Path(place).parent.iterdir():
        if any(refs.is_mount_tag(path.name, of) for of in gone):
            shutil.rmtree(path, ignore_errors=True)
    return ""


def replace(new: str, place: str, failed: str = "") -> str:
    """Put a directory in the place of another one; return why that failed, or an empty text.

    `failed` is why the new one is not whole, if it is not; then it is removed.
    """
    if failed:
        shutil.rmtree(new, ignore_errors=True)
        return failed
    try:
        _replace(Path(new), Path(place))
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        return f"{place} cannot be replaced: {error.strerror}"
    return ""


def manifest(place: str) -> bytes | None:
    """Return the manifest of the one image in a directory; None if there is none."""
    layout = Path(place)
    try:
        with files.opened(layout / "index.json") as file:
            index = untrusted_json.parsed(file.read(files.MOST))
    except (OSError, ValueError):
        return None
    named = list(untrusted_json.children(index, "manifests"))
    return _blob(layout, untrusted_json.text(named[0], "digest")) if len(named) == 1 else None


def _replace(new: Path, place: Path) -> None:
    """Move a directory to a place where another one may be; another job may put one meanwhile."""
    while True:
        old = Path(beside(str(place)))
        with suppress(FileNotFoundError):
            place.rename(old)
        try:
            new.rename(place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                with suppress(FileNotFoundError):
                    old.rename(place)
                raise
        else:
            return
        finally:
            shutil.rmtree(old, ignore_errors=True)


def _scope(place: str, prefix: str) -> str | None:
    tag = refs.read_cache_tag(Path(place).name, prefix=prefix)
    return tag.scope if tag else None


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def blob(place: str, digest: str) -> bytes | None:
    """Return a blob of an image in a directory; None if it is missing."""
    return _blob(Path(place), digest) if refs.is_digest(digest) else None


def _blob(layout: Path, digest: str) -> bytes | None:
    """Return a blob, or None for one that is missing and for a text that is no digest."""
    algorithm, _, name = digest.partition(":")
    try:
        with files.opened(layout / "blobs" / algorithm / name) as file:
            return file.read(probe.LARGEST + 1)
    except (OSError, ValueError):
        return None
