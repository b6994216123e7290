from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild.builder import engine_calls
from warmbuild.builder.engine_calls import Address, Volume
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Address(path="/x")
# What the engine answers if the volume v is there.
THERE = (200, {"Volumes": [{"Name": "v"}]})
LISTS = "GET /volumes?filters=%7B%22name%22%3A%20%5B%22buildx_buildkit_%22%5D%7D"
NEAR = Address(path="/var/run/docker.sock", is_near=True)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param({}, NEAR, id="by default"),
        pytest.param({"DOCKER_CONTEXT": "default"}, NEAR, id="the default context"),
        pytest.param({"DOCKER_CONTEXT": "desktop"}, None, id="another context"),
        pytest.param(
            {"DOCKER_HOST": "unix:///run/d.sock"},
            Address(path="/run/d.sock", is_near=True),
            id="unix",
        ),
        pytest.param({"DOCKER_HOST": "ssh://me@there"}, None, id="over SSH"),
        pytest.param({"DOCKER_HOST": "tcp://"}, None, id="no host"),
        pytest.param({"DOCKER_HOST": "tcp://h:x"}, None, id="no port"),
        pytest.param(
            {"DOCKER_HOST": "tcp://h"}, Address(host="h", port=2375, verifies=False), id="tcp"
        ),
        pytest.param(
            {
                "DOCKER_HOST": "tcp://docker:2376",
                "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": "/c",
            },
            Address(host="docker", port=2376, certificates="/c", is_near=True),
            id="docker-in-docker",
        ),
    ],
)
def test_where_the_engine_is(tmp_path: Path, env: dict[str, str], expected: Address | None) -> None:
    assert engine_calls.address({"DOCKER_CONFIG": str(tmp_path), **env}) == expected


def test_a_context_of_the_configuration_leads_elsewhere_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "desktop"}')
    assert engine_calls.address({"DOCKER_CONFIG": str(tmp_path)}) == NEAR
    meta = tmp_path / "contexts" / "meta" / "0a1b"
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text('{"Name": "desktop"}')
    assert engine_calls.address({"DOCKER_CONFIG": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("host", "pod", "expected"),
    [
        ("unix:///x", {}, True),
        ("tcp://localhost:1", {}, True),
        ("tcp://docker:2376", {}, True),
        ("tcp://engine.example.com:1", {}, False),
        ("tcp://docker:2376", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
    ],
)
def test_an_engine_that_may_run_here(host: str, pod: dict[str, str], *, expected: bool) -> None:
    found = engine_calls.address({"DOCKER_HOST": host, **pod})
    assert found
    assert found.is_near is expected


class Engine:
    """Answers each request in turn, as an engine does over HTTP/1.0; status 0 is no answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[tuple[int, object] | None] = []  # None: it stays silent
        self.requests: list[tuple[str, object]] = []
        self.threads: list[threading.Thread] = []
        monkeypatch.setattr(engine_calls, "connected", self.connected)

    def connected(self, at: Address, timeout: float) -> socket.socket:
        assert at == HERE
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        thread = threading.Thread(target=self.serve, args=(theirs,), daemon=True)
        thread.start()
        self.threads.append(thread)
        return ours

    def serve(self, connection: socket.socket) -> None:
        head, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        length = next(int(one.split(": ")[1]) for one in fields if one.startswith("Content-L"))
        while len(rest) < length:
            rest += connection.recv(65536)
        self.requests.append((line.removesuffix(" HTTP/1.0"), json.loads(rest) if rest else None))
        answer = self.answers.pop(0)
        if answer is None:
            connection.recv(1)
        else:
            status, body = answer
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            # Whoever reads only some of it has gone by then.
            with suppress(BrokenPipeError):
                if status:
                    connection.sendall(b"HTTP/1.0 %d X\r\nA: b\r\n\r\n" % status + content)
        connection.close()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    found = Engine(monkeypatch)
    yield found
    for thread in found.threads:
        thread.join()


def test_a_volume_is_created(engine: Engine) -> None:
    engine.answers = [(201, {"Name": "v"})]
    engine_calls.create_volume(HERE, "v", {"type": "tmpfs"}, {"l": "1"})
    body = {"Name": "v", "Driver": "local", "DriverOpts": {"type": "tmpfs"}, "Labels": {"l": "1"}}
    assert engine.requests == [("POST /volumes/create", body)]


def test_volumes_are_listed(engine: Engine) -> None:
    found = [
        {"Name": "a", "Labels": {"l": "7"}, "CreatedAt": "2026-01-02T03:04:05Z"},
        {"Name": "b", "Labels": None, "CreatedAt": "2026-01-02T03:04:05"},
        {"Name": "c", "Labels": {"l": 7}, "CreatedAt": "yesterday"},
        "what",
    ]
    engine.answers = [(200, {"Volumes": found})]
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    *known, odd = engine_calls.volumes(HERE, "l")
    assert known == [
        Volume(name="a", labels={"l": "7"}, created=at),
        Volume(name="b", labels={}, created=at),
    ]
    assert (odd.name, odd.labels) == ("c", {})
    assert datetime.now(UTC) - odd.created < timedelta(minutes=1)
    assert engine.requests == [("GET /volumes?filters=%7B%22label%22%3A%20%5B%22l%22%5D%7D", None)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Os": "linux", "Arch": "arm64"}, "linux/arm64"),
        # Its variant is not said.
        ({"Os": "linux", "Arch": "arm"}, ""),
        ({"Os": 7}, ""),
        ([], ""),
    ],
)
def test_the_platform_of_an_engine(engine: Engine, answer: object, expected: str) -> None:
    engine.answers = [(200, answer)]
    assert engine_calls.platform(HERE) == expected
    assert engine.requests == [("GET /version", None)]


def test_an_engine_has_no_volumes(engine: Engine) -> None:
    engine.answers = [(200, {"Volumes": None})]
    assert engine_calls.volumes(HERE, "l") == ()


@pytest.mark.parametrize("answer", [{}, {"Volumes": {}}, [], b"{", b""])
def test_what_is_no_list_says_nothing_about_what_is_there(engine: Engine, answer: object) -> None:
    engine.answers = [(200, answer), (200, answer)]
    with pytest.raises(EngineError, match="the engine does not answer with a list"):
        engine_calls.volumes(HERE, "l")
    if answer != []:
        with pytest.raises(EngineError, match="the engine does not answer with a list"):
            engine_calls.running(HERE)


def frame(text: str) -> bytes:
    content = text.encode()
    return b"\2\0\0\0" + len(content).to_bytes(4) + content


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(frame("no\n \n") + frame("\nno") + frame("pe\n"), "no\nnope", id="frames"),
        pytest.param(frame("flag\n") * 3, "flag", id="a daemon that is started again"),
        pytest.param(
            b"".join(frame(f"{number}\n") for number in range(12)),
            "2\n3\n4\n5\n6\n7\n8\n9\n10\n11",
            id="a long log",
        ),
        pytest.param(
            frame("whole\n") + frame("half")[:-2], "whole\nha", id="a log that is cut off"
        ),
        pytest.param(b"\2\0\0\0\xff\xff\xff\xffx\xff", "x\ufffd", id="a size that is wrong"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"\2\0", "", id="no frame"),
    ],
)
def test_the_last_errors_of_a_daemon(engine: Engine, answer: bytes, expected: str) -> None:
    engine.answers = [(200, answer)]
    assert engine_calls.daemon_said(HERE, "b") == expected
    path = "GET /containers/buildx_buildkit_b0/logs?stderr=1&tail=200"
    assert engine.requests == [(path, None)]


@pytest.mark.parametrize("answer", [(0, b""), (404, {"message": "no such container"})])
def test_an_engine_that_has_no_log_says_nothing(engine: Engine, answer: tuple[int, object]) -> None:
    engine.answers = [answer]
    assert engine_calls.daemon_said(HERE, "b") == ""


@pytest.mark.parametrize("answer", [(500, {}), (200, b"{")])
def test_a_volume_is_removed_though_the_engine_does_not_list_it(
    engine: Engine, answer: tuple[int, object]
) -> None:
    engine.answers = [answer, (204, b"")]
    assert engine_calls.remove_volume(HERE, "v", patience=1)
    assert engine.requests[-1] == ("DELETE /volumes/v", None)


def test_an_engine_may_be_gone_for_a_moment(engine: Engine) -> None:
    engine.answers = [(0, b""), (204, b""), (200, {"Volumes": []})]
    engine_calls.remove_builder(HERE, "b", patience=1)
    removal = "DELETE /containers/buildx_buildkit_b0?force=true"
    assert [request for request, _ in engine.requests] == [removal, removal, LISTS]


def test_an_engine_that_stays_away_is_an_error(engine: Engine) -> None:
    engine.answers = [(0, b"")] * 9
    with pytest.raises(EngineError, match="does not answer: it closes the connection"):
        engine_calls.remove_builder(HERE, "b", patience=1, restart=0)


def test_containers_that_run_are_named(engine: Engine) -> None:
    engine.answers = [(200, [{"Names": ["/a", "/b"]}, {"Names": None}, {}])]
    assert engine_calls.running(HERE) == {"a", "b"}


def test_a_command_is_attached(engine: Engine) -> None:
    engine.answers = [(201, {"Id": "e/1"}), (200, b"\1\0\0\0\0\0\0\3hi\n")]
    connection = engine_calls.attached(HERE, "c", ["sh", "-c", "x"])
    with connection:
        assert "hi\n" in engine_calls.said(connection, most=4096, enough="hi\n")
    body = {"AttachStdin": True, "AttachStdout": True, "Cmd": ["sh", "-c", "x"]}
    assert engine.requests == [
        ("POST /containers/c/exec", body),
        ("POST /exec/e%2F1/start", {}),
    ]


def test_what_a_command_says_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_calls, "_FIRST_WORD", 0.3)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 200_000)
        assert len(engine_calls.said(ours, most=100, enough="no")) <= 64 * 1024
        theirs.shutdown(socket.SHUT_WR)
        while ours.recv(200_000):
            pass
        assert engine_calls.said(ours, most=100, enough="no") == ""
        theirs.close()
        assert engine_calls.said(ours, most=100, enough="no") == ""


@pytest.mark.parametrize("status", [204, 404, 409])
def test_a_container_that_is_gone_or_going_is_removed(engine: Engine, status: int) -> None:
    engine.answers = [(status, {"message": "no such thing"})]
    engine_calls.remove_container(HERE, "c")
    assert [line for line, _ in engine.requests] == ["DELETE /containers/c?force=true"]


@pytest.mark.parametrize("last", [204, 404])
def test_a_volume_is_removed_once_its_container_lets_it_go(engine: Engine, last: int) -> None:
    engine.answers = [THERE, (409, {"message": "in use"}), (500, {}), (last, {})]
    assert engine_calls.remove_volume(HERE, "v", patience=1)
    lines = [line for line, _ in engine.requests]
    assert lines == [LISTS, *["DELETE /volumes/v"] * 3]


def test_a_volume_that_is_gone_is_not_removed(engine: Engine) -> None:
    engine.answers = [(200, {"Volumes": [{"Name": "v2"}]})]
    assert engine_calls.remove_volume(HERE, "v", patience=1)


def test_a_volume_that_is_held_for_ever_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_calls, "_HELD", 0.2)
    engine.answers = [THERE, *[(409, {"message": "in use"})] * 99]
    with pytest.raises(EngineError, match="the engine refuses: in use"):
        engine_calls.remove_volume(HERE, "v", patience=1)


def test_a_removal_that_takes_long_goes_on_alone(engine: Engine) -> None:
    engine.answers = [THERE, None]
    assert not engine_calls.remove_volume(HERE, "v", patience=0.05)


def test_a_removal_that_may_have_to_wait_for_others_is_waited_for(
    engine: Engine,
) -> None:
    engine.answers = [(200, {"Volumes": [{"Name": "v"}, {"Name": "other"}]}), None]
    begun = time.monotonic()
    with pytest.raises(EngineError, match="the engine does not answer: timed out"):
        engine_calls.remove_volume(HERE, "v", patience=0.01, most=0.3)
    assert time.monotonic() - begun > 0.25


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((500, {"message": "full"}), "the engine refuses: full"),
        ((404, {}), "the engine refuses: status 404"),
        ((403, b"<html>"), "the engine refuses: status 403"),
        ((302, ["x"]), "the engine refuses: status 302"),
    ],
)
def test_a_refusal_is_an_error(engine: Engine, answer: tuple[int, object], expected: str) -> None:
    engine.answers = [answer]
    with pytest.raises(EngineError) as raised:
        engine_calls.create_volume(HERE, "v", {}, {})
    assert str(raised.value) == expected


def test_an_engine_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(at: Address, timeout: float) -> socket.socket:
        raise FileNotFoundError(2, f"no socket {at.path} after {timeout:.0f} s")

    monkeypatch.setattr(engine_calls, "connected", absent)
    with pytest.raises(EngineError, match=r"the engine does not answer: .*no socket /x"):
        engine_calls.volumes(HERE, "l")


def test_an_answer_is_bounded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_calls, "_MOST", 1000)
    engine.answers = [(200, {"Volumes": [{"Name": "x" * 100_000}]})]
    with pytest.raises(EngineError, match="does not answer with a list"):
        engine_calls.volumes(HERE, "l")


class TestConnections:
    @pytest.fixture
    def listener(self, monkeypatch: pytest.MonkeyPatch) -> list[object]:
        seen: list[object] = []
        monkeypatch.setattr(socket.socket, "connect", lambda _self, to: seen.append(to))
        return seen

    def test_a_socket(self, listener: list[object]) -> None:
        engine_calls.connected(HERE, 1.0).close()
        assert listener == ["/x"]

    def test_a_socket_that_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_self: socket.socket, _to: object) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr(socket.socket, "connect", refuse)
        with pytest.raises(ConnectionRefusedError):
            engine_calls.connected(HERE, 1.0)

    @pytest.fixture
    def dialled(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
        ours, theirs = socket.socketpair()
        monkeypatch.setattr(socket, "create_connection", lambda _to, _timeout: ours)
        with ours, theirs:
            yield ours

    def test_a_port(self, dialled: socket.socket) -> None:
        assert engine_calls.connected(Address(host="h", port=1), 1.0) is dialled

    def test_a_port_with_certificates_that_are_missing(
        self, dialled: socket.socket, tmp_path: Path
    ) -> None:
        with pytest.raises(OSError, match="No such file"):
            engine_calls.connected(Address(host="h", port=1, certificates=str(tmp_path)), 1.0)
        assert dialled.fileno() == -1

    def test_certificates(self, dialled: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        class Context:
            check_hostname = True
            verify_mode = ssl.CERT_REQUIRED

            def load_cert_chain(self, certificate: Path, key: Path) -> None:
                assert (certificate, key) == (Path("/c/cert.pem"), Path("/c/key.pem"))

            def wrap_socket(self, plain: socket.socket, server_hostname: str) -> object:
                assert (plain, server_hostname) == (dialled, "h")
                return (self.check_hostname, self.verify_mode)

        monkeypatch.setattr(ssl, "create_default_context", lambda **_options: Context())
        at = Address(host="h", port=1, certificates="/c")
        made: object = engine_calls.connected(at, 1.0)
        assert made == (True, ssl.CERT_REQUIRED)
        at = Address(host="h", port=1, certificates="/c", verifies=False)
        unchecked: object = engine_calls.connected(at, 1.0)
        assert unchecked == (False, ssl.CERT_NONE)
