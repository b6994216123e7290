"""How registries differ: the data that each module here has.

Every text is part of a sentence, in advice to users and in docs/registries.md.
"""

from __future__ import annotations

from typing import Final

from warmbuild.frozen import frozen

# The most parts that a path can have: it has at most 255 characters.
ANY: Final = 128


@frozen
class Vendor:
    """A registry or its software; `hosts`, `challenge`, `headers` or `ci` identifies it."""

    name: str
    hosts: str = ""  # pattern of the host's name
    challenge: str = ""  # pattern in WWW-Authenticate
    headers: tuple[str, ...] = ()  # that no other registry sends, in lower case
    ci: str = ""  # the CI system that it belongs to
    path: str  # form of a repository's name
    names: tuple[int, int] = (1, ANY)  # least and most parts of that name, for unambiguous hosts
    create: str = ""  # how to create the repository {path}; empty if a push creates it
    missing: tuple[int, ...]  # statuses that a missing repository may answer
    mutable: str = ""  # how to exclude tags from immutability; empty if all are always mutable
    accepts: str  # which cache manifests
    login: str  # what the inputs username and password contain
    usernames: tuple[tuple[str, str], ...] = ()  # pattern of a password, its user name; first match
    permission: str  # what a login needs to read and write a cache
    limits: str = ""  # of requests

    def takes(self, path: str) -> bool:
        """Return whether a repository can have this path."""
        least, most = self.names
        return least <= len(path.split("/")) <= most

    @property
    def hides(self) -> bool:
        """Whether a missing repository may look like a forbidden one."""
        return not set(self.missing) <= {404}
