"""A way to a registry that can be closed and opened again, as when the registry restarts."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE: Final = 64 * 1024


@dataclass(slots=True)
class Door:
    """Passes connections on; while it is shut they are refused, and those that were open end."""

    upstream: str
    host: str = ""
    opened: int = 0  # connections so far
    _listener: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", int(self.host.rpartition(":")[2] or 0)))
        self.host = f"127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        serve(listener, self._connect)

    def shut(self) -> None:
        if self._listener:
            # A thread that waits in accept would keep it alive.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def shut_for(self, seconds: float) -> None:
        """Shut it now, and open it after so many seconds."""
        self.shut()
        timer = threading.Timer(seconds, self.open)
        timer.daemon = True
        timer.start()

    def _connect(self, connection: socket.socket) -> None:
        self.opened += 1
        host, _, port = self.upstream.rpartition(":")
        with (
            contextlib.suppress(OSError),
            connection,
            socket.create_connection((host, int(port))) as registry,
        ):
            self._open += [connection, registry]
            back = threading.Thread(target=pass_on, args=(registry, connection), daemon=True)
            back.start()
            pass_on(connection, registry)
            back.join()


def serve(listener: socket.socket, connect: Callable[[socket.socket], None]) -> None:
    """Have a thread for each connection that a listener accepts, until it is closed."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=connect, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def door_to(upstream: str) -> Iterator[Door]:
    """Have an open door to a host."""
    made = Door(upstream)
    made.open()
    try:
        yield made
    finally:
        made.shut()
