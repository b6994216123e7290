"""Which files of a build's context a step takes, and a digest of them.

BuildKit knows a COPY, an ADD and a bind mount by the content, the mode and the path of what they
take, and not by times and owners (`cache/contenthash`, v0.34.2).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from warmbuild.project import ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warmbuild.project.entry import Entry

# Follows every character that may come after a directory's name.
_AFTER: Final = "\U0010ffff"
_WILD: Final = re.compile(r"[*?\[\\]")


@dataclass(frozen=True)
class Content:
    """What a context holds, without what its .dockerignore excludes."""

    entries: Mapping[str, Entry]  # by their paths below the context

    @cached_property
    def paths(self) -> Sequence[str]:
        """All paths, sorted."""
        return sorted(self.entries)

    def below(self, path: str) -> Iterator[str]:
        """Yield a path, if it exists, and everything below it."""
        if not path:
            yield from self.paths
            return
        if path in self.entries:
            yield path
        begin = bisect_left(self.paths, f"{path}/")
        yield from self.paths[begin : bisect_left(self.paths, f"{path}/{_AFTER}")]

    def taken(self, sources: Iterable[str], excluded: Sequence[str]) -> Sequence[str]:
        """Return the paths that sources of a COPY name, with what is below them.

        Raises ValueError, with the reason as a clause, if BuildKit alone knows what they take.
        """
        found: dict[str, None] = {}
        for source in sources:
            found |= dict.fromkeys(self._named(normal(source)))
        is_excluded = ignore_file.matcher(excluded)
        return [path for path in found if not (excluded and is_excluded(path))]

    def _named(self, source: str) -> Iterator[str]:
        if not _WILD.search(source):
            self._check(source)
            yield from self.below(source)
            return
        if "\\" in source or "[" in source:
            raise ValueError(f"{source} has characters of patterns that are not compared")
        pattern = re.compile(
            "".join({"*": "[^/]*", "?": "[^/]"}.get(one, re.escape(one)) for one in source),
            re.DOTALL,
        )
        depth = source.count("/")
        fixed = posixpath.dirname(_WILD.split(source)[0])
        for path in self.below(fixed):
            if path.count("/") == depth and pattern.fullmatch(path):
                self._check(path)
                yield from self.below(path)

    def _check(self, source: str) -> None:
        """Raise ValueError if a source is reached through a link, which BuildKit follows."""
        parts = source.split("/")
        for end in range(1, len(parts) + 1):
            entry = self.entries.get("/".join(parts[:end]))
            if entry and entry.kind == "link":
                raise ValueError(f"{source} is reached through a link")

    def digest(self, paths: Iterable[str]) -> str:
        """Return a digest of the paths, modes and contents of these files."""
        found = hashlib.sha256()
        for path in sorted(paths):
            kind, mode, content = self.entries[path]
            found.update(b"%b\0%b %o %b\0" % (_bytes(path), kind.encode(), mode, content))
        return found.hexdigest()


def normal(source: str) -> str:
    """Return a source of a COPY as a path below the context, which it cannot leave."""
    return posixpath.normpath(f"/{source}").lstrip("/")


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
