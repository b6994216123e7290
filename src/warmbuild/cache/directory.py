"""The directory of the backend local: looked into, swapped in whole, kept from growing.

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

from warmbuild import refs, untrusted_json
from warmbuild.cache import probe
from warmbuild.cache.probe import Answer, Found, Missing, NotACache, Refused

if TYPE_CHECKING:
    from collections.abc import Collection

# What an export that was killed leaves behind is removed after this time, in seconds: one that is
# younger may be another job's, still being written.
_ABANDONED: Final = 3600.0
_UNFINISHED: Final = re.compile(r"\.(.+)\.[0-9a-f]{8}")
_NO_CACHE: Final = NotACache("the directory holds no cache; remove it, or choose another cache-dir")


def answer(place: str) -> Answer:
    """Say what a cache's directory holds."""
    layout = Path(place)
    try:
        index = untrusted_json.parsed((layout / "index.json").read_bytes())
    except FileNotFoundError:
        return Missing()
    except (OSError, ValueError):
        return _NO_CACHE
    named = list(untrusted_json.children(index, "manifests"))
    if len(named) != 1:
        return _NO_CACHE
    digest, media_type = (
        untrusted_json.text(named[0], "digest"),
        untrusted_json.text(named[0], "mediaType"),
    )
    body = _blob(layout, digest)
    if body is None:
        return Missing()
    return probe.look(
        body, media_type=media_type, digest=digest, fetch=lambda _, part: _blob(layout, part)
    )


def beside(place: str) -> str:
    """Return a new name for a directory that a cache is written to before it takes its place."""
    path = Path(place)
    return str(path.with_name(f".{path.name}.{os.urandom(4).hex()}"))


def swap(new: str, place: str, *, prefix: str, keep: Collection[str]) -> str:
    """Put a cache that is written in whole where the old one is, which goes.

    With it go the other caches of its scope that are not in `keep`: a file cache is handed from
    branch to branch, and would gather those of all of them. What an export left that did not come
    to its end is removed. Return why there is no new cache where there could be one.
    """
    made = answer(new)
    if not isinstance(made, Found):
        _remove(Path(new))
        return made.reason if isinstance(made, Refused) else ""
    try:
        _replace(Path(new), Path(place))
    except OSError as error:
        _remove(Path(new))
        return f"{place} cannot be replaced: {error.strerror}"
    kept = {Path(path).name for path in (*keep, place)}
    scope = _scope(place, prefix)
    for path in Path(place).parent.iterdir():
        unfinished = _UNFINISHED.fullmatch(path.name)
        if unfinished:
            is_stale = _scope(unfinished[1], prefix) is not None and _age(path) > _ABANDONED
        else:
            is_stale = path.name not in kept and _scope(path.name, prefix) == scope
            is_stale = is_stale and (path / "index.json").is_file()
        if is_stale:
            _remove(path)
    return ""


def _replace(new: Path, place: Path) -> None:
    """Put a directory where another one may be, or may just have been put by another job."""
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
            _remove(old)


def _scope(place: str, prefix: str) -> str | None:
    tag = refs.read_cache_tag(Path(place).name, prefix=prefix)
    return tag.scope if tag else None


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _blob(layout: Path, digest: str) -> bytes | None:
    algorithm, _, name = digest.partition(":")
    try:
        with (layout / "blobs" / algorithm / name).open("rb") as file:
            return file.read(probe.LARGEST + 1)
    except (OSError, ValueError):
        # No digest of a blob that could be there, where it is not simply gone.
        return None
