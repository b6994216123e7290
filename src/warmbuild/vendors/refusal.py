"""Why a registry refused a request, and what to do about it.

BuildKit reports an answer by its status (`unexpected status from PUT request to …: 403 Forbidden`,
containerd's core/remotes/errors) or, if the answer names errors, by codes and messages (`denied:
requested access to the resource is denied`, BuildKit's util/errutil). A code that containerd does
not know becomes `unknown`, and only the message tells the reason.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.refs import Reference
    from warmbuild.vendors.base import Vendor


class Kind(Enum):
    """A reason for which there is advice."""

    IMMUTABLE = auto()
    FULL = auto()
    LIMITED = auto()
    BAD_NAME = auto()
    NO_REPOSITORY = auto()
    NO_LOGIN = auto()
    REJECTED = auto()
    READ_ONLY = auto()
    DENIED = auto()


# The signs of a kind, of which the first match wins: words in lower case, and statuses.
_SIGNS: Final[tuple[tuple[Kind, str, tuple[int, ...]], ...]] = (
    (Kind.IMMUTABLE, r"immutable|cannot be overwritten|already pushed|operation is disallowed", ()),
    (Kind.FULL, r"quota|storage limit", ()),
    (Kind.LIMITED, r"toomanyrequests|too many requests|rate limit", (429,)),
    (Kind.BAD_NAME, r"name[ _]invalid|invalid repository name|missing image name", ()),
    (
        Kind.NO_REPOSITORY,
        r"name[ _]unknown|(repository|project)\b.{0,300} (not found|does not exist in)|blobs: 404",
        (),
    ),
    (
        Kind.NO_LOGIN,
        r"unauthenticated|unauthorized|no basic auth|anonymous token|authentication required",
        (401,),
    ),
    # Harbor treats an index of layers as an index of images, which it does not find.
    (
        Kind.REJECTED,
        r"manifest[ _]invalid|media ?type|artifact\b.{0,300} not found|manifest.{0,300}: 404",
        (400, 415, 422),
    ),
    (Kind.READ_ONLY, r"unsupported|read-only|readonly", (405,)),
    (Kind.DENIED, r"denied|forbidden|insufficient_scope|not authorized", (403,)),
)
# The first in a line; if no status follows it, none follows the next one either.
_STATUS: Final = re.compile(
    r"^(?>.*?unexpected status\b).*?: (?P<status>[1-5][0-9]{2})\b", re.MULTILINE
)
# Names and addresses, which are no signs, except for the kind of object in an address.
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_NAMES: Final = re.compile(r"(?<!\S)(?:\S*/(manifests|blobs)/\S*?(?=:?(?:\s|$))|\S*/\S*)")
# Characters of a message that are told.
_LONGEST: Final = 300


@frozen
class Refusal:
    """A refusing answer."""

    status: int = 0  # 0 if only words are known
    words: str = ""

    @property
    def kind(self) -> Kind | None:
        """The reason, None if it is unknown or transient."""
        words = _NAMES.sub(r"\1", _QUOTED.sub("", self.words)).lower()
        for kind, signs, statuses in _SIGNS:
            if re.search(signs, words) or self.status in statuses:
                return kind
        return None


def excerpt(said: str) -> str:
    """Return what a server says as a part of a line: short, and without control characters."""
    shown = "".join(one if one.isprintable() else " " for one in said[: _LONGEST * 10])
    return " ".join(shown.split())[:_LONGEST]


def read(error: str) -> Refusal:
    """Read BuildKit's error of a push, an export or an import."""
    found = _STATUS.search(error)
    return Refusal(status=int(found["status"]) if found else 0, words=error)


def explained(said: str, vendor: Vendor, ref: Reference, refusal: Refusal, *, writing: bool) -> str:
    """Return what was said of a cache ref, followed by advice if there is any."""
    more = advice(vendor, ref, refusal, writing=writing)
    return f"{said.rstrip('.')}; {more}" if more else said


def advice(vendor: Vendor, ref: Reference, refusal: Refusal, *, writing: bool) -> str:
    """Return a half-sentence that names the registry and the input to set; empty if unknown."""
    kind = refusal.kind
    if kind in _OF_A_NAME and not vendor.takes(ref.path):
        kind = Kind.BAD_NAME
    if kind is None:
        return ""
    is_unreadable = not writing and kind in {Kind.REJECTED, Kind.READ_ONLY}
    template = _UNREADABLE if is_unreadable else _ADVICE[kind]
    hidden = f", and says the same if the repository does not exist ({vendor.path})"
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


# Kinds that a registry may also report for an invalid name.
_OF_A_NAME: Final = (Kind.NO_REPOSITORY, Kind.NO_LOGIN, Kind.DENIED)
_UNREADABLE: Final = "{where} cannot serve it: set cache-repository to another repository"
_ADVICE: Final[Mapping[Kind, str]] = {
    Kind.IMMUTABLE: (
        "{where} does not let this tag be overwritten: set cache-repository to a separate "
        "repository with mutable tags{otherwise}"
    ),
    Kind.FULL: "{where} has no space left for it: raise its quota, or set cache-mode to min",
    Kind.LIMITED: (
        "{where} limits the number of requests{limits}: give a login by username and password, or "
        "set cache-repository to another registry"
    ),
    Kind.BAD_NAME: "{where} takes {vendor.path}: set cache-repository to such a repository",
    Kind.NO_REPOSITORY: (
        "the repository does not exist at {where}: {create}set cache-repository to one that exists"
    ),
    Kind.NO_LOGIN: (
        "set username and password to a login that may {may} it: for {where} {vendor.login}, with "
        "{vendor.permission}"
    ),
    Kind.REJECTED: (
        "{where} does not accept this as a cache (accepted: {vendor.accepts}): set cache-backend "
        "to inline, which keeps the cache in an image, or cache-repository to another registry"
    ),
    Kind.READ_ONLY: (
        "{where} accepts no writes there because it is read-only or a mirror: set cache-repository "
        "to a writable repository"
    ),
    Kind.DENIED: (
        "{where} requires {vendor.permission} for a cache{hidden}: grant the login that, or "
        "{create_hidden}set cache-repository to one that the login may {may}"
    ),
}
