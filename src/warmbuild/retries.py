"""Which failures are transient, and how long to wait before a retry.

One classification for everything that talks to a registry: warmbuild itself, BuildKit and the
Docker engine. Rate limits, server errors, broken connections and timeouts are transient; all other
errors are permanent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import lazy

if TYPE_CHECKING:
    import email.utils
else:
    email = lazy.module("email", "utils")

# Pauses grow by this factor, up to so many seconds.
_GROWTH: Final = 2
_LONGEST_PAUSE: Final = 8.0
# Request timeout, too early, too many requests, and errors of the server.
_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, *range(500, 1000)})
# URLs and references, whose words do not describe the failure. They are searched from the beginning
# of a word alone, for a search from each of its characters takes for ever if the word is long.
_NAME: Final = re.compile(r"(?<!\S)\S*/\S*?(?=:?(?:\s|$))")
# A status as Go's clients print it, such as `503 Service Unavailable`.
_STATUS: Final = re.compile(r"\b([1-5]\d\d) [A-Z]")
# Transient failures in the words of Go, Python, and registries whose status is lost.
# Distribution 2.8 reports `blob unknown` for a blob that another push is linking. The bare code
# `unknown` at the end is a server error.
_TRANSIENT: Final = re.compile(
    r"""
    blob\ unknown | blob\ upload\ (unknown | invalid)
    | too\ ?many\ ?requests | rate\ limit | throttl
    | unknown\ error | :\ unknown$ | internal\ server\ error | bad\ gateway | unavailable
    | timeout | timed\ out | deadline\ exceeded
    | connection\ (reset | aborted | abort\b | refused | lost | broken)
    | closed\ (idle\ |network\ )?connection | connection\ force\ closed | conn\ is\ closed
    | broken\ pipe | \beof\b | incompleteread | remotedisconnected
    | no\ route\ to\ host | (network | host)\ is\ (unreachable | down)
    | cannot\ assign\ requested\ address
    # Of HTTP/2 (RFC 9113, 7): a server that ends, is overloaded or has lost its way.
    | goaway | internal_error | refused_stream | enhance_your_calm | cannot\ retry\ err
    | temporary\ failure | server\ misbehaving
    """,
    re.VERBOSE | re.IGNORECASE,
)


def status_passes(status: int) -> bool:
    """Return whether an HTTP status is transient."""
    return status in _TRANSIENT_STATUS


def passes(error: str) -> bool:
    """Return whether an error, as its program printed it, is transient.

    An HTTP status in it decides. Unknown errors are permanent.
    """
    text = _NAME.sub("", error)
    statuses = _STATUS.findall(text)
    return status_passes(int(statuses[-1])) if statuses else bool(_TRANSIENT.search(text))


def asked_for(retry_after: str, date: str) -> float | None:
    """Return the seconds in a registry's header Retry-After, None if they are unknown.

    It is a number of seconds or a time (RFC 9110, 10.2.3), which `date`, the header Date, is
    subtracted from.
    """
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until, now = map(email.utils.parsedate_to_datetime, (retry_after, date))
        wait = until - now
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def pause(
    attempt: int, retry_after: float | None = None, *, first: float = 2.0, left: float
) -> float | None:
    """Return the seconds to wait after this attempt, None if there should be no other.

    Pauses grow from `first` and are at least `retry_after`. A pause of more than the seconds that
    are `left` is not worth waiting for.
    """
    # The power of a large number takes long.
    grown = first * _GROWTH ** min(attempt - 1, _LONGEST_PAUSE)
    wait = max(min(grown, _LONGEST_PAUSE), retry_after or 0.0)
    return wait if wait <= left else None
