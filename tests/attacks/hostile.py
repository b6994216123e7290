"""Servers of this machine that answer as a test has it, and what they were asked."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from warmbuild import refs
from warmbuild.inputs.logins import Login
from warmbuild.registry.client import Patience, Registry

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from warmbuild.refs import Reference
    from warmbuild.registry.transports import Transport

    # Yields what a registry answers to a request.
    Answers = Callable[["Asked"], Iterator[bytes]]

SECRET = "hunter2"
PATIENCE = Patience(connect=0.3, answer=0.4, total=0.6, pause=0.05)
# Seconds after which a client counts as held; the machines that run the tests are slow.
HELD = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a registry got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Hostile:
    """A registry; it remembers what it was asked, and counts the bytes that it sent."""

    host: str
    asked: list[Asked] = field(default_factory=list)
    sent: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def ref(self) -> Reference:
        return refs.parse(f"{self.host}/me/app:cache-main")

    def client(self, patience: Patience = PATIENCE, transport: Transport | None = None) -> Registry:
        """Return a client with a login."""
        login = Login(host=self.host, username="me", password=SECRET)
        return Registry(self.host, login, transport, patience)

    @property
    def got_a_login(self) -> bool:
        secrets = (SECRET, base64.b64encode(f"me:{SECRET}".encode()).decode())
        return any(
            secret in text
            for one in self.asked
            for text in (*one.headers.values(), one.body.decode(), one.path)
            for secret in secrets
        )

    def every(self, seconds: float, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield a piece now and then, until the test ends."""
        for piece in pieces:
            yield piece
            if self._stopped.wait(seconds):
                return

    def serve(self, connection: socket.socket, answers: Answers) -> None:
        self._open.append(connection)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            connection.settimeout(HELD)
            while asked := _request(file):
                self.asked.append(asked)
                for piece in answers(asked):
                    connection.sendall(piece)
                    self.sent += len(piece)
        self.hung_up.set()

    def stop(self) -> None:
        self._stopped.set()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _request(file: BinaryIO) -> Asked | None:
    line = file.readline().decode().split()
    if not line:
        return None
    headers = {}
    while text := file.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Asked(line[0], line[1], headers, body)


@contextmanager
def hostile(
    answers: Callable[[Hostile, Asked], Iterator[bytes]], tls: ssl.SSLContext | None = None
) -> Iterator[Hostile]:
    """Have a registry that answers so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        registry = Hostile(f"127.0.0.1:{server.getsockname()[1]}")
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                wrapped = tls.wrap_socket(connection, server_side=True) if tls else connection
                registry.serve(wrapped, lambda asked: answers(registry, asked))

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield registry
        finally:
            registry.stop()
            server.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join(HELD)


def answer(status: int, body: bytes = b"", **headers: str) -> Iterator[bytes]:
    """Yield a whole answer."""
    yield head(status, content_length=str(len(body)), **headers)
    yield body


def head(status: int, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()


@contextmanager
def in_time() -> Iterator[None]:
    """Fail if the client is held, or if a thread of it goes on."""
    begun, before = time.monotonic(), set(threading.enumerate())
    yield
    assert time.monotonic() - begun < HELD
    left = [one for one in threading.enumerate() if one not in before and "work" in one.name]
    for thread in left:
        thread.join(HELD)
        assert not thread.is_alive()
