"""A registry whose TLS is not as it should be, as from a clock that is wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import socket
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case, at_once
from tests.faults.doors import pass_on, serve
from tests.integration import authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild

    # What a server does with a connection before it passes on what comes.
    Greet = Callable[[socket.socket], socket.socket | None]

DAY = dt.timedelta(days=1)
PIECE = 64 * 1024
FORWARDED = b"\r\nX-Forwarded-Proto: https\r\n"
NOT_TRUSTED = "has a certificate that is not trusted here"


@contextmanager
def served(upstream: str, greet: Greet) -> Iterator[str]:
    """Have a server before a registry; yield its host."""
    kept: list[socket.socket] = []

    def connect(plain: socket.socket) -> None:
        kept.append(plain)
        host, _, port = upstream.rpartition(":")
        with contextlib.suppress(OSError):
            greeted = greet(plain)
            if not greeted:
                return
            with greeted, socket.create_connection((host, int(port))) as registry:
                back = threading.Thread(target=pass_on, args=(registry, greeted), daemon=True)
                back.start()
                # The registry answers with the scheme that its client uses.
                while piece := greeted.recv(PIECE):
                    registry.sendall(piece.replace(b"\r\nHost: ", FORWARDED + b"Host: ", 1))
                registry.shutdown(socket.SHUT_WR)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serve(listener, connect)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for one in kept:
            one.close()


def secured(certificates: Path) -> Greet:
    """Greet with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    return lambda plain: context.wrap_socket(plain, server_side=True)


def closing(plain: socket.socket) -> None:
    """End in the middle of the greeting."""
    plain.recv(1)
    plain.close()


def silent(plain: socket.socket) -> None:
    """Listen, and say nothing."""
    plain.recv(1)


def old(plain: socket.socket) -> None:
    """Refuse the client's version, by the alert protocol_version (RFC 8446, section 6)."""
    plain.recv(65536)
    plain.sendall(b"\x15\x03\x02\x00\x02\x02\x46")
    plain.close()


def without_tls(plain: socket.socket) -> None:
    plain.recv(1)
    plain.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request")
    plain.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what makes certificates of an authority of their own."""

    def make(**options: object) -> Path:
        made = authority.make(tmp_path_factory.mktemp("certificates"), **options)  # type: ignore[arg-type]
        return made / "server"

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server does at first, and the authority that its clients trust."""

    greet: Greet
    authority: Path
    said: str


@pytest.fixture(scope="session")
def servers(certificates: Callable[..., Path]) -> Mapping[str, Server]:
    """Return the servers that are not as they should be, by what is wrong with them."""
    good = certificates()

    def other(said: str, certificates: Path) -> Server:
        greet, ca = secured(certificates), certificates / "ca.pem"
        return Server(greet=greet, authority=ca, said=said)

    def one(said: str, greet: Greet) -> Server:
        return Server(greet=greet, authority=good / "ca.pem", said=said)

    return {
        "another authority": one(rf"{NOT_TRUSTED} \(\S+", secured(certificates())),
        "expired": other(rf"{NOT_TRUSTED} \(certificate has expired", certificates(ahead=-DAY)),
        "not yet valid": other(
            rf"{NOT_TRUSTED} \(certificate is not yet valid", certificates(ahead=DAY)
        ),
        "another address": other(
            rf"{NOT_TRUSTED} \(IP address mismatch", certificates(address="192.0.2.7")
        ),
        "no TLS": one(r"does not speak TLS as expected \(", without_tls),
        "old TLS": one(r"does not speak TLS as expected \(", old),
        "an end": one("closes the connection early", closing),
        "silence": one("does not answer within|cannot be reached within", silent),
    }


NAMES = (
    *("another authority", "expired", "not yet valid", "another address"),
    *("no TLS", "old TLS", "an end", "silence"),
)
PHASES = {
    "question": {"plan_only": "true", "probe": "true"},
    "login": {"username": "me", "password": "hunter2", "retry_timeout": "1s"},
    "push": {"cache": "off", "retry_timeout": "1s", "push_timeout": "5s"},
}


@pytest.fixture(scope="module")
def trusting(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Path], dict[str, str]]:
    """Return what makes the inputs with which BuildKit and warmbuild trust an authority."""

    def inputs(host: str, ca: Path) -> dict[str, str]:
        path = tmp_path_factory.mktemp("trusting") / "buildkitd.toml"
        ours = f'[registry."{host}"]\nhttp = false\nca = ["{ca}"]\n'
        path.write_text(f"{Path(lab.buildkitd_config).read_text()}\n{ours}")
        return {"buildkitd_config": str(path)}

    return inputs


@pytest.fixture(scope="module")
def runs(
    together: Warmbuild,
    lab: Lab,
    place: Path,
    servers: Mapping[str, Server],
    trusting: Callable[[str, Path], dict[str, str]],
) -> Iterator[Mapping[tuple[str, str], Future[Ended]]]:
    """Have runs that ask, log in or push, by what they do and the server that they meet."""

    def one(case: tuple[str, str]) -> Ended:
        phase, name = case
        server = servers[name]
        with served(lab.registry, server.greet) as host:
            inputs = PHASES[phase] | trusting(host, server.authority)
            return together.build(place, image=f"{host}/a", **inputs)  # type: ignore[arg-type]

    with at_once(one, itertools.product(PHASES, NAMES)) as found:
        yield found


@pytest.mark.parametrize(("phase", "name"), [*itertools.product(PHASES, NAMES)])
def test_one_that_is_not_as_it_should_be(
    runs: Mapping[tuple[str, str], Future[Ended]],
    servers: Mapping[str, Server],
    phase: str,
    name: str,
) -> None:
    said, ended = servers[name].said, runs[phase, name].result()
    if phase == "question":
        Case(code=0, said=f"/a:cache-main is not read: .*({said})", seconds=40).check(ended)
        return
    # In a push only BuildKit has seen the registry.
    said = {
        "login": rf"error: the registry 127.0.0.1:\d+ .*({said})",
        "push": "error: the image is built and was not pushed: .*"
        "(x509|HTTP response to HTTPS|tls:|connection reset|accepted nothing)",
    }[phase]
    Case(code=5, said=said, not_said=("hunter2",), seconds=60).check(ended)


def test_one_that_is_as_it_should_be(
    warmbuild: Warmbuild,
    registry: Registry,
    small: Path,
    name: str,
    certificates: Callable[..., Path],
    trusting: Callable[[str, Path], dict[str, str]],
) -> None:
    made = certificates()
    with served(registry.host, secured(made)) as host:
        inputs = {"image": f"{host}/{name}", **trusting(host, made / "ca.pem")}
        cold = warmbuild.build(small, **inputs)  # type: ignore[arg-type]  # texts
        warm = warmbuild.build(small, **inputs)  # type: ignore[arg-type]  # texts
    Case(code=0, seconds=40, written=True).check(cold)
    Case(code=0, seconds=40).check(warm)
    assert warm.executed == []
    registry.check_image(f"{registry.host}/{name}:main")
