from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import pytest
import requests
import responses
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cache import probe
from warmbuild.registry import exchange
from warmbuild.registry.exchange import Reply, Request, SilentError, UntrustedError
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

URL = "https://r.io/a"


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def send(method: str = "GET", url: str = URL, *, left: float = 30.0, **more: str) -> Reply:
    request = Request(method=method, url=url, headers={}, authorization=more.get("login", ""))
    session = exchange.session(Transport(), URL)
    return exchange.exchange(session, request, connect=1.0, answer=2.0, left=left)


@pytest.mark.parametrize(
    ("method", "url", "status", "location", "then"),
    [
        pytest.param("GET", URL, 307, "https://cdn.io/x", "without the login", id="another host"),
        pytest.param("GET", URL, 301, "https://r.io:444/x", "without the login", id="a port"),
        pytest.param("GET", "http://r.io/a", 308, "https://r.io/x", "without the login", id="TLS"),
        pytest.param("GET", "http://r.io/a", 303, "http://o.io/x", "without the login", id="plain"),
        pytest.param("GET", URL, 302, "/x", "with the login", id="a path"),
        pytest.param("GET", URL, 302, "https://R.io:443/x", "with the login", id="the same host"),
        pytest.param("PUT", URL, 307, "/x", "with the login", id="a write to the same host"),
        pytest.param("PUT", URL, 302, "/x", "", id="a write that would become a read"),
        pytest.param("PUT", URL, 308, "https://evil.io/x", "", id="a write to another host"),
        pytest.param("PUT", URL, 308, "http://r.io/x", "", id="a write without TLS"),
        pytest.param("GET", URL, 304, "/x", "", id="no redirect"),
        pytest.param("GET", URL, 302, "", "", id="a redirect to nowhere"),
    ],
)
def test_a_redirect_is_followed_with_the_login_on_the_same_host_alone(
    mocked: responses.RequestsMock, method: str, url: str, status: int, location: str, then: str
) -> None:
    headers = {"Location": location} if location else {}
    mocked.add(method, url, status=status, headers=headers)
    for scheme, host in (("https", "cdn.io"), ("https", "r.io:444"), ("https", "r.io")):
        mocked.add(method, f"{scheme}://{host}/x", body="there")
    mocked.add(method, "http://o.io/x", body="there")
    reply = send(method, url, login="Basic x")
    assert reply.asked == f"{method} /a"
    assert (reply.status, reply.body) == ((200, b"there") if then else (status, b""))
    assert len(mocked.calls) == (2 if then else 1)
    last = "Authorization" in mocked.calls[-1].request.headers
    assert last is (then != "without the login")


@pytest.mark.parametrize("location", ["/x", "https://cdn.io/x", "http://r.io/x"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_signed_request_follows_no_redirect(
    mocked: responses.RequestsMock, method: str, location: str
) -> None:
    mocked.add(method, URL, status=307, headers={"Location": location})
    request = Request(method=method, url=URL, headers={}, is_final=True)
    session = exchange.session(Transport(), URL)
    reply = exchange.exchange(session, request, connect=1.0, answer=2.0, left=30.0)
    assert reply.status == 307


@pytest.mark.parametrize("location", ["http://r.io/x", "http://cdn.io/x", "ftp://cdn.io/x"])
def test_a_redirect_to_an_address_without_tls_is_not_followed(
    mocked: responses.RequestsMock, location: str
) -> None:
    mocked.get(URL, status=302, headers={"Location": location})
    with pytest.raises(UntrustedError, match="redirects from HTTPS to an address without it"):
        send()


@pytest.mark.parametrize("location", ["https://[", "https://r.io:x/", "https://r.io:99999/"])
def test_a_redirect_to_what_is_no_address_is_no_answer(
    mocked: responses.RequestsMock, location: str
) -> None:
    mocked.get(URL, status=302, headers={"Location": location})
    with pytest.raises(SilentError, match="cannot be reached"):
        send()


def test_redirects_end(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, status=302, headers={"Location": URL})
    with pytest.raises(UntrustedError, match="redirects more than 10 times"):
        send()
    assert len(mocked.calls) == 11


def test_a_body_is_read_no_further_than_one_byte_more_than_buildkit_reads(
    mocked: responses.RequestsMock,
) -> None:
    mocked.get(URL, body=b"a" * (3 * probe.LARGEST))
    assert len(send().body) == probe.LARGEST + 1


def test_headers_are_lines_of_a_bounded_length(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, headers={"X-Folded": "a\r\n b", "X-Long": "a" * 9000, "X-Ok": "a" * 8000})
    headers = send().headers
    assert headers["x-folded"] == "a b"
    assert "x-long" not in headers
    assert headers["x-ok"] == "a" * 8000


def not_trusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


def no_tls() -> ssl.SSLError:
    error = ssl.SSLError(1, "wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    return error


@pytest.mark.parametrize(
    ("error", "said", "passes"),
    [
        (requests.ConnectTimeout("timed out"), "cannot be reached within 1 s", True),
        (requests.ReadTimeout("timed out"), "does not answer within 2 s", True),
        (
            urllib3.exceptions.ReadTimeoutError(None, "", "timed out"),  # type: ignore[arg-type]
            "does not answer within 2 s",
            True,
        ),
        (no_tls(), r"does not speak TLS as expected \(wrong version number\)", False),
        (ssl.SSLEOFError(8, "EOF occurred"), "closes the connection early", True),
        (not_trusted(), r"is not trusted here \(certificate has expired\)", False),
        (urllib3.exceptions.ProtocolError("broken pipe"), "closes the connection early", True),
        (requests.exceptions.InvalidURL("bad"), "cannot be reached", False),
        (UnicodeError("bad"), "cannot be reached", False),
        (OSError("bad"), "cannot be reached", False),
    ],
)
def test_why_there_is_no_answer(
    mocked: responses.RequestsMock,
    error: Exception,
    said: str,
    passes: bool,  # noqa: FBT001
) -> None:
    mocked.get(URL, body=error)
    with pytest.raises(SilentError, match=said) as raised:
        send()
    assert raised.value.passes is passes


def test_what_nobody_expected_is_raised_where_the_answer_is_waited_for(
    mocked: responses.RequestsMock,
) -> None:
    mocked.get(URL, body=KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        send()


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def hang(*_: object, **__: object) -> None:
        ended.wait(10)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begun = time.monotonic()
    with pytest.raises(SilentError, match="does not answer in time") as raised:
        send(left=0.2)
    assert raised.value.passes
    assert time.monotonic() - begun < 5
    ended.set()


def test_there_is_no_exchange_without_time() -> None:
    with pytest.raises(SilentError):
        send(left=-1.0)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("verify", "expected"), [(True, "/theirs"), (False, False), ("/own.pem", "/own.pem")]
)
def test_a_bundle_of_the_environment_serves_where_the_daemon_has_no_setting(
    mocked: responses.RequestsMock,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    verify: bool | str,  # noqa: FBT001
    expected: bool | str,  # noqa: FBT001
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "/theirs")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.io:3128")
    mocked.get(URL)
    request = Request(url=URL, headers={})
    exchange.exchange(
        exchange.session(Transport(verify=verify), URL), request, connect=1.0, answer=1.0, left=30.0
    )
    settings = mocked.calls[0].request.req_kwargs  # type: ignore[attr-defined]  # responses adds it
    assert settings["verify"] == expected
    assert settings["proxies"]["https"] == "http://proxy.io:3128"


def test_no_login_is_taken_from_netrc(
    mocked: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine r.io login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    mocked.get(URL)
    send()
    assert "Authorization" not in mocked.calls[0].request.headers


@pytest.mark.parametrize(
    ("sent", "pause", "left", "said"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, 30, "", id="whole"),
        pytest.param(b"", 0, 30, "does not answer within 0 s", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99, 0.02, 0.3, "within 0 s", id="slow"),
        pytest.param(b"HTTP/1.1 100 X\r\n\r\n" * 99_999, 0, 0.2, "within 0 s", id="interim"),
    ],
)
def test_every_wait_for_a_server_has_an_end(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, pause: float, left: float, said: str
) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(urllib3.util.connection, "create_connection", lambda *_, **__: ours)

    def serve() -> None:
        with suppress(OSError):
            for at in range(len(sent)):
                theirs.sendall(sent[at : at + 1])
                time.sleep(pause)

    thread = threading.Thread(target=serve)
    request = Request(url="http://r.io/", headers={})
    with theirs, exchange.session(Transport(), URL) as session:
        thread.start()
        with pytest.raises(SilentError, match=said) if said else nullcontext():
            reply = exchange.exchange(session, request, connect=1.0, answer=0.2, left=left)
            assert (reply.is_ok, reply.body) == (True, b"{}")
        thread.join()


@given(st.text(max_size=60))
def test_a_location_is_at_home_or_nowhere(location: str) -> None:
    found = exchange.at_home(URL, location)
    assert found == "" or found.startswith("https://r.io")


@given(
    st.sampled_from(["", "/", "//", "https://", "http://"]), st.text("r.io:@\\/?#4[]", max_size=12)
)
def test_no_host_passes_for_home(begin: str, rest: str) -> None:
    found = exchange.at_home(URL, begin + rest)
    assert found == "" or urllib3.util.parse_url(found).host == "r.io"


def test_the_registries_that_this_machine_does_not_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def connect(server: tuple[str, int], patience: float) -> socket.socket:
        assert patience == 5.0
        tried.append(server)
        if server[1] == 2:
            raise ConnectionRefusedError
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)
    known = {f"127.0.0.1:{port}": Transport(scheme="http") for port in (1, 2)}
    known["registry:2"] = Transport()
    # For this machine's own there is no proxy.
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    assert exchange.unreached(known, 5.0) == {"127.0.0.1:2", "registry:2"}
    assert sorted(tried) == [("127.0.0.1", 1), ("127.0.0.1", 2), ("registry", 2)]
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    assert exchange.unreached(known, 5.0) == {"127.0.0.1:2"}


def test_a_registry_that_takes_no_connection_in_time_is_not_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()

    def connect(*_: object) -> socket.socket:
        is_over.wait(10)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert exchange.unreached({"r:1": Transport()}, 0.1) == {"r:1"}
    is_over.set()


def test_requests_to_the_registry_alone_take_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    asked: list[bytes] = []

    def serving(answer: str) -> socket.socket:
        """Return a connection to a server with one answer."""
        ours, theirs = socket.socketpair()

        def work() -> None:
            with theirs:
                asked.append(theirs.recv(4096).partition(b"\r\n")[0])
                theirs.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return ours

    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setattr(
        urllib3.util.connection, "create_connection", lambda *_, **__: serving("204 X")
    )
    there = "307 X\r\nLocation: http://127.0.0.1:5001/there"
    transport = Transport(scheme="http", connect=lambda: serving(there))
    with exchange.session(transport, "http://registry:5000/") as session:
        request = Request(url="http://registry:5000/v2/", headers={})
        reply = exchange.exchange(session, request, connect=1.0, answer=2.0, left=9.0)
    for thread in threads:
        thread.join()
    assert reply.status == 204
    # A proxy would be asked by the whole address.
    assert asked == [b"GET /v2/ HTTP/1.1", b"GET /there HTTP/1.1"]


def _refused() -> socket.socket:
    raise OSError("the engine refuses")


def _ended() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


@pytest.mark.parametrize(
    ("connect", "said"),
    [
        pytest.param(_refused, "cannot be reached", id="the engine does not help"),
        pytest.param(
            _ended, "cannot be reached, neither from here nor from the builder", id="nobody there"
        ),
    ],
)
def test_a_way_that_leads_nowhere_is_said(connect: Callable[[], socket.socket], said: str) -> None:
    transport = Transport(scheme="http", connect=connect)
    with exchange.session(transport, "http://registry/") as session:
        request = Request(url="http://registry/v2/", headers={})
        with pytest.raises(SilentError, match=f"^{said}$") as error:
            exchange.exchange(session, request, connect=1.0, answer=1.0, left=5.0)
    assert error.value.passes == (connect is _ended)
