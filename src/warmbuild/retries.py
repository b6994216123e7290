"""Which failures pass by themselves, and how long to wait before another try.

One classification for everything that speaks to a registry: warmbuild itself, BuildKit and the
Docker engine. Too many requests, errors of the server, broken connections and timeouts pass; what
was refused, is missing or makes no sense stays as it is.
"""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from warmbuild import lazy

if TYPE_CHECKING:
    import email.utils
else:
    email = lazy.module("email", "utils")

# How often something is tried in all.
TRIES: Final = 3
# The longest pause that is worth it, in seconds, whatever a registry asks for.
LONGEST_PAUSE: Final = 30.0
_GROWTH: Final = 4
_PASSING_STATUS: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
# URLs and references, whose words are no part of what happened.
_NAME: Final = re.compile(r"\S*/\S*?(?=:?(?:\s|$))")
# A status as Go's clients print it, such as `503 Service Unavailable`.
_STATUS: Final = re.compile(r"\b([1-5]\d\d) [A-Z]")
# What a failure that passes is called by Go, by Python, and by registries whose status is lost.
# Distribution 2.8 says `blob unknown` of one that somebody else is linking. The bare code
# `unknown` at the end is that of a server's error.
_PASSING: Final = re.compile(
    r"""
    blob\ unknown | blob\ upload\ (unknown | invalid)
    | too\ ?many\ ?requests | rate\ limit | throttl
    | unknown\ error | :\ unknown$ | internal\ server\ error | bad\ gateway | unavailable
    | timeout | timed\ out | deadline\ exceeded
    | connection\ (reset | aborted) | closed\ (network\ )?connection | broken\ pipe | \beof\b
    | incompleteread
    | temporary\ failure | server\ misbehaving
    """,
    re.VERBOSE | re.IGNORECASE,
)


def status_passes(status: int) -> bool:
    """Say whether an HTTP status may be another one at the next try."""
    return status in _PASSING_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def passes(error: str) -> bool:
    """Say whether an error, as its program printed it, may be gone at the next try.

    A status that is in it decides. What nobody knows does not pass.
    """
    text = _NAME.sub("", error)
    statuses = _STATUS.findall(text)
    if statuses:
        return status_passes(int(statuses[-1]))
    return bool(_PASSING.search(text))


def asked_for(retry_after: str, date: str) -> float | None:
    """Return the seconds that a registry asks for, by its headers Retry-After and Date.

    Retry-After is a number of seconds or a point in time (RFC 9110, 10.2.3), which is compared
    with the registry's own clock. None where there is neither.
    """
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = email.utils.parsedate_to_datetime(retry_after) - email.utils.parsedate_to_datetime(
            date
        )
    except (TypeError, ValueError):
        return None
    return max(0.0, until.total_seconds())


def pause(
    attempt: int,
    retry_after: float | None = None,
    *,
    first: float = 2.0,
    left: float = math.inf,
) -> float | None:
    """Return the seconds to wait after the attempt of this number, None where it was the last.

    Pauses grow from `first` and are never shorter than what was asked for. One that is longer
    than LONGEST_PAUSE, or than the time that is `left`, is not waited for.
    """
    if attempt >= TRIES:
        return None
    wait = max(first * _GROWTH ** (attempt - 1), retry_after or 0.0)
    return wait if wait <= min(LONGEST_PAUSE, left) else None
