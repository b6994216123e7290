"""What a registry or a token service may answer instead of what it should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    Pieces = Callable[[threading.Event], Iterator[bytes]]

OK: Final = b"HTTP/1.1 200 OK\r\n"


def _whole(*parts: bytes) -> Pieces:
    return lambda _stopped: iter([b"".join(parts)])


def _json(status: str, body: bytes, *headers: bytes) -> Pieces:
    length = b"Content-Length: %d\r\n" % len(body)
    return _whole(
        b"HTTP/1.1 ", status.encode(), b"\r\nContent-Type: application/json\r\n", length,
        *(header + b"\r\n" for header in headers), b"\r\n", body,
    )  # fmt: skip


def _again(first: bytes, piece: bytes, seconds: float) -> Pieces:
    def pieces(stopped: threading.Event) -> Iterator[bytes]:
        yield first
        while not stopped.wait(seconds):
            yield piece

    return pieces


def _silent(stopped: threading.Event) -> Iterator[bytes]:
    yield b""
    stopped.wait()


def _redirect(place: bytes) -> Pieces:
    return _json("307 Temporary Redirect", b"", b"Location: " + place)


# That end by themselves, or are ended by the client.
ENDLESS: Final[Mapping[str, Pieces]] = {
    "silence": _silent,
    "100 Continue for ever": _again(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.1),
    "a header that trickles": _again(OK + b"X: ", b"a", 0.3),
    "headers without an end": _again(OK, b"X-%d: y\r\n" % 1, 0.0),
    "a body that trickles": _again(OK + b"Content-Length: 9999\r\n\r\n", b" ", 0.3),
    "a body without an end": _again(OK + b"\r\n", b" " * 65536, 0.0),
    "chunks without an end": _again(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.01
    ),
}
BROKEN: Final[Mapping[str, Pieces]] = {
    "nothing": _whole(),
    "no HTTP": _whole(b"\x00\x01\x02\r\n\r\n"),
    "a status that is none": _whole(b"HTTP/1.1 abc\r\n\r\n"),
    "a length below 0": _whole(OK, b"Content-Length: -5\r\n\r\n{}"),
    "half a body": _whole(OK, b"Content-Length: 500\r\n\r\n{"),
    "a chunk of any size": _whole(OK, b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n"),
    "a redirect to nowhere": _redirect(b"http://[::1"),
    "a redirect with a space": _redirect(b"http://a b/"),
    "a redirect to another scheme": _redirect(b"file:///etc/passwd"),
    "a redirect with no host": _redirect(b"http://"),
    "a redirect to a port that is none": _redirect(b"http://127.0.0.1:99999/"),
    "a redirect to a port that is a word": _redirect(b"http://127.0.0.1:port/"),
    "a redirect to itself": _redirect(b"."),
    "a challenge that is none": _json("401 No", b"", b"WWW-Authenticate: \xff\xfe"),
    "a challenge of a realm that is none": _json(
        "401 No", b"", b'WWW-Authenticate: Bearer realm="http://[::1",service="x"'
    ),
    "a challenge without a realm": _json("401 No", b"", b"WWW-Authenticate: Bearer"),
    "a long challenge": _json("401 No", b"", b"WWW-Authenticate: Bearer " + b'a="b",' * 2000),
    "an error that is deep": _json("400 No", b"[" * 50_000),
    "an error of control characters": _json(
        "400 No",
        json.dumps({"errors": [{"code": "\x1b[2J", "message": "a\n::error::b\r\x07"}]}).encode(),
    ),
    "an error that is long": _json(
        "400 No", json.dumps({"errors": [{"code": "X", "message": "y" * 500_000}]}).encode()
    ),
    "an error that is a list": _json("400 No", b"[]"),
    "an error that is a text": _json("403 No", b'"x"'),
    "errors that are none": _json("403 No", b'{"errors": [null, 1, "x", {"code": []}]}'),
}
TOKENS: Final[Mapping[str, Pieces]] = {
    "a list": _json("200 OK", b"[]"),
    "a text": _json("200 OK", b'"x"'),
    "null": _json("200 OK", b"null"),
    "deep": _json("200 OK", b'{"token":' * 50_000),
    "a number": _json("200 OK", b'{"token": 5}'),
    "a token with control characters": _json("200 OK", b'{"token": "a\\r\\nX: y"}'),
    "a token that is not ASCII": _json("200 OK", '{"token": "é"}'.encode()),
    "an empty token": _json("200 OK", b'{"token": ""}'),
    "no JSON": _json("200 OK", b"token=x"),
    "not UTF-8": _json("200 OK", b'{"token": "\xff"}'),
    "NaN": _json("200 OK", b'{"token": NaN}'),
    "a token of a megabyte": _json("200 OK", b'{"token": "' + b"x" * 1_000_000 + b'"}'),
    "refused": _json("403 Forbidden", b"{}"),
    "without words": _json("200 OK", b""),
}
