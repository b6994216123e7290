from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from warmbuild.builder import engine_calls, traffic
from warmbuild.builder.engine_calls import Address
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Address(path="/engine.sock")


def framed(*parts: str) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nServer: Docker\r\n\r\n"
    return head + b"".join(b"\1\0\0\0" + len(part).to_bytes(4) + part.encode() for part in parts)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def say(content: bytes) -> None:
        def attached(_at: Address, container: str, _argv: Sequence[str]) -> socket.socket:
            assert container == "buildx_buildkit_b0"
            ours, theirs = socket.socketpair()
            with theirs:
                theirs.sendall(content)
            return ours

        monkeypatch.setattr(engine_calls, "attached", attached)

    return say


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (framed("rchar: 9\nwchar: 61\nsyscr: 3\n", "rchar: 9\nwchar: 84549614\n"), 84549614),
        # The engine may cut anywhere.
        (framed("rchar: 9\nwch", "ar: 7", "1\nsyscr: 3\nwchar: 12\n"), 71),
        (framed("cat: can't open '/proc/9/io': No such process\n"), None),
        (framed(f"wchar: {'9' * 21}\n"), None),
        (b"HTTP/1.1 409 Conflict\r\n\r\nnot running", None),
        (b"", None),
    ],
)
def test_what_the_busiest_process_has_written(
    say: Callable[[bytes], None], content: bytes, expected: int | None
) -> None:
    say(content)
    assert traffic.written(HERE, "b") == expected


@pytest.mark.parametrize("error", [EngineError("gone"), OSError("reset")])
def test_an_engine_that_does_not_tell_costs_nothing(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> socket.socket:
        raise error

    monkeypatch.setattr(engine_calls, "attached", refused)
    assert traffic.written(HERE, "b") is None
    assert traffic.written(None, "b") is None
