"""What there is to know of a registry where it differs from others: the data of each module here.

Every text is a part of a sentence: an advice is made of them, and so is docs/registries.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# As many parts as a path can have: it has at most 255 characters.
ANY: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A registry, or what runs one.

    It is known by its host's name, by what it says when it asks for a login (WWW-Authenticate), by
    `headers` that nothing else sends, or because it belongs to the CI system `ci`; `hosts` and
    `challenge` are patterns.

    `path` is what a repository's name consists of, and `names` how many parts that are, at least
    and at most, where the host leaves no doubt whose registry it is. `create` is what has to be
    done before the first push, nothing where that makes the repository; {path} stands for the
    repository. `missing` are the statuses that tell of one that is not there. `mutable` is how some
    tags stay mutable where others are not, and is empty where all of them always are. `accepts`
    says which cache manifests are taken. `login` is what the inputs username and password hold, and
    `usernames` the user names that go with a form of password (a pattern), the first that fits;
    `permission` what the login needs to read and write a cache, `limits` how often it may ask.
    """

    name: str
    hosts: str = ""
    challenge: str = ""
    headers: tuple[str, ...] = ()
    ci: str = ""
    path: str
    names: tuple[int, int] = (1, ANY)
    create: str = ""
    missing: tuple[int, ...]
    mutable: str = ""
    accepts: str
    login: str
    usernames: tuple[tuple[str, str], ...] = ()
    permission: str
    limits: str = ""

    def takes(self, path: str) -> bool:
        """Say whether a repository can have such a path."""
        least, most = self.names
        return least <= len(path.split("/")) <= most

    @property
    def hides(self) -> bool:
        """Say whether a repository that is not there looks like one that is forbidden."""
        return not set(self.missing) <= {404}
