"""What a build's context has at one path."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A file, directory or link in a context."""

    kind: str  # of "file", "directory", "link" and "other"
    mode: int  # permissions, and the bits of set-user-ID, set-group-ID and sticky
    digest: bytes  # what else tells it from others: content, target of a link, attributes
