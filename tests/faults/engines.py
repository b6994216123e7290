"""A proxy before the Docker engine that fails as a test tells it to.

It listens at a socket, and looks at the first line of each request that a client sends. What
follows an upgrade, such as the stream of a command, is passed on as it is.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.faults.doors import pass_on, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    # Gets the client's connection instead of the engine; the connection ends with it.
    Act = Callable[["Engine", socket.socket], None]

_REQUEST: Final = re.compile(rb"(GET|POST|PUT|HEAD|DELETE) (/\S*) HTTP/1\.[01]\r\n")
_PIECE: Final = 64 * 1024


@dataclass(slots=True)
class Rule:
    """Requests that meet a fault: the next `times` of them, all if that is None."""

    method: str
    path: re.Pattern[str]
    act: Act
    times: int | None = None


@dataclass(slots=True)
class Engine:
    """The proxy as a test drives it; `seen` has every request, as `GET /_ping`."""

    path: Path
    upstream: str
    seen: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)
    _listener: socket.socket | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def fail(self, act: Act, path: str, *, method: str = "", times: int | None = None) -> None:
        """Have requests meet a fault whose path a regular expression finds."""
        self.rules.append(Rule(method, re.compile(path), act, times))

    def vanish(self) -> None:
        """Listen no more, as an engine that restarts; its socket is gone."""
        assert self._listener
        self._listener.close()
        self._listener = None
        self.path.unlink()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def appear(self) -> None:
        """Listen at the socket."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        serve(self._listener, self._connect)

    def stop(self) -> None:
        self.stopped.set()
        if self._listener:
            self.vanish()

    def _connect(self, connection: socket.socket) -> None:
        self._open.append(connection)
        with contextlib.suppress(OSError), connection, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.upstream)
            back = threading.Thread(target=pass_on, args=(engine, connection), daemon=True)
            back.start()
            while piece := connection.recv(_PIECE):
                request = _REQUEST.match(piece)
                act = self._taken(request[1].decode(), request[2].decode()) if request else None
                if act:
                    act(self, connection)
                    return
                engine.sendall(piece)
            with contextlib.suppress(OSError):
                engine.shutdown(socket.SHUT_WR)
            back.join()

    def _taken(self, method: str, path: str) -> Act | None:
        with self._lock:
            self.seen.append(f"{method} {path}")
            for rule in self.rules:
                fits = rule.method in ("", method) and rule.path.search(path)
                if fits and rule.times != 0:
                    rule.times = rule.times and rule.times - 1
                    return rule.act
        return None


def silence(engine: Engine, _connection: socket.socket) -> None:
    """Answer nothing, as a frozen daemon."""
    engine.stopped.wait()


def trickle(engine: Engine, connection: socket.socket) -> None:
    """Answer a byte a second, without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not engine.stopped.wait(0.5):
        connection.sendall(b" ")


def endless(engine: Engine, connection: socket.socket) -> None:
    """Answer as fast as possible, without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not engine.stopped.is_set():
        connection.sendall(b" " * _PIECE)


def hang_up(_engine: Engine, _connection: socket.socket) -> None:
    """Close the connection without an answer."""


def answering(status: int, body: str = "") -> Act:
    """Answer with a status and a body."""

    def act(_engine: Engine, connection: socket.socket) -> None:
        content = body.encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + content)
        # The client has yet to read it.
        time.sleep(0.05)

    return act


@contextmanager
def engine_behind(path: Path, upstream: str) -> Iterator[Engine]:
    """Have a proxy at a socket before the engine at another."""
    made = Engine(path, upstream)
    made.appear()
    try:
        yield made
    finally:
        made.stop()
