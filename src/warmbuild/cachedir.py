"""The directory of the backend local: looked into, swapped in whole, kept from growing.

Each cache is a directory of its own in it, an OCI image layout as BuildKit's `type=local` writes
it. The CI system's own file cache saves and restores all of them together.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import probe, refs
from warmbuild.probe import Answer, Missing, NotACache

if TYPE_CHECKING:
    from collections.abc import Collection

# What an export that was killed leaves behind is removed after this time, in seconds: one that is
# younger may be another job's, still being written.
_ABANDONED: Final = 3600.0


def answer(place: str) -> Answer:
    """Say what a cache's directory holds."""
    layout = Path(place)
    try:
        index = json.loads((layout / "index.json").read_bytes())
        (descriptor,) = index["manifests"]
        digest, media_type = str(descriptor["digest"]), str(descriptor["mediaType"])
        body = _blob(layout, digest)
    except FileNotFoundError:
        return Missing()
    except (OSError, ValueError, KeyError, TypeError):
        return NotACache("the directory holds no cache; remove it, or choose another cache-dir")
    if body is None:
        return Missing()
    return probe.look(
        body, media_type=media_type, digest=digest, fetch=lambda _, part: _blob(layout, part)
    )


def beside(place: str) -> str:
    """Return a new directory that a cache can be written to before it takes its place."""
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path.with_name(f".{path.name}.{os.urandom(4).hex()}"))


def swap(new: str, place: str, *, prefix: str, keep: Collection[str]) -> None:
    """Put a cache that is written in whole where the old one is, which goes.

    With it go the other caches of its scope that are not in `keep`: a file cache is handed from
    branch to branch, and would gather those of all of them.
    """
    old = beside(place)
    if Path(place).exists():
        Path(place).rename(old)
    Path(new).rename(place)
    kept = {Path(path).name for path in (*keep, place)}
    for path in Path(place).parent.iterdir():
        is_left = path.name.startswith(f".{prefix}") and _age(path) > _ABANDONED
        is_other = path.name not in kept and _scope(path, prefix) == _scope(Path(place), prefix)
        if str(path) == old or is_left or is_other:
            shutil.rmtree(path, ignore_errors=True)


def _scope(path: Path, prefix: str) -> str | None:
    tag = refs.read_cache_tag(path.name, prefix=prefix)
    return tag.scope if tag else None


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _blob(layout: Path, digest: str) -> bytes | None:
    algorithm, _, name = digest.partition(":")
    try:
        with (layout / "blobs" / algorithm / name).open("rb") as file:
            return file.read(probe.LARGEST + 1)
    except FileNotFoundError:
        return None
