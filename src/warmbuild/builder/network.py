"""The network of a builder's container, in which BuildKit reaches what this process cannot.

A program in the container passes bytes on, over a connection of the engine's API. TLS and HTTP are
spoken here, so no credential is seen there, neither in a list of processes nor, with TLS, at all.
"""

from __future__ import annotations

import select
import socket
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import signals
from warmbuild.builder import engine_calls, leftovers
from warmbuild.errors import EngineError
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warmbuild.builder.engine_calls import Address
    from warmbuild.plan.build_plan import BuilderPlan

# Asks for the programs by which the container passes bytes on; BuildKit's images have them.
_SEEN: Final = "both are there"
_LOOK: Final = ("sh", "-c", f"command -v timeout && command -v nc && echo {_SEEN}")
_MOST_SAID: Final = 4096
# How long a connection may last, in seconds; a server that never closes it is left then.
_LONGEST: Final = 60
# The most that is passed on at once, in bytes.
_PIECE: Final = 64 * 1024


@frozen
class Network:
    """The network of the container of a builder that is up."""

    at: Address
    container: str

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to a server; the connection ends at once if it is not there.

        Raises OSError if the engine does not allow that.
        """
        argv = ("timeout", str(_LONGEST), "nc", host, str(port))
        try:
            far = engine_calls.attached(self.at, self.container, argv)
        except EngineError as error:
            raise OSError(str(error)) from error
        try:
            _skip_head(far)
        except OSError:
            far.close()
            raise
        here, there = socket.socketpair()
        signals.start_thread(partial(_pass_on, far, there))
        return here


def obstacle(plan: BuilderPlan, at: Address | None) -> str:
    """Return why the network of a builder cannot be used, or an empty text."""
    reasons = (
        (not plan.driver.has_container, f"the driver {plan.driver.name} has no container for that"),
        (plan.endpoint, "the input endpoint leads to another engine"),
        (at is None, "the engine has no address, only a Docker context or SSH"),
    )
    return next((why for holds, why in reasons if holds), "")


def of(plan: BuilderPlan, name: str, at: Address | None) -> Network:
    """Return the network of a builder that is up; raises EngineError if it cannot be used."""
    why = obstacle(plan, at)
    if why or at is None:
        raise EngineError(why)
    container = leftovers.container(name)
    with closing(engine_calls.attached(at, container, _LOOK)) as connection:
        found = engine_calls.said(connection, most=_MOST_SAID, enough=_SEEN)
    if _SEEN not in found:
        raise EngineError("the BuildKit image has no nc or timeout")
    return Network(at=at, container=container)


def _skip_head(far: socket.socket) -> None:
    """Read the head of the engine's answer; raises OSError if the command does not start."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = far.recv(1)
        if not byte or len(head) > _MOST_SAID:
            raise ConnectionResetError("the engine closes the connection")
        head += byte
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ConnectionResetError("the engine does not start the command")


def _pass_on(far: socket.socket, near: socket.socket) -> None:
    """Pass on what a command in the container and a client here say, until either ends."""
    with far, near, suppress(OSError):
        for part in engine_calls.unframed(_from(far, near)):
            near.sendall(part)


def _from(far: socket.socket, near: socket.socket) -> Iterator[bytes]:
    """Yield what arrives from the command, and send it what arrives from the client.

    One thread does both, because two may not use a connection with TLS at once.
    """
    while True:
        # With TLS, what is there may have been received already.
        has_more = bool(getattr(far, "pending", int)())
        ready = [far] if has_more else select.select([far, near], [], [])[0]
        if near in ready:
            part = near.recv(_PIECE)
            if not part:
                return
            far.sendall(part)
        if far in ready:
            part = far.recv(_PIECE)
            if not part:
                return
            yield part
