"""An engine behind TLS, as the docker-in-docker service of GitLab's hosted runners has it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration import authority
from tests.integration.conftest import buildx
from warmbuild.builder.engine import connect
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry, Warmbuild

# How long a service may take to boot in these tests, in seconds.
BOOT = 3.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority.make(tmp_path_factory.mktemp("certs"))


def test_a_build_pushes_through_it(
    warmbuild: Warmbuild,
    lab: Lab,
    registry: Registry,
    repository: str,
    small: Path,
    certificates: Path,
) -> None:
    with engine_behind_tls(lab, certificates, delay=0.0) as port:
        ended = warmbuild.succeed(small, image=repository, extra=variables(port, certificates))
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    registry.check_cache(f"{repository}:cache-main")
    assert ended.warnings == []


def test_a_builder_that_stays_is_known_by_a_context_of_the_users_own(
    warmbuild: Warmbuild,
    lab: Lab,
    repository: str,
    small: Path,
    certificates: Path,
    tmp_path: Path,
) -> None:
    with engine_behind_tls(lab, certificates, delay=0.0) as port:
        tls = variables(port, certificates)
        ended = warmbuild.succeed(small, image=repository, cleanup="false", cache="off", extra=tls)
        name = ended.outputs["name"]
        assert ended.warnings == [
            (
                f"warning: the builder {name} stays, but later steps do not know it: the "
                "certificates for it are removed at the end of the run"
            )
        ]
        own = {**lab.env, "DOCKER_CONFIG": str(tmp_path / "config")}
        # The client takes the context from its environment, and uses it without that.
        create = ["docker", "context", "create", "engine"]
        subprocess.run(create, env={**own, **tls}, check=True)  # noqa: S603 (Docker's own)
        buildx(own, "create", "--name", name, "--driver", "docker-container", "engine")
        said = buildx(own, "build", "--builder", name, "--progress", "plain", str(small))
        assert said.count("CACHED") == 2
        buildx(own, "rm", "--force", name)


def test_one_that_is_still_booting_is_waited_for(
    warmbuild: Warmbuild,
    lab: Lab,
    registry: Registry,
    repository: str,
    small: Path,
    certificates: Path,
) -> None:
    with engine_behind_tls(lab, certificates, delay=BOOT) as port:
        ended = warmbuild.succeed(small, image=repository, extra=variables(port, certificates))
    assert ended.seconds > BOOT
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]


def test_stopping_while_it_is_waited_for(
    warmbuild: Warmbuild, repository: str, small: Path, certificates: Path, unused_port: int
) -> None:
    run = warmbuild.start(small, image=repository, extra=variables(unused_port, certificates))
    deadline = time.monotonic() + BOOT
    # The private directory is what it makes last before it waits.
    while not any(warmbuild.temporary.iterdir()):
        assert time.monotonic() < deadline
    run.process.terminate()
    assert run.end().code == 143


def test_certificates_that_the_job_does_not_share_are_asked_for(
    unused_port: int, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=f"there are no certificates for .* in {tmp_path}/client"):
        connect(variables(unused_port, tmp_path), wait=False)


def variables(port: int, certificates: Path) -> dict[str, str]:
    """Return what GitLab's documentation has a job with docker-in-docker set."""
    return {
        "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(certificates / "client"),
    }


@contextmanager
def engine_behind_tls(lab: Lab, certificates: Path, *, delay: float) -> Iterator[int]:
    """Have the lab's engine on a port that wants a client certificate, from `delay` seconds on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server" / "cert.pem", certificates / "server/key.pem")
    context.load_verify_locations(certificates / "server" / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    # Bound and not yet listening, a port refuses connections, as before a service is up.
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    is_over = asyncio.Event()

    async def serve() -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner = await asyncio.open_unix_connection(lab.engine_socket)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                async with asyncio.TaskGroup() as group:
                    group.create_task(copy(reader, inner[1]))
                    group.create_task(copy(inner[0], writer))

        await asyncio.sleep(delay)
        server = await asyncio.start_server(connected, sock=bound, ssl=context)
        async with server:
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
        loop.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until it ends, and then end the other side too."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
