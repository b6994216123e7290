"""HTTP to the engine's socket and to the lab's services, by the standard library alone."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole HTTP response."""

    status: int
    content_type: str
    body: bytes


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """Remember the socket's path; the host name is only sent as a header."""
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(  # noqa: PLR0913  the parts of an HTTP request
    address: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Response:
    """Send one request to `unix://PATH`, `tcp://HOST:PORT` or `http://HOST:PORT`.

    Raises OSError or http.client.HTTPException when nothing answers.
    """
    connection = _connection(address, timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content_type = response.headers.get("Content-Type", "")
        return Response(status=response.status, content_type=content_type, body=response.read())
    finally:
        connection.close()


def answers(address: str, path: str) -> bool:
    """Return whether something speaks HTTP there; what it says does not matter."""
    try:
        request(address, "GET", path)
    except (OSError, http.client.HTTPException):
        return False
    return True


def refuse_stranger(address: str) -> None:
    """Raise LabError when something answers where the lab is to listen."""
    if answers(address, "/"):
        message = f"{address} is taken by a program that is not the lab's: stop it first."
        raise LabError(message)


def _connection(address: str, timeout: float) -> http.client.HTTPConnection:
    url = urlsplit(address)
    if url.scheme == "unix":
        return UnixConnection(url.path, timeout)
    if url.scheme in {"tcp", "http"} and url.hostname:
        return http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    message = f"the lab reaches an engine by unix:// or tcp:// (without TLS), not by {address!r}."
    raise LabError(message)
