"""A proxy before a registry that fails as a test tells it to, and remembers what it was asked.

It speaks HTTP/1.1 over connections that stay open and streams bodies both ways, so BuildKit, the
Docker engine and warmbuild use it as they would use the registry itself.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import socket
import struct
import sys
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    AProxy = TypeVar("AProxy", bound="Proxy")
    Act = Callable[["_Connection"], None]
    Change = Callable[[Iterator[bytes]], Iterator[bytes]]

# How much of a body is read at once, in bytes.
_CHUNK: Final = 64 * 1024
# How long the registry may take, in seconds.
_PATIENCE: Final = 60.0
# What belongs to one connection and is not passed on (RFC 9110, 7.6.1), and what is written anew.
_NOT_PASSED_ON: Final = {"connection", "keep-alive", "transfer-encoding", "expect", "host"}
_WITHOUT_BODY: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# What distribution 2.8 says with a status: a code of the API and its message.
_ERRORS: Final = {
    400: ("MANIFEST_INVALID", "manifest invalid"),
    401: ("UNAUTHORIZED", "authentication required"),
    403: ("DENIED", "requested access to the resource is denied"),
    404: ("NAME_UNKNOWN", "repository name not known to registry"),
    429: ("TOOMANYREQUESTS", "too many requests"),
    500: ("UNKNOWN", "unknown error"),
    503: ("UNAVAILABLE", "service unavailable"),
}
# To linger for no time at all: closing such a connection resets it.
_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came in, and the fault that it met, if any."""

    method: str
    path: str
    fault: str


@dataclass(slots=True, kw_only=True)
class _Rule:
    method: re.Pattern[str]
    path: re.Pattern[str]
    # How many requests are spared, and how many then meet the fault; None is all.
    spared: int
    times: int | None
    fault: str
    act: Act


@dataclass(slots=True)
class Proxy:
    """The proxy as a test drives it.

    A fault is for requests whose method and path match, both regular expressions: `method` as a
    whole, `path` anywhere in path and query. The first `after` of them are spared, and the next
    `times` meet it, all of them where that is None. The first fault that matches acts.
    """

    host: str
    upstream: str
    seen: list[Seen] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _rules: list[_Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self,
        method: str,
        path: str,
        status: int,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Answer in the registry's place, where no body is given as it words an error."""
        if body is None:
            code, message = _ERRORS[status]
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        content, sent = body, {"Content-Type": "application/json"} | dict(headers or {})

        def act(connection: _Connection) -> None:
            connection.drain()
            connection.reply(status, sent.items(), [content], len(content))

        self._add(method, path, f"answer {status}", act, after=after, times=times)

    def delay(
        self, method: str, path: str, seconds: float, *, after: int = 0, times: int | None = None
    ) -> None:
        """Let a request wait before it is passed on."""

        def act(connection: _Connection) -> None:
            self._stopped.wait(seconds)
            connection.forward()

        self._add(method, path, "delay", act, after=after, times=times)

    def reset(
        self, method: str, path: str, *, sent: int = 0, after: int = 0, times: int | None = 1
    ) -> None:
        """Reset the connection when `sent` bytes of the request's body have come in."""

        def act(connection: _Connection) -> None:
            left = sent
            while left > 0 and (piece := next(connection.body, b"")):
                left -= len(piece)
            connection.reset()

        self._add(method, path, "reset", act, after=after, times=times)

    def truncate(
        self, method: str, path: str, *, size: int, after: int = 0, times: int | None = 1
    ) -> None:
        """Pass the answer on, but close the connection after `size` bytes of its body."""

        def beginning(body: Iterator[bytes]) -> Iterator[bytes]:
            yield bytes(itertools.islice(itertools.chain.from_iterable(body), size))

        self._add(
            method, path, "truncate", lambda at: at.forward(beginning), after=after, times=times
        )

    def hang(self, method: str, path: str, *, after: int = 0, times: int | None = 1) -> None:
        """Take a request and never answer it."""

        def act(connection: _Connection) -> None:
            connection.drain()
            self._stopped.wait()
            connection.reset()

        self._add(method, path, "hang", act, after=after, times=times)

    def trickle(
        self,
        method: str,
        path: str,
        *,
        size: int,
        interval: float,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Pass the answer on in pieces of `size` bytes, one every `interval` seconds."""

        def slowly(body: Iterator[bytes]) -> Iterator[bytes]:
            for piece in body:
                for begin in range(0, len(piece), size):
                    self._stopped.wait(interval)
                    yield piece[begin : begin + size]

        self._add(method, path, "trickle", lambda at: at.forward(slowly), after=after, times=times)

    def sip(self, method: str, path: str, *, interval: float, times: int | None = None) -> None:
        """Take a piece of 64 KiB of the request's body every `interval` seconds."""

        def slowly(body: Iterator[bytes]) -> Iterator[bytes]:
            for piece in body:
                self._stopped.wait(interval)
                yield piece

        def act(connection: _Connection) -> None:
            connection.body = slowly(connection.body)
            connection.forward()

        self._add(method, path, "sip", act, after=0, times=times)

    def raw(
        self,
        method: str,
        path: str,
        pieces: Callable[[threading.Event], Iterator[bytes]],
        *,
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """Answer with these bytes, which need be no HTTP, and close the connection."""

        def act(connection: _Connection) -> None:
            connection.drain()
            for piece in pieces(self._stopped):
                connection.wfile.write(piece)
            connection.close_connection = True

        self._add(method, path, "raw", act, after=after, times=times)

    def heal(self) -> None:
        """Take every fault back; what was seen is remembered."""
        with self._lock:
            self._rules.clear()

    def count(self, method: str, path: str, fault: str | None = None) -> int:
        """Return how many requests came that match; with `fault`, only those that met it."""
        with self._lock:
            return sum(
                1
                for seen in self.seen
                if re.fullmatch(method, seen.method)
                and re.search(path, seen.path)
                and fault in {None, seen.fault}
            )

    def take(self, method: str, path: str) -> Act:
        """Remember a request, and return what is done with it."""
        with self._lock:
            for rule in self._rules:
                if not (rule.method.fullmatch(method) and rule.path.search(path)):
                    continue
                if rule.spared:
                    rule.spared -= 1
                elif rule.times != 0:
                    rule.times = rule.times and rule.times - 1
                    self.seen.append(Seen(method, path, rule.fault))
                    return rule.act
            self.seen.append(Seen(method, path, ""))
            return _Connection.forward

    def stop(self) -> None:
        """Let go of every request that waits."""
        self._stopped.set()

    def _add(
        self, method: str, path: str, fault: str, act: Act, *, after: int, times: int | None
    ) -> None:
        patterns = re.compile(method), re.compile(path)
        rule = _Rule(
            method=patterns[0], path=patterns[1], spared=after, times=times, fault=fault, act=act
        )
        with self._lock:
            self._rules.append(rule)


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """Have a proxy before the registry at the host `upstream`, which speaks plain HTTP."""
    with served(lambda host: Proxy(host, upstream)) as proxy:
        yield proxy


@contextmanager
def served(make: Callable[[str], AProxy]) -> Iterator[AProxy]:
    """Have the proxy that `make` makes for a host of this machine."""
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.proxy = proxy = make(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
    assert server.errors == []


class _HungUpError(Exception):
    """The client closed its connection in the middle of a request."""


class _Server(ThreadingHTTPServer):
    proxy: Proxy
    daemon_threads = False
    # BuildKit opens many connections at once.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.errors: list[BaseException | None] = []
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:  # noqa: ANN401 (so in the standard library)
        self._open.discard(request)
        super().close_request(request)

    def handle_error(self, *_arguments: object) -> None:
        error = sys.exception()
        # Clients hang up on what they no longer need.
        if not isinstance(error, (ConnectionError, _HungUpError)):
            self.errors.append(error)

    def hang_up(self) -> None:
        """End every connection, so that the threads that serve them end too."""
        self.proxy.stop()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    """A client's connection, and the request that is on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    body: Iterator[bytes]

    def exchange(self) -> None:
        self.body = self._sent()
        self.server.proxy.take(self.command, self.path)(self)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = exchange  # noqa: N815

    def drain(self) -> None:
        """Read the request to its end, so that another one can follow it."""
        for _ in self.body:
            pass

    def forward(self, change: Change = iter) -> None:
        """Pass the request on and the answer back, its body as `change` makes it."""
        proxy = self.server.proxy
        with closing(http.client.HTTPConnection(proxy.upstream, timeout=_PATIENCE)) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            upstream.putheader("Host", proxy.upstream)
            for name, value in _passed_on(self.headers.items()):
                upstream.putheader(name, value)
            if self._chunked:
                upstream.putheader("Transfer-Encoding", "chunked")
            # A registry that refuses may answer before it has read everything.
            with suppress(ConnectionError):
                upstream.endheaders(self.body, encode_chunked=self._chunked)
            self.drain()
            answer = upstream.getresponse()
            length = answer.getheader("Content-Length")
            self.reply(
                answer.status,
                [
                    (name, value.replace(f"//{proxy.upstream}/", f"//{proxy.host}/"))
                    for name, value in _passed_on(answer.getheaders())
                    if name.lower() != "content-length"
                ],
                change(iter(lambda: answer.read1(_CHUNK), b"")),
                None if length is None else int(length),
            )

    def reply(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        body: Iterable[bytes],
        length: int | None,
    ) -> None:
        """Answer; the connection is closed after a body that is shorter than `length`."""
        empty = self.command == "HEAD" or status in _WITHOUT_BODY
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        elif not empty:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if empty:
            return
        written = 0
        for piece in filter(None, body):
            frame = piece if length is not None else b"%x\r\n%s\r\n" % (len(piece), piece)
            self.wfile.write(frame)
            written += len(piece)
        if length is None:
            self.wfile.write(b"0\r\n\r\n")
        elif written < length:
            self.close_connection = True

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        # The server would say goodbye first.
        os.close(self.connection.detach())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    @property
    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _sent(self) -> Iterator[bytes]:
        """Yield the request's body as it comes in."""
        if not self._chunked:
            yield from self._bytes(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield from self._bytes(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _bytes(self, count: int) -> Iterator[bytes]:
        while count:
            piece = self.rfile.read1(min(count, _CHUNK))
            if not piece:
                raise _HungUpError
            count -= len(piece)
            yield piece


def _passed_on(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (item for item in headers if item[0].lower() not in _NOT_PASSED_ON)
