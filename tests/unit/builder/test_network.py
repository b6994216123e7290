from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plans import planned
from tests.runs import PUSH
from warmbuild.builder import engine_calls, network
from warmbuild.builder.engine_calls import Address
from warmbuild.builder.network import Network
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from warmbuild.inputs.values import Inputs

AT = Address(path="/x")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


@pytest.mark.parametrize(
    ("values", "at", "why"),
    [
        pytest.param({}, AT, "", id="a container of this engine"),
        pytest.param({"builder": "mine"}, AT, "", id="one with a name"),
        pytest.param(
            {}, None, "the engine has no address, only a Docker context or SSH", id="no address"
        ),
        pytest.param(
            {"endpoint": "other"}, AT, "the input endpoint leads to another engine", id="elsewhere"
        ),
        *(
            pytest.param(
                {"driver": name, **more},
                AT,
                f"the driver {name} has no container for that",
                id=name,
            )
            for name, more in (
                ("docker", {}),
                ("kubernetes", {}),
                ("remote", {"endpoint": "tcp://h:1"}),
            )
        ),
    ],
)
def test_why_the_network_of_a_builder_cannot_be_used(
    parsed: Callable[..., Inputs], values: dict[str, str], at: Address | None, why: str
) -> None:
    builder = planned(parsed(**values), PUSH).builder
    assert network.obstacle(builder, at) == why
    if why:
        with pytest.raises(EngineError, match=why):
            network.of(builder, "b", at)


class Container:
    """A container in which each command is one end of a connection."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.ends: list[socket.socket] = []

    def attached(self, at: Address, name: str, argv: Sequence[str]) -> socket.socket:
        assert at == AT
        self.asked.append((name, tuple(argv)))
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        theirs.settimeout(10)
        self.ends.append(theirs)
        return ours


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    found = Container()
    monkeypatch.setattr(engine_calls, "attached", found.attached)
    yield found
    for end in found.ends:
        end.close()


def framed(*texts: bytes) -> bytes:
    return b"".join(b"\x01\0\0\0" + len(text).to_bytes(4) + text for text in texts)


def answering(container: Container, answer: bytes) -> threading.Thread:
    """Have the next command say something, and end."""

    def work() -> None:
        while not container.ends:
            time.sleep(0.01)
        with suppress(OSError):
            container.ends[0].sendall(answer)
        container.ends[0].close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("said", "is_there"),
    [
        pytest.param(framed(b"timeout\nnc\nboth are there\n"), True, id="both programs"),
        pytest.param(framed(b"timeout\n"), False, id="one of them"),
        pytest.param(framed(b"OCI runtime exec failed: sh: not found"), False, id="no shell"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_the_image_has_what_passes_bytes_on(
    parsed: Callable[..., Inputs], container: Container, said: bytes, *, is_there: bool
) -> None:
    builder = planned(parsed(), PUSH).builder
    thread = answering(container, HEAD + said)
    if is_there:
        found = network.of(builder, "b", AT)
        assert found == Network(at=AT, container="buildx_buildkit_b0")
    else:
        with pytest.raises(EngineError, match="the BuildKit image has no nc or timeout"):
            network.of(builder, "b", AT)
    thread.join()


def test_bytes_are_passed_on_in_both_directions(container: Container) -> None:
    thread = threading.Thread(target=lambda: container.ends[0].sendall(HEAD + framed(b"he", b"")))
    inside = Network(at=AT, container="c")

    def begin() -> None:
        while not container.ends:
            time.sleep(0.01)
        thread.start()

    starter = threading.Thread(target=begin)
    starter.start()
    with inside.connect("localhost", 5000) as here:
        here.settimeout(10)
        assert container.asked == [("c", ("timeout", "60", "nc", "localhost", "5000"))]
        assert here.recv(9) == b"he"
        here.sendall(b"GET /")
        assert container.ends[0].recv(9) == b"GET /"
        container.ends[0].sendall(framed(b"llo"))
        assert here.recv(9) == b"llo"
        container.ends[0].close()
        assert here.recv(9) == b""
    starter.join()
    thread.join()


def test_the_command_ends_with_the_connection_here(container: Container) -> None:
    starter = threading.Thread(target=answer_when_asked, args=(container, HEAD))
    starter.start()
    Network(at=AT, container="c").connect("::1", 80).close()
    assert container.ends[0].recv(1) == b""
    starter.join()


def answer_when_asked(container: Container, answer: bytes) -> None:
    while not container.ends:
        time.sleep(0.01)
    container.ends[0].sendall(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(
            b"HTTP/1.1 409 Conflict\r\n\r\n",
            "does not start the command",
            id="a container that ends",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\n", "closes the connection", id="no end of the head"),
        pytest.param(b"a" * 5000, "closes the connection", id="a head without end"),
    ],
)
def test_an_engine_that_refuses_is_a_failed_connection(
    container: Container, answer: bytes, said: str
) -> None:
    thread = answering(container, answer)
    with pytest.raises(OSError, match=said):
        Network(at=AT, container="c").connect("h", 1)
    thread.join()


def test_an_engine_that_is_gone_is_a_failed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise EngineError("the engine refuses: no such container")

    monkeypatch.setattr(engine_calls, "attached", refuse)
    with pytest.raises(OSError, match="no such container"):
        Network(at=AT, container="c").connect("h", 1)


@given(st.lists(st.binary(max_size=20), max_size=6), st.integers(1, 9))
def test_frames_are_read_however_they_arrive(texts: list[bytes], size: int) -> None:
    whole = framed(*texts)
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert b"".join(engine_calls.unframed(parts)) == b"".join(texts)


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_what_is_no_frame_does_no_harm(parts: list[bytes]) -> None:
    assert len(b"".join(engine_calls.unframed(parts))) <= sum(map(len, parts))
