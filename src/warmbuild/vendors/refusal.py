"""What a registry said instead of doing it, read from an answer or from BuildKit's words.

BuildKit tells of an answer by its status (`unexpected status from PUT request to …: 403
Forbidden`, containerd's core/remotes/errors) or, where the answer names errors, by codes and
messages (`denied: requested access to the resource is denied`, BuildKit's util/errutil). A code
that containerd does not know becomes `unknown`, so that the message is all there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.refs import Reference
    from warmbuild.vendors.base import Vendor


class Kind(Enum):
    """What is wrong, as far as something can be done about it."""

    IMMUTABLE = auto()
    FULL = auto()
    LIMITED = auto()
    BAD_NAME = auto()
    NO_REPOSITORY = auto()
    NO_LOGIN = auto()
    REJECTED = auto()
    READ_ONLY = auto()
    DENIED = auto()


# What tells a kind, the first that does: words of a registry in lower case, and statuses.
_SIGNS: Final[tuple[tuple[Kind, str, frozenset[int]], ...]] = (
    (
        Kind.IMMUTABLE,
        r"immutable|cannot be overwritten|already pushed|operation is disallowed",
        frozenset(),
    ),
    (Kind.FULL, r"quota|storage limit", frozenset()),
    (Kind.LIMITED, r"toomanyrequests|too many requests|rate limit", frozenset({429})),
    (Kind.BAD_NAME, r"name[ _]invalid|invalid repository name|missing image name", frozenset()),
    (
        Kind.NO_REPOSITORY,
        r"name[ _]unknown|(repository|project)\b.* (not found|does not exist in)|blobs: 404",
        frozenset(),
    ),
    (
        Kind.NO_LOGIN,
        r"unauthenticated|unauthorized|no basic auth|anonymous token|authentication required",
        frozenset({401}),
    ),
    (
        Kind.REJECTED,
        # Harbor takes an index of layers for one of images, which are not there.
        r"manifest[ _]invalid|media ?type|artifact\b.* not found|manifest.*: 404",
        frozenset({400, 415, 422}),
    ),
    (Kind.READ_ONLY, r"unsupported|read-only|readonly", frozenset({405})),
    (Kind.DENIED, r"denied|forbidden|insufficient_scope|not authorized", frozenset({403})),
)
_STATUS: Final = re.compile(r"unexpected status\b.*?: (?P<status>[1-5][0-9]{2})\b")
# Names and addresses, which are nobody's words, and what of an address says something.
_NAMES: Final = re.compile(r"""'[^']*'|"[^"]*"|\S*/(manifests|blobs)/\S*?(?=:?(?:\s|$))|\S*/\S*""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is no; `status` is 0 where only words came through."""

    status: int = 0
    words: str = ""

    @property
    def kind(self) -> Kind | None:
        """What is wrong, None where nothing is to be done about it but to try again."""
        words = _NAMES.sub(r"\1", self.words).lower()
        found = (
            kind
            for kind, signs, statuses in _SIGNS
            if re.search(signs, words) or self.status in statuses
        )
        return next(found, None)


def read(error: str) -> Refusal:
    """Read what BuildKit says of a push, an export or an import that failed."""
    found = _STATUS.search(error)
    return Refusal(status=int(found["status"]) if found else 0, words=error)


def explained(said: str, vendor: Vendor, ref: Reference, refusal: Refusal, *, writing: bool) -> str:
    """Return what was said of a cache ref, and what to do about it where that is known."""
    more = advice(vendor, ref, refusal, writing=writing)
    return f"{said.rstrip('.')}; {more}" if more else said


def advice(vendor: Vendor, ref: Reference, refusal: Refusal, *, writing: bool) -> str:
    """Return half a sentence on what to do about a cache ref, empty where nothing is to be done.

    It names the registry and the input to set.
    """
    kind = refusal.kind
    if kind in _OF_A_NAME and not vendor.takes(ref.path):
        kind = Kind.BAD_NAME
    if kind is None:
        return ""
    is_unreadable = not writing and kind in {Kind.REJECTED, Kind.READ_ONLY}
    template = _UNREADABLE if is_unreadable else _ADVICE[kind]
    hidden = f", and says the same where there is no such repository ({vendor.path})"
    create = f"{vendor.create.format(path=ref.path)}, or " if vendor.create else ""
    return template.format(
        where=vendor.name if vendor.hosts else ref.host,
        vendor=vendor,
        may="write" if writing else "read",
        hidden=hidden if vendor.hides else "",
        create=create,
        create_hidden=create if vendor.hides else "",
        otherwise=f", or {vendor.mutable}" if vendor.mutable else "",
        limits=f" ({vendor.limits})" if vendor.limits else "",
    )


# What a registry may also say of a name that it does not take.
_OF_A_NAME: Final = (Kind.NO_REPOSITORY, Kind.NO_LOGIN, Kind.DENIED)
_UNREADABLE: Final = "{where} cannot be asked for it: set cache-repository to another repository"
_ADVICE: Final[Mapping[Kind, str]] = {
    Kind.IMMUTABLE: (
        "{where} does not let this tag be overwritten: set cache-repository to a repository of "
        "its own with mutable tags{otherwise}"
    ),
    Kind.FULL: "{where} has no room left for it: raise its quota, or set cache-mode to min",
    Kind.LIMITED: (
        "{where} limits how often it is asked{limits}: give a login by username and password, or "
        "set cache-repository to another registry"
    ),
    Kind.BAD_NAME: "{where} takes {vendor.path}: set cache-repository to such a repository",
    Kind.NO_REPOSITORY: (
        "there is no such repository at {where}: {create}set cache-repository to one that is there"
    ),
    Kind.NO_LOGIN: (
        "give a login that may do it by username and password: for {where} {vendor.login}, with "
        "{vendor.permission}"
    ),
    Kind.REJECTED: (
        "{where} does not take this as a cache (accepted: {vendor.accepts}): set cache-backend to "
        "inline, which keeps the cache in an image, or cache-repository to another registry"
    ),
    Kind.READ_ONLY: (
        "{where} takes no writes there, being read-only or a mirror: set cache-repository to a "
        "repository that takes them"
    ),
    Kind.DENIED: (
        "{where} wants {vendor.permission} for a cache{hidden}: give the login that, or "
        "{create_hidden}set cache-repository to one that it may {may}"
    ),
}
