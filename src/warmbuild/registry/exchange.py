"""One HTTP exchange with a server that is not trusted.

It ends in time whatever the server does, reads no more of an answer than BuildKit reads, and sends
credentials to no other server.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import ssl
import time
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import field, replace
from functools import partial
from http.client import HTTPException, RemoteDisconnected
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.connection
from urllib3.connectionpool import HTTPConnectionPool

from warmbuild import retries, signals
from warmbuild.cache import probe
from warmbuild.frozen import frozen
from warmbuild.registry import transports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from _typeshed import WriteableBuffer

    from warmbuild.registry.transports import Transport

# How much of a body is read at once, in bytes.
_PIECE: Final = 64 * 1024
# In characters; a longer header counts as absent. Common servers and proxies take none either.
_LONGEST_HEADER: Final = 8 * 1024
# As many as Go's client follows, and so BuildKit.
_MOST_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Those that keep the method and the body.
_KEEPING: Final = frozenset({307, 308})
# When the exchange of this thread has to be over, by the monotonic clock.
_END: ContextVar[float] = ContextVar("_END", default=math.inf)


class SilentError(Exception):
    """There is no complete answer; the text says what the server does instead."""

    def __init__(self, text: str, *, passes: bool) -> None:
        """Take whether another try may succeed."""
        super().__init__(text)
        self.passes = passes


class UntrustedError(Exception):
    """An answer breaks a rule; the text says what the server does."""


@frozen
class Request:
    """What is sent, and what is known of the answer."""

    method: str = "GET"
    url: str
    headers: Mapping[str, str] = field(repr=False)  # one of them may be a token
    authorization: str = field(default="", repr=False)
    content: bytes = field(default=b"", repr=False)
    by_digest: bool = False  # whether the caller checks the body, which then may come from anywhere
    is_final: bool = False  # whether no redirect is followed, as the request is signed for its URL


@frozen
class Reply:
    """An answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes  # one byte more than BuildKit reads if it is longer
    asked: str  # Method and path of the request

    @property
    def is_ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300  # noqa: PLR2004 (success, in RFC 9110)


def session(transport: Transport, home: str) -> requests.Session:
    """Return a session whose connections heed the end of an exchange.

    Requests to `home`, the URL of the registry's root, take the way of its transport; no others do.
    """
    made = requests.Session()
    made.verify = transport.verify
    # A body that is sent compressed has no digest to check, and no size to trust.
    made.headers["Accept-Encoding"] = "identity"
    for scheme in transports.PORTS:
        made.mount(f"{scheme}://", _Adapter())
    if transport.connect:
        made.mount(home, _Adapter(transport.connect))
    return made


def unreached(known: Mapping[str, Transport], patience: float) -> set[str]:
    """Return the registries to which this machine cannot connect within `patience` seconds.

    `known` are their transports by host. What a proxy leads to counts as reached.
    """
    found: set[str] = set()

    def look(host: str, transport: Transport) -> None:
        url = f"{transport.scheme}://{host}"
        proxies = {} if transports.is_loopback(host) else requests.utils.get_environ_proxies(url)
        with suppress(OSError):
            if not requests.utils.select_proxy(url, proxies):
                server = transports.server(host, transport.scheme)
                socket.create_connection(server, patience).close()
            found.add(host)

    threads = [signals.start_thread(partial(look, *one)) for one in known.items()]
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    # A late thread still writes.
    return {*known} - {*found}


def exchange(
    session: requests.Session,
    request: Request,
    *,
    connect: float,
    answer: float,
    left: float,
) -> Reply:
    """Send a request and return the answer, redirects included.

    `connect` and `answer` limit a single wait, and `left` the whole exchange, in seconds. Raises
    SilentError and UntrustedError.
    """
    found: Future[Reply] = Future()
    end = time.monotonic() + left

    def work() -> None:
        _END.set(end)
        try:
            found.set_result(_followed(session, request, (connect, answer)))
        except BaseException as error:  # noqa: BLE001 (raised again below)
            found.set_exception(error)

    # A thread, because a resolver and a host of many addresses heed no end. One that is left behind
    # delays nothing, and reads nothing more.
    signals.start_thread(work)
    try:
        return found.result(max(0.0, left))
    # ValueError is what http.client and urllib.parse raise for texts that they do not take.
    except (OSError, ValueError, HTTPException, urllib3.exceptions.HTTPError) as error:
        if time.monotonic() >= end:
            # Requests before this one may have taken most of it.
            limit = f"within {left:.0f} s" if left > answer - 1 else "in time"
            raise SilentError(f"does not answer {limit}", passes=True) from error
        if _led(session, request.url) and isinstance(_causes(error)[-1], RemoteDisconnected):
            # What leads there has ended without a word.
            text = "cannot be reached, neither from here nor from the builder"
            raise SilentError(text, passes=True) from error
        raise _silence(error, connect, answer) from error


def at_home(url: str, location: str) -> str:
    """Return a location as a URL of the same scheme, host and port as `url`; empty if it is not.

    The result has the host as `url` writes it, so no two parsers can read it differently.
    """
    try:
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        places = [
            (one.scheme, one.hostname, one.port or transports.PORTS.get(one.scheme))
            for one in (here, there)
        ]
    except ValueError:
        return ""
    if places[0] != places[1]:
        return ""
    return there._replace(netloc=here.netloc, fragment="").geturl()


def _followed(session: requests.Session, request: Request, timeout: tuple[float, float]) -> Reply:
    asked = f"{request.method} {urlsplit(request.url).path}"
    for _ in range(_MOST_REDIRECTS + 1):
        status, headers, body = _sent(session, request, timeout)
        follows = status in _REDIRECTS and not request.is_final
        location = headers.get("location", "") if follows else ""
        further = _redirected(request, status, location) if location else None
        if further is None:
            return Reply(status=status, headers=headers, body=body, asked=asked)
        request = further
    raise UntrustedError(f"redirects more than {_MOST_REDIRECTS} times")


def _redirected(request: Request, status: int, location: str) -> Request | None:
    """Return the request that follows a redirect, None if it is not followed.

    What is written stays with its server, and so do credentials.
    """
    home = at_home(request.url, location)
    if request.method != "GET":
        return replace(request, url=home) if home and status in _KEEPING else None
    if home:
        return replace(request, url=home)
    url = urljoin(request.url, location)
    is_downgrade = urlsplit(request.url).scheme == "https" and urlsplit(url).scheme != "https"
    if is_downgrade and not request.by_digest:
        raise UntrustedError("redirects from HTTPS to an address without it")
    return replace(request, url=url, authorization="")


def _sent(
    session: requests.Session, request: Request, timeout: tuple[float, float]
) -> tuple[int, Mapping[str, str], bytes]:
    """Send a request once; return status, headers and the beginning of the body."""
    credentials = {"Authorization": request.authorization} if request.authorization else {}
    prepared = session.prepare_request(
        requests.Request(
            request.method,
            request.url,
            headers={**request.headers, **credentials},
            data=request.content or None,
            # Otherwise requests reads ~/.netrc, and takes credentials from the URL.
            auth=_as_it_is,
        )
    )
    # Given here, `verify` wins over a bundle of the environment; proxies come from there.
    settings = session.merge_environment_settings(
        request.url, {}, stream=True, verify=session.verify, cert=None
    )
    if _led(session, request.url) or transports.is_loopback(urlsplit(request.url).netloc):
        # Go's clients, and so buildx and BuildKit, use no proxy for this machine.
        settings["proxies"] = {}
    # Not Session.send, which reads the body of a redirect to its end.
    adapter = session.get_adapter(request.url)
    response = adapter.send(prepared, timeout=timeout, **settings)  # type: ignore[arg-type]  # verify
    with response:
        headers = {
            name.lower(): " ".join(value.split())
            for name, value in response.headers.items()
            if len(value) <= _LONGEST_HEADER
        }
        body = b""
        # Not iter_content: older releases of urllib3 read the length of a chunk without a limit.
        while len(body) <= probe.LARGEST and (
            piece := response.raw.read(_PIECE, decode_content=False)
        ):
            body += piece
        return response.status_code, headers, body[: probe.LARGEST + 1]


def _led(session: requests.Session, url: str) -> bool:
    """Return whether a request takes another way than over this machine's network."""
    adapter = session.get_adapter(url)
    return isinstance(adapter, _Adapter) and adapter.connect is not None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _silence(error: BaseException, connect: float, answer: float) -> SilentError:
    """Say why there was no answer."""
    causes = _causes(error)
    passes = retries.passes(f"{type(causes[-1]).__name__}: {causes[-1]}")
    if isinstance(error, requests.ConnectTimeout):
        why = f"cannot be reached within {connect:.0f} s"
    elif isinstance(error, (requests.Timeout, urllib3.exceptions.ReadTimeoutError)):
        why = f"does not answer within {answer:.0f} s"
    elif any(isinstance(one, urllib3.exceptions.NewConnectionError) for one in causes):
        why = "cannot be reached"
    elif passes:
        why = "closes the connection early"
    else:
        why = _mistrust(causes[-1]) or "cannot be reached"
    return SilentError(why, passes=passes)


def _mistrust(error: BaseException) -> str:
    """Return what is wrong with a server's TLS, in the words of OpenSSL; empty if nothing is."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted here ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "unknown").replace("_", " ").lower()
        return f"does not speak TLS as expected ({reason})"
    return ""


def _causes(error: BaseException) -> Sequence[BaseException]:
    """Return an error and its causes: requests wraps urllib3, which wraps sockets."""
    causes = [error]
    while (further := causes[-1].__context__) is not None:
        causes.append(further)
    return causes


class _Ending(io.RawIOBase):
    """What a socket receives, until the exchange has to be over."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._socket, self._patience = raw, sock, sock.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = _END.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        wait = min(left, self._patience)
        self._socket.settimeout(wait if wait < math.inf else None)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer, of which no byte comes too late: neither in its headers nor between chunks."""

    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_Ending(self.fp.detach(), sock))


class _Plain(urllib3.connection.HTTPConnection):
    response_class = _Response


class _Secure(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, connect: Callable[[], socket.socket] | None = None) -> None:
        self.connect = connect
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 (as requests has it)
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
        assert isinstance(pool, HTTPConnectionPool)  # noqa: S101 (for the type checker)
        kind = _Secure if pool.scheme == "https" else _Plain
        pool.ConnectionCls = _by(self.connect, kind) if self.connect else kind
        return pool


def _by(
    connect: Callable[[], socket.socket], kind: type[urllib3.connection.HTTPConnection]
) -> type[urllib3.connection.HTTPConnection]:
    """Return a kind of connection that `connect` makes."""

    def made(self: urllib3.connection.HTTPConnection) -> socket.socket:
        try:
            connection = connect()
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
        connection.settimeout(self.timeout)
        return connection

    return type(kind.__name__, (kind,), {"_new_conn": made})
