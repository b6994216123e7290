"""Which files of a build's context a step takes, and a digest of them.

BuildKit knows a COPY, an ADD and a bind mount by the content, the mode and the path of what they
take, and not by times and owners (`cache/contenthash`, v0.34.2).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from warmbuild.project import ignore_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from warmbuild.project.entry import Entry

_WILD: Final = re.compile(r"[*?\[\\]")
# What --parents makes in the destination begins after it.
_PIVOT: Final = "/./"


@dataclass(frozen=True)
class Content:
    """What a context holds, without what its .dockerignore excludes."""

    entries: Mapping[str, Entry]  # by their paths below the context
    _digests: dict[tuple[str, tuple[str, ...], bool], str] = field(default_factory=dict)

    @cached_property
    def paths(self) -> Sequence[str]:
        """All paths, sorted."""
        return sorted(self.entries)

    def below(self, path: str) -> Iterable[str]:
        """Return a path, if it exists, and everything below it."""
        if not path:
            return self.paths
        begin = bisect_left(self.paths, f"{path}/")
        # The character after a slash is 0.
        inside = self.paths[begin : bisect_left(self.paths, f"{path}0")]
        return (path, *inside) if path in self.entries else inside

    def digest(self, source: str, excluded: Sequence[str] = (), *, parents: bool = False) -> str:
        """Return a digest of what a source of a COPY names, with the paths below it.

        `excluded` are the patterns of --exclude; `parents` is that flag. Raises ValueError, with
        the reason as a clause, if BuildKit alone knows what the source takes.
        """
        key = (source, tuple(excluded), parents)
        if key not in self._digests:
            found = hashlib.sha256()
            for below, path in sorted(self._taken(source, excluded, parents=parents)):
                kind, mode, content = self.entries[path]
                found.update(b"%b\0%b %o %b\0" % (_bytes(below), kind.encode(), mode, content))
            self._digests[key] = found.hexdigest()
        return self._digests[key]

    def taken(
        self, source: str, excluded: Sequence[str] = (), *, parents: bool = False
    ) -> Sequence[str]:
        """Return the paths that a source of a COPY names, as `digest` has them."""
        return [path for _, path in self._taken(source, excluded, parents=parents)]

    def _taken(
        self, source: str, excluded: Sequence[str], *, parents: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield each path that a source takes, after the same path as the destination has it."""
        if parents:
            root, pivot, pattern = source.partition(_PIVOT)
            root, pattern = (normal(root), pattern) if pivot else ("", source)
            self._check(root)
            yield from self._left(root, root, [normal(pattern)], excluded)
            return
        source = normal(source)
        if not _WILD.search(source):
            self._check(source)
            yield from self._left(source, source, (), excluded)
            return
        above = posixpath.dirname(_WILD.split(source)[0])
        self._check(above)
        for path in self._matching(source, above):
            self._check(path)
            yield from self._left(path, above, (), excluded)

    def _matching(self, source: str, above: str) -> Iterator[str]:
        if "\\" in source or "[" in source:
            raise ValueError(f"{source} has characters of patterns that are not compared")
        pattern = re.compile(
            "".join({"*": "[^/]*", "?": "[^/]"}.get(one, re.escape(one)) for one in source),
            re.DOTALL,
        )
        depth = source.count("/")
        return (
            path
            for path in self.below(above)
            if path.count("/") == depth and pattern.fullmatch(path)
        )

    def _left(
        self, source: str, above: str, included: Sequence[str], excluded: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield what patterns leave of a path and what is below it; they begin below the path.

        A directory comes with what is left in it. The first of each pair is the path below `above`.
        """
        start, cut = len(source) + bool(source), len(above) + bool(above)
        if not (included or excluded):
            yield from ((path[cut:], path) for path in self.below(source))
            return
        is_included, is_excluded = ignore_file.matcher(included), ignore_file.matcher(excluded)
        done: set[str] = set()
        for path in self.below(source):
            name = path[start:]
            if (included and not is_included(name)) or is_excluded(name):
                continue
            while path not in done and len(path) >= len(source) and path:
                done.add(path)
                yield path[cut:], path
                path = posixpath.dirname(path)  # noqa: PLW2901 (one after the other)

    def _check(self, source: str) -> None:
        """Raise ValueError if a source is reached through a link, which BuildKit follows."""
        parts = source.split("/")
        for end in range(1, len(parts) + 1):
            entry = self.entries.get("/".join(parts[:end]))
            if entry and entry.kind == "link":
                raise ValueError(f"{source} is reached through a link")


def normal(source: str) -> str:
    """Return a source of a COPY as a path below the context, which it cannot leave."""
    return posixpath.normpath(f"/{source}").lstrip("/")


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
