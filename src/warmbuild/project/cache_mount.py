"""A cache mount of a Dockerfile: `RUN --mount=type=cache`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = lazy.module("hashlib")

# Words of the input cache-mounts that stand for all mounts, and for none.
AUTO: Final = "auto"
OFF: Final = "off"
# What can be written into a Dockerfile again as it is. Every usual ID has these alone.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@+=~%-]{1,300}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_MODE: Final = re.compile(r"[0-7]{1,5}")
# Hexadecimal digits of a name.
_DIGITS: Final = 20


@frozen
class CacheMount:
    """What BuildKit knows a cache mount by (`dockerfile2llb`, dispatchRunMounts, v0.34.2)."""

    identity: str  # its ID, which is the target unless one is given
    namespace: str = ""  # the argument BUILDKIT_CACHE_MOUNT_NS
    uid: str = ""  # empty if none is given
    gid: str = ""
    mode: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it can be named in another Dockerfile."""
        numbers = all(not text or _NUMBER.fullmatch(text) for text in (self.uid, self.gid))
        is_named = _PLAIN.fullmatch(self.identity) is not None
        is_mode = not self.mode or _MODE.fullmatch(self.mode) is not None
        return is_named and numbers and is_mode

    @property
    def name(self) -> str:
        """A name of 20 hexadecimal digits, which no other mount has."""
        parts = (self.namespace, self.identity, self.uid, self.gid, self.mode.lstrip("0"))
        text = "\0".join(parts).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:_DIGITS]
