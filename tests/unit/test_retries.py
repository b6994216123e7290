from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.foreign import check_linear
from warmbuild import retries


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, False),
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (413, False),
        (425, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
    ],
)
def test_which_status_passes(status: int, expected: bool) -> None:  # noqa: FBT001
    assert retries.status_passes(status) is expected


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            "failed to push r.io/a:1: unexpected status from HEAD request to "
            "http://r.io/v2/a/blobs/sha256:3: 500 Internal Server Error",
            id="a server's error, by BuildKit",
        ),
        pytest.param(
            "failed to authorize: failed to fetch oauth token: unexpected status from GET request "
            "to https://auth.r.io/token?scope=a: 503 Service Unavailable",
            id="a token service that is overloaded",
        ),
        pytest.param(
            'failed to do request: Put "http://r.io/v2/a/blobs/uploads/4?_state=x": read tcp '
            "10.0.0.2:4->10.0.0.3:5: read: connection reset by peer",
            id="a reset, by BuildKit",
        ),
        pytest.param(
            'failed to do request: Head "https://r.io/v2/": EOF', id="an end, by BuildKit"
        ),
        pytest.param("write tcp 10.0.0.2:4: write: broken pipe", id="a broken pipe"),
        pytest.param(
            'Get "https://r.io/v2/": net/http: TLS handshake timeout', id="a slow handshake"
        ),
        pytest.param("dial tcp 10.0.0.3:443: i/o timeout", id="a connection that hangs"),
        pytest.param("context deadline exceeded", id="a deadline"),
        pytest.param(
            "failed to push r.io/a:1: unknown: blob unknown to registry - sha256:1",
            id="a blob that is just being linked",
        ),
        pytest.param("failed to push r.io/a:1: unknown", id="the code UNKNOWN, by BuildKit"),
        pytest.param("unknown: unknown error", id="the code UNKNOWN, by the engine"),
        pytest.param(
            "toomanyrequests: You have reached your unauthenticated pull rate limit.",
            id="Docker Hub's limit",
        ),
        pytest.param("received unexpected HTTP status: 502 Bad Gateway", id="by the engine"),
        pytest.param(
            "lookup r.io on 10.0.0.1:53: server misbehaving", id="a name server's bad moment"
        ),
        pytest.param(
            "ConnectionResetError: [Errno 104] Connection reset by peer", id="a reset, by Python"
        ),
        pytest.param(
            "RemoteDisconnected: Remote end closed connection without response",
            id="an end, by Python",
        ),
        pytest.param(
            "IncompleteRead: IncompleteRead(1 bytes read, 1 more expected)",
            id="half a body, by Python",
        ),
        pytest.param("TimeoutError: timed out", id="a timeout, by Python"),
        # Of Go's syscall, net, net/http and x/net/http2, as a registry's restart shows them.
        pytest.param("dial tcp 10.0.0.3:443: connect: connection refused", id="nobody there"),
        pytest.param("dial tcp 10.0.0.3:443: connect: no route to host", id="no route"),
        pytest.param("dial tcp 10.0.0.3:443: connect: network is unreachable", id="no network"),
        pytest.param("dial tcp 10.0.0.3:443: connect: host is down", id="a host that is down"),
        pytest.param("dial tcp 10.0.0.3:443: connect: connection timed out", id="a slow kernel"),
        pytest.param(
            "dial tcp 10.0.0.3:443: connect: cannot assign requested address", id="no port left"
        ),
        pytest.param(
            "read tcp 10.0.0.2:4->10.0.0.3:5: read: software caused connection abort",
            id="an abort",
        ),
        pytest.param("read tcp 10.0.0.2:4: use of closed network connection", id="a closed one"),
        pytest.param(
            'Put "https://r.io/v2/": http: server closed idle connection', id="an idle one"
        ),
        pytest.param(
            "net/http: HTTP/1.x transport connection broken: write: broken pipe", id="a broken one"
        ),
        pytest.param(
            "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
            id="a slow answer",
        ),
        pytest.param("unexpected EOF", id="half an answer"),
        pytest.param(
            "http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR",
            id="a server that ends",
        ),
        pytest.param("http2: client connection lost", id="a connection that is lost"),
        pytest.param("http2: client conn is closed", id="a client's that is closed"),
        pytest.param(
            "http2: client connection force closed via ClientConn.Close", id="closed by force"
        ),
        pytest.param(
            "stream error: stream ID 3; INTERNAL_ERROR; received from peer", id="a stream's end"
        ),
        pytest.param("stream error: stream ID 3; REFUSED_STREAM", id="a stream that is refused"),
        pytest.param("stream error: stream ID 3; ENHANCE_YOUR_CALM", id="too many streams"),
        pytest.param(
            "http2: Transport: cannot retry err [http2: Transport received Server's graceful "
            "shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this "
            "error",
            id="an upload in a server's end",
        ),
        pytest.param(
            "lookup r.io on 10.0.0.1:53: read udp 10.0.0.2:4->10.0.0.1:53: i/o timeout",
            id="a slow name server",
        ),
        pytest.param(
            "lookup r.io: Temporary failure in name resolution", id="a name server that is away"
        ),
        pytest.param("ConnectionRefusedError: [Errno 111] Connection refused", id="by Python"),
        pytest.param("OSError: [Errno 113] No route to host", id="no route, by Python"),
        pytest.param("OSError: [Errno 101] Network is unreachable", id="no network, by Python"),
        pytest.param(
            "ConnectionAbortedError: [Errno 103] Software caused connection abort", id="x"
        ),
        pytest.param(
            "failed to fetch oauth token: unexpected status from GET request to "
            "https://auth.r.io/token: 408 Request Timeout",
            id="a token service that says 408",
        ),
        pytest.param(
            "failed to fetch oauth token: unexpected status from GET request to "
            "https://auth.r.io/token: 429 Too Many Requests",
            id="a token service that says 429",
        ),
        pytest.param(
            "failed to fetch oauth token: unexpected status from GET request to "
            "https://auth.r.io/token: 500 Internal Server Error",
            id="a token service that says 500",
        ),
        pytest.param(
            "failed to fetch oauth token: unexpected status from GET request to "
            "https://auth.r.io/token: 502 Bad Gateway",
            id="a token service that says 502",
        ),
        pytest.param(
            "failed to fetch oauth token: unexpected status from GET request to "
            "https://auth.r.io/token: 504 Gateway Timeout",
            id="a token service that says 504",
        ),
    ],
)
def test_an_error_that_passes(error: str) -> None:
    assert retries.passes(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("", id="nothing"),
        pytest.param("something that nobody knows", id="what nobody knows"),
        pytest.param("denied: requested access to the resource is denied", id="denied"),
        pytest.param("insufficient_scope: authorization failed", id="no right"),
        pytest.param("unknown: manifest invalid", id="a manifest that is refused"),
        pytest.param("repository name not known to registry: unknown name", id="no repository"),
        pytest.param(
            "unexpected status from PUT request to http://r.io/v2/a/manifests/1: 413 Request "
            "Entity Too Large: <html>the gateway's timeout page",
            id="a status that does not pass, with words that would",
        ),
        pytest.param(
            "failed to push r.io/a:1: failed to authorize: unexpected status from GET request to "
            "https://auth.r.io/token: 401 Unauthorized",
            id="a login that is wrong",
        ),
        pytest.param(
            "failed to push r.io/connection-reset/timeout:eof: denied", id="an image's name"
        ),
        pytest.param("dial tcp: lookup r.io on 10.0.0.1:53: no such host", id="no such host"),
        pytest.param("manifest for r.io/a:1 not found: manifest unknown", id="no such image"),
        pytest.param("tls: failed to verify certificate: x509: expired", id="a certificate"),
    ],
)
def test_an_error_that_stays(error: str) -> None:
    assert not retries.passes(error)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("Sat, 21 Nov 2026 08:00:07 GMT", 7.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
    ],
)
def test_how_long_a_registry_asks_to_wait(retry_after: str, expected: float | None) -> None:
    assert retries.asked_for(retry_after, "Sat, 21 Nov 2026 08:00:00 GMT") == expected


def test_a_point_in_time_says_nothing_without_the_registrys_clock() -> None:
    assert retries.asked_for("Sat, 21 Nov 2026 08:00:07 GMT", "") is None
    strange = "Mon, 01 Jan 2024 00:00:00 +999999999999"
    assert retries.asked_for(strange, "Sat, 21 Nov 2026 08:00:00 GMT") is None


@pytest.mark.parametrize(
    ("attempt", "retry_after", "first", "left", "expected"),
    [
        pytest.param(1, None, 2.0, 60.0, 2.0, id="the first pause"),
        pytest.param(2, None, 2.0, 60.0, 4.0, id="the second is longer"),
        pytest.param(3, None, 2.0, 60.0, 8.0, id="the third is the longest"),
        pytest.param(10**9, None, 2.0, 60.0, 8.0, id="and so are all others"),
        pytest.param(1, 5.0, 2.0, 60.0, 5.0, id="as long as was asked for"),
        pytest.param(2, 3.0, 2.0, 60.0, 4.0, id="but growing"),
        pytest.param(1, 60.0, 2.0, 60.0, 60.0, id="the last moment"),
        pytest.param(1, 3600.0, 2.0, 60.0, None, id="an hour is not waited for"),
        pytest.param(1, None, 0.5, 0.5, 0.5, id="just in time"),
        pytest.param(1, 1.0, 0.5, 0.9, None, id="longer than there is time"),
        pytest.param(1, None, 0.5, -1.0, None, id="too late already"),
    ],
)
def test_how_long_to_wait(
    attempt: int, retry_after: float | None, first: float, left: float, expected: float | None
) -> None:
    assert retries.pause(attempt, retry_after, first=first, left=left) == expected


HEADERS = st.text() | st.text("0123456789 .-+:GMTFriJan,", max_size=40)


@given(HEADERS, HEADERS)
def test_every_header_is_a_pause_or_none(retry_after: str, date: str) -> None:
    asked = retries.asked_for(retry_after, date)
    assert asked is None or asked >= 0
    pause = retries.pause(1, asked, left=30.0)
    assert pause is None or 0 <= pause <= 30


@given(st.text())
def test_every_text_is_an_error(text: str) -> None:
    assert retries.passes(text) in {True, False}


@pytest.mark.parametrize("word", ["a", "/", ":", "a ", "a/", "500 ", "unexpected"])
def test_a_long_error_is_read_in_linear_time(word: str) -> None:
    check_linear(retries.passes, lambda count: word * count, 2000)
