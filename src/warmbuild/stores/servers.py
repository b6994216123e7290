"""Requests to the servers of records that are no registries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy
from warmbuild.errors import RegistryError
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    from warmbuild.registry import exchange
    from warmbuild.registry.exchange import Reply, Request
else:
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")

_CONNECT: Final = 2.0  # seconds


def send(request: Request, end: float, who: str) -> Reply:
    """Send a request once, and follow no redirect; `who` begins the sentence of a failure.

    Raises RegistryError if there is no answer by `end`.
    """
    left = end - time.monotonic()
    session = exchange.session(Transport(), request.url)
    try:
        return exchange.exchange(session, request, connect=_CONNECT, answer=left, left=left)
    except exchange.SilentError as error:
        raise RegistryError(f"{who} {error}") from error


def accepted(reply: Reply, who: str, code: str = "") -> Reply:
    """Return an answer; raises RegistryError if it is a refusal, which `code` names."""
    if not reply.is_ok:
        raise RegistryError(f"{who} says {reply.status} {code}".rstrip())
    return reply


def host(url: str) -> str:
    """Return the host of a URL without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]
