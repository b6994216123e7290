"""What a container of its own does not reach, and BuildKit does: the runner's localhost."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import builders, gitlab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker
    from docker.models.containers import Container

    from tests.integration.conftest import Lab, Registry

ASKS = "the registry {} cannot be reached from here; asking through the builder"
COLD, WARM = "2 of 2 steps run, 0 cached", "0 of 2 steps run, 2 cached"


@pytest.fixture
def job(
    engine: docker.DockerClient,
    lab: Lab,
    image: str,
    of_the_lab: Mapping[str, str],
    small: Path,
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run the image as GitHub does: in a network of its own, with the engine's socket."""
    containers: list[Container] = []

    def run(branch: str, more: Mapping[str, str] | None = None, **inputs: str) -> tuple[int, str]:
        given = {**of_the_lab, "CONTEXT": ".", "RETRY_TIMEOUT": "8s"} | inputs
        containers.append(
            engine.containers.run(
                image,
                detach=True,
                working_dir="/workspace",
                environment=gitlab(branch)
                | {f"INPUT_{name.upper()}": value for name, value in given.items()}
                | dict(more or {}),
                volumes=[f"{lab.engine_socket}:/var/run/docker.sock", f"{small}:/workspace"],
            )
        )
        code = int(containers[-1].wait()["StatusCode"])
        return code, containers[-1].logs().decode()

    yield run
    logs = "".join(container.logs().decode() for container in containers)
    for container in containers:
        container.remove(force=True, v=True)
    assert "Traceback" not in logs
    assert builders(engine, logs) == []


def test_a_registry_at_the_localhost_of_the_engine_has_a_cache(
    job: Callable[..., tuple[int, str]], lab: Lab, registry: Registry, repository: str
) -> None:
    code, log = job("main", image=repository)
    assert code == 0, log
    assert COLD in log
    assert log.count(ASKS.format(lab.registry)) == 1
    assert "warning" not in log
    registry.check_cache(f"{repository}:cache-main")
    code, log = job("feature", image=repository)
    assert code == 0, log
    assert WARM in log
    # Its own cache is the one that was read: that is written through the builder, too.
    assert registry.tags(repository) == ["cache-feature", "cache-main", "feature", "latest", "main"]
    code, log = job("feature", image=repository, cache_history="2")
    assert WARM in log
    assert "warning" not in log


@contextmanager
def processes() -> Iterator[set[str]]:
    """Collect the command lines of this machine, of which the engine's containers are a part."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    seen.add(path.read_text(errors="replace").replace("\0", " "))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_registry_with_a_password_there_is_asked_with_it(
    job: Callable[..., tuple[int, str]], lab: Lab, auth_registry: Registry, secured: str
) -> None:
    login = {"image": secured, "username": lab.username, "password": lab.password}
    with processes() as seen:
        code, log = job("main", **login)
    assert code == 0, log
    assert COLD in log
    host, port = lab.auth_registry.split(":")
    assert f"nc {host} {port} " in seen
    assert not [line for line in seen if lab.password in line or lab.basic in line]
    auth_registry.check_cache(f"{secured}:cache-main")
    code, log = job("feature", **login)
    assert code == 0, log
    assert WARM in log
    assert lab.password not in log
    code, log = job("main", **login | {"password": "wrong"})
    assert code == 5
    assert f"the registry {lab.auth_registry} refuses the login of '{lab.username}'" in log
    assert "#1 " not in log


def test_a_builder_with_a_network_of_its_own_reaches_it_no_more(
    job: Callable[..., tuple[int, str]], lab: Lab, secured: str
) -> None:
    login = {"username": lab.username, "password": lab.password}
    begun = time.monotonic()
    code, log = job("main", image=secured, driver_opts="", **login)
    assert code == 5
    assert f"{ASKS.format(lab.auth_registry)}, which has a localhost of its own" in log
    assert "cannot be reached, neither from here nor from the builder, and the image is" in log
    assert time.monotonic() - begun < 90


@pytest.fixture
def daemon(
    engine: docker.DockerClient, lab: Lab, name: str, unused_port: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Start a BuildKit daemon in the engine's network; return its address, and what empties it."""
    bridge: Any = engine.networks.get("bridge").attrs
    gateway = bridge["IPAM"]["Config"][0]["Gateway"]
    address = f"tcp://{gateway}:{unused_port}"
    container = engine.containers.run(
        lab.env["WARMBUILD_LAB_BUILDKIT_IMAGE"],
        ["--config=/etc/buildkitd.toml", f"--addr={address}"],
        name=name[-40:].lstrip("-"),
        detach=True,
        privileged=True,
        network_mode="host",
        volumes=[f"{lab.buildkitd_config}:/etc/buildkitd.toml", "/var/lib/buildkit"],
    )
    deadline = time.monotonic() + 30
    while b"running server on" not in container.logs():
        assert time.monotonic() < deadline, container.logs().decode()
        time.sleep(0.1)
    yield address, lambda: container.exec_run(["buildctl", "--addr", address, "prune", "--all"])
    container.remove(force=True, v=True)


def test_without_a_container_to_ask_through_buildkit_has_the_word(
    job: Callable[..., tuple[int, str]],
    lab: Lab,
    registry: Registry,
    auth_registry: Registry,
    repository: str,
    secured: str,
    daemon: tuple[str, Callable[[], object]],
) -> None:
    endpoint, empty = daemon
    far = {"driver": "remote", "endpoint": endpoint, "driver_opts": "", "cache_strict": "true"}
    far["buildkitd_config_inline"] = ""
    for branch, steps in (("main", COLD), ("feature", WARM)):
        empty()
        code, log = job(branch, image=repository, **far)
        assert code == 0, log
        assert steps in log
        said = [line for line in log.splitlines() if line.startswith("warning")]
        assert len(said) == 1, log
        assert f"the registry {lab.registry} cannot be reached from here, and not thr" in said[0]
        assert "the driver remote has no container for that" in said[0]
        registry.check_cache(f"{repository}:cache-{branch}")
    login = {"image": secured, "username": lab.username, "password": lab.password}
    code, log = job("main", **far, **login)
    assert code == 0, log
    auth_registry.check_cache(f"{secured}:cache-main")
    code, log = job("main", **far, **login | {"password": "wrong"})
    assert code == 5
    assert "the image is built and was not pushed" in log
