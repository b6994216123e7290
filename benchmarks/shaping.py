"""A network link between builders and registries: it counts what it moves, and may be slow.

All connections of a link share its rate, in each direction, as the jobs of one machine share its
network card. The proxies are threads of the benchmark, which does nothing else during a build.
"""

from __future__ import annotations

import contextlib
import math
import queue
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK: Final = 256 * 1024
# Chunks of a connection that are on their way in one direction: a full link of 10 ms has 1.25 MB.
_ON_THE_WAY: Final = 16
# Ports of four digits, because a service's name is replaced by one of the same length.
_PORTS: Final = range(6100, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a link can do; the default is as fast as the proxy itself."""

    bytes_per_second: float = math.inf
    round_trip: float = 0.0
    """Seconds to the other end and back."""


FAST: Final = Shape()
GIGABIT: Final = Shape(bytes_per_second=125e6, round_trip=0.010)


@dataclass(slots=True)
class Link:
    """A link whose shape can be changed; `up` and `down` are the bytes that it has moved."""

    shape: Shape = FAST
    up: int = 0
    down: int = 0
    _free: dict[bool, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrival(self, size: int, now: float, *, up: bool) -> float:
        """Count a chunk that is sent now, and return the time at which all of it has arrived."""
        with self._lock:
            if up:
                self.up += size
            else:
                self.down += size
            begun = max(now, self._free.get(up, now))
            sent = begun + size / self.shape.bytes_per_second
            self._free[up] = sent
            return sent + self.shape.round_trip / 2

    def moved(self) -> int:
        """Return the bytes that were moved so far, in both directions."""
        with self._lock:
            return self.up + self.down


@contextlib.contextmanager
def proxied(link: Link, upstream: str, *, renamed: bool = False) -> Iterator[str]:
    """Have a proxy before a host and port; yield the host and port at which it listens.

    `renamed` is for a service that names itself in answers: there, too, it gets the proxy's name.
    """
    listener = _listener()
    here = f"127.0.0.1:{listener.getsockname()[1]}"
    names = (upstream.encode(), here.encode()) if renamed else (b"", b"")
    accepting = threading.Thread(target=_accept, args=(listener, link, upstream, names))
    accepting.start()
    try:
        yield here
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def speed(shape: Shape, size: int = 100_000_000) -> float:
    """Return how many bytes a second a proxy of this shape moves on this machine.

    Both ends are threads of the same process, so this is a lower bound.
    """
    link = Link(shape)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=_serve, args=(server, size))
        sender.start()
        with proxied(link, f"127.0.0.1:{server.getsockname()[1]}") as near:
            host, _, port = near.partition(":")
            begun = time.perf_counter()
            with socket.create_connection((host, int(port))) as client:
                while client.recv(_CHUNK):
                    pass
            seconds = time.perf_counter() - begun
        sender.join()
    return size / seconds


def _serve(server: socket.socket, size: int) -> None:
    client, _ = server.accept()
    with client:
        chunk = bytes(_CHUNK)
        for _ in range(size // _CHUNK):
            client.sendall(chunk)


def renamed(chunk: bytes, names: tuple[bytes, bytes]) -> bytes:
    """Replace the name of a service in the beginning of an answer; nothing else has a name."""
    old, new = names
    return chunk.replace(old, new) if old and chunk.startswith(b"HTTP/1.") else chunk


def _listener() -> socket.socket:
    for port in _PORTS:
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    raise OSError(f"no port from {_PORTS.start} to {_PORTS.stop} is free")


def _accept(listener: socket.socket, link: Link, upstream: str, names: tuple[bytes, bytes]) -> None:
    host, _, port = upstream.rpartition(":")
    while True:
        try:
            near, _ = listener.accept()
        except OSError:  # closed: the benchmark is over
            return
        # The handshake takes a round trip, too; what arrives first has to wait for it.
        open_at = time.monotonic() + link.shape.round_trip
        try:
            far = socket.create_connection((host, int(port)))
        except OSError:
            near.close()
            continue
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def close(near: socket.socket = near, far: socket.socket = far) -> None:
            near.close()
            far.close()

        both = threading.Barrier(2, close)
        _pump(near, far, both, partial(_arrival, link, open_at, up=True))
        _pump(far, near, both, partial(_arrival, link, open_at, up=False), names)


def _arrival(link: Link, open_at: float, size: int, *, up: bool) -> float:
    return link.arrival(size, max(time.monotonic(), open_at), up=up)


def _pump(
    source: socket.socket,
    sink: socket.socket,
    both: threading.Barrier,
    arrival: Callable[[int], float],
    names: tuple[bytes, bytes] = (b"", b""),
) -> None:
    """Start two threads that move what a socket sends to another one; an empty chunk is its end.

    What need not wait is passed on by the first thread, because a handover costs time.
    """
    chunks: queue.Queue[tuple[float, bytes]] = queue.Queue(_ON_THE_WAY)

    def deliver(chunk: bytes) -> None:
        if not _send(sink, chunk):
            with contextlib.suppress(OSError):
                source.shutdown(socket.SHUT_RD)  # what still comes is dropped

    def read() -> None:
        chunk = b"."
        while chunk:
            try:
                chunk = renamed(source.recv(_CHUNK), names)
            except OSError:  # reset
                chunk = b""
            at = arrival(len(chunk))
            if chunk and not chunks.unfinished_tasks and at <= time.monotonic():
                deliver(chunk)
            else:
                chunks.put((at, chunk))

    def write() -> None:
        chunk = b"."
        while chunk:
            at, chunk = chunks.get()
            time.sleep(max(at - time.monotonic(), 0))
            deliver(chunk)
            chunks.task_done()
        both.wait()

    for target in (read, write):
        threading.Thread(target=target, daemon=True).start()


def _send(sink: socket.socket, chunk: bytes) -> bool:
    """Send a chunk, or the end; return whether the other side still listens."""
    try:
        if chunk:
            sink.sendall(chunk)
        else:
            sink.shutdown(socket.SHUT_WR)
    except OSError:  # reset
        return False
    return True
