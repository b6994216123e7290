"""Which ref a checkout is at, also if HEAD is detached.

The formats are documented in git's "gitrepository-layout" and "git-pack-refs".
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import files
from warmbuild.project import git_directory, git_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PULL: Final = re.compile(r"refs/remotes/(?P<pull>pull/\d+/(?:head|merge))")
_REMOTE: Final = re.compile(r"refs/remotes/[^/]+/(?P<branch>.+)")
_PACKED: Final = re.compile(
    r"^(?P<name>[0-9a-f]{40,64}) (?P<ref>\S+)(?:\n\^(?P<commit>[0-9a-f]{40,64}))?$", re.MULTILINE
)
# More refs than these are not read.
_MOST: Final = 100_000
# In bytes; a file of a ref has one line.
_LONGEST: Final = 4096


def at(directory: Path) -> tuple[str, str, tuple[str, ...]]:
    """Return the ref that HEAD names, its commit, and if it names none, the refs of that commit.

    What is unknown is empty. Of the refs, tags come first, then pull requests and branches, each
    kind from the last name to the first, as git shows them; a remote's branches are branches.
    """
    tree = git_directory.find(directory, files.read_text)
    if tree is None:
        return "", "", ()
    ref, commit = git_directory.head(tree, files.read_text)
    if ref or not commit:
        return ref, commit, ()
    found = {**_packed(tree.common), **_loose(tree.common)}
    there = sorted((ref for ref, name in found.items() if name == commit), key=_order, reverse=True)
    return "", commit, tuple(dict.fromkeys(map(_known_as, there)))


def _packed(common: Path) -> Mapping[str, str]:
    """Return the commit of each packed ref; the line after an annotated tag has it."""
    text = files.read_text(common / "packed-refs") or ""
    found = islice(_PACKED.finditer(text), _MOST)
    return {line["ref"]: line["commit"] or line["name"] for line in found}


def _loose(common: Path) -> Mapping[str, str]:
    found = {}
    for path in islice(_files(common), _MOST):
        name = (files.read_text(path, _LONGEST) or "").strip()
        ref = path.relative_to(common).as_posix()
        is_tag = ref.startswith("refs/tags/")
        found[ref] = (is_tag and git_objects.tagged(common / "objects", name)) or name
    return found


def _files(common: Path) -> Iterator[Path]:
    for kind in ("tags", "remotes", "heads"):
        for place, _, names in os.walk(common / "refs" / kind):
            yield from (Path(place, name) for name in names)


def _order(ref: str) -> tuple[int, str]:
    kinds = ("refs/heads/", "refs/remotes/", "refs/remotes/pull/", "refs/tags/")
    return max(place for place, kind in enumerate(("", *kinds)) if ref.startswith(kind)), ref


def _known_as(ref: str) -> str:
    """Return a ref as it is known on the server."""
    if pull := _PULL.fullmatch(ref):
        return f"refs/{pull['pull']}"
    remote = _REMOTE.fullmatch(ref)
    return f"refs/heads/{remote['branch']}" if remote else ref
