"""BuildKit daemons that run already: over a socket, over TLS on both sides, and two as one."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import authority
from tests.integration.conftest import FORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker
    from docker.models.containers import Container

    from tests.integration.conftest import Arm64, Lab, Registry, Warmbuild

AMD64, ARM64 = "linux/amd64", "linux/arm64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A BuildKit daemon that others started."""

    container: Container
    endpoint: str

    @property
    def has_run(self) -> int:
        """How many steps it has run, as its store says."""
        output = self.container.exec_run(["buildctl", *self._address, "du", "--verbose"]).output
        assert isinstance(output, bytes)
        return output.count(b"mount / from exec")

    @property
    def _address(self) -> list[str]:
        return ["--addr", "unix:///run/buildkit/own.sock"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority.make(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def started(
    lab: Lab, engine: docker.DockerClient, name: str, tmp_path: Path
) -> Iterator[Callable[..., Daemon]]:
    """Return what starts a daemon: its flags, what is mounted, and where it is then reached."""
    containers: list[Container] = []

    def start(flags: list[str], mounted: dict[str, str], endpoint: str) -> Daemon:
        binds = {lab.buildkitd_config: "/etc/buildkitd.toml", **mounted}
        container = engine.containers.run(
            lab.env["WARMBUILD_LAB_BUILDKIT_IMAGE"],
            ["--config=/etc/buildkitd.toml", "--addr=unix:///run/buildkit/own.sock", *flags],
            name=f"{name[-40:]}-{len(containers)}".lstrip("-"),
            detach=True,
            privileged=True,
            network_mode="host",
            volumes=[*(f"{here}:{there}" for here, there in binds.items()), "/var/lib/buildkit"],
        )
        containers.append(container)
        daemon = Daemon(container=container, endpoint=endpoint)
        deadline = time.monotonic() + 30
        while f"running server on {endpoint.partition('://')[2]}".encode() not in (
            container.logs().replace(b"/run/shared/", f"{tmp_path}/shared/".encode())
        ):
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.1)
        return daemon

    yield start
    for container in containers:
        container.remove(force=True, v=True)


@pytest.fixture
def on_socket(started: Callable[..., Daemon], tmp_path: Path) -> Callable[..., Daemon]:
    def start(*flags: str) -> Daemon:
        directory = tmp_path / "shared"
        directory.mkdir()
        socket = ["--addr=unix:///run/shared/b.sock"]
        return started(
            [*socket, *flags], {str(directory): "/run/shared"}, f"unix://{directory}/b.sock"
        )

    return start


@pytest.fixture
def behind_tls(
    started: Callable[..., Daemon], certificates: Path, unused_port: int
) -> Callable[..., Daemon]:
    def start(*flags: str) -> Daemon:
        files = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
        tls = [f"--{flag}=/certs/{file}" for flag, file in files.items()]
        endpoint = f"tcp://127.0.0.1:{unused_port}"
        server = {str(certificates / "server"): "/certs"}
        return started([f"--addr={endpoint}", *tls, *flags], server, endpoint)

    return start


def login(certificates: Path, index: int) -> dict[str, str]:
    """Return what logs in to a node, as docker/setup-buildx-action has it."""
    files = {"CACERT": "ca.pem", "CERT": "cert.pem", "KEY": "key.pem"}
    return {
        f"BUILDER_NODE_{index}_AUTH_TLS_{end}": (certificates / "client" / file).read_text()
        for end, file in files.items()
    }


# A fleet has its own image and options.
FLEET: dict[str, Any] = {"driver": "remote", "driver_opts": ""}
HASTY = {**FLEET, "driver_opts": "timeout=3s"}  # buildx waits for 20 s by itself


def test_a_daemon_behind_a_socket_builds_and_keeps_its_state(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    on_socket: Callable[..., Daemon],
) -> None:
    daemon = on_socket()
    # No engine is needed for it.
    nowhere = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    asked = FLEET | {"image": repository, "endpoint": daemon.endpoint}
    first = warmbuild.succeed(small, extra=nowhere, **asked)
    assert registry.digest(f"{repository}:main") == first.outputs["digest"]
    registry.check_cache(f"{repository}:cache-main")
    assert first.warnings == []
    assert (first.outputs["driver"], first.outputs["name"]) == ("remote", first.builder)
    (node,) = json.loads(first.outputs["nodes"])
    assert node["endpoint"] == daemon.endpoint
    assert node["platforms"] == first.outputs["platforms"]
    assert AMD64 in node["platforms"].split(",")
    daemon.container.reload()
    assert daemon.container.status == "running"
    again = warmbuild.succeed(small, extra=nowhere, cache="off", **asked)
    assert again.executed == []
    assert again.builder != first.builder


def test_the_cache_of_a_branch_goes_from_one_fleet_to_another(
    warmbuild: Warmbuild, repository: str, small: Path, on_socket: Callable[..., Daemon]
) -> None:
    cold = warmbuild.succeed(small, image=repository)
    assert cold.cached == []
    daemon = on_socket()
    warm = warmbuild.succeed(small, image=repository, endpoint=daemon.endpoint, **FLEET)
    assert warm.executed == []
    assert not daemon.has_run


class TestTls:
    def test_both_sides_know_each_other(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        repository: str,
        small: Path,
        behind_tls: Callable[..., Daemon],
        certificates: Path,
    ) -> None:
        daemon = behind_tls()
        tls = login(certificates, 0)
        # What would stay is a file of the user's buildx, which has no place for keys.
        run = warmbuild.start(
            small,
            image=repository,
            endpoint=daemon.endpoint,
            cleanup="false",
            extra=tls,
            **FLEET,
        )
        run.wait_for(r"^\+ docker buildx create ")
        (private,) = warmbuild.temporary.iterdir()
        kept = {path.name: path for path in (private / "nodes" / "0").iterdir()}
        assert sorted(kept) == ["cacert.pem", "cert.pem", "key.pem"]
        assert {path.stat().st_mode & 0o777 for path in kept.values()} == {0o600}
        ended = run.end()
        assert ended.code == 0, ended.log
        assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
        assert list(warmbuild.temporary.iterdir()) == []
        assert list(warmbuild.home.iterdir()) == []
        (warning,) = ended.warnings
        assert "the certificates for it are removed at the end of the run" in warning
        secret = tls["BUILDER_NODE_0_AUTH_TLS_KEY"].splitlines()[1]
        assert secret not in ended.log + ended.summary + json.dumps(dict(ended.outputs))
        assert daemon.has_run

    @pytest.mark.parametrize("given", ["nothing", "an authority alone", "another authority's"])
    def test_who_is_not_known_is_told_so(
        self,
        given: str,
        *,
        warmbuild: Warmbuild,
        repository: str,
        small: Path,
        behind_tls: Callable[..., Daemon],
        certificates: Path,
        tmp_path: Path,
    ) -> None:
        daemon = behind_tls()
        tls: dict[str, str] = {}
        if given == "another authority's":
            (tmp_path / "others").mkdir()
            tls = login(authority.make(tmp_path / "others"), 0)
        elif given == "an authority alone":
            tls = {name: text for name, text in login(certificates, 0).items() if "CA" in name}
        ended = warmbuild.build(
            small, image=repository, endpoint=daemon.endpoint, extra=tls, **HASTY
        )
        assert ended.code == 3
        (error, *_) = ended.errors
        assert error.startswith(f"error: no working BuildKit daemon answers at {daemon.endpoint}")
        assert "BUILDER_NODE_0_AUTH_TLS_CACERT" in error

    def test_half_a_login_is_a_wrong_input(
        self, warmbuild: Warmbuild, repository: str, small: Path, certificates: Path
    ) -> None:
        tls = login(certificates, 0)
        del tls["BUILDER_NODE_0_AUTH_TLS_KEY"]
        endpoint = "tcp://127.0.0.1:1"
        ended = warmbuild.build(small, image=repository, endpoint=endpoint, extra=tls, **FLEET)
        assert ended.code == 2
        assert "BUILDER_NODE_0_AUTH_TLS_KEY: is missing: a certificate and" in ended.log


class TestTwoNodes:
    def test_each_builds_its_own_platform(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        repository: str,
        project: Callable[..., Path],
        arm64: Arm64,
        on_socket: Callable[..., Daemon],
        behind_tls: Callable[..., Daemon],
        certificates: Path,
    ) -> None:
        first, second = on_socket(), behind_tls()
        machine = project(
            f"FROM {arm64.image}\nRUN uname -m > /a && cat /proc/sys/kernel/random/uuid > /b\n"
        )
        ended = warmbuild.succeed(
            machine,
            image=repository,
            platforms=f"{AMD64},{ARM64}",
            endpoint=first.endpoint,
            node_platforms=AMD64,
            append=f"- name: arm\n  endpoint: {second.endpoint}\n  platforms: {ARM64}\n",
            extra=login(certificates, 1),
            **FLEET,
        )
        index = registry.get(f"{repository.partition('/')[2]}/manifests/main").json()
        built = [
            f"{one['platform']['os']}/{one['platform']['architecture']}"
            for one in index["manifests"]
        ]
        assert {AMD64, ARM64} <= set(built)
        found = json.loads(ended.outputs["nodes"])
        assert [(node["name"], node["endpoint"]) for node in found] == [
            (f"{ended.builder}0", first.endpoint),
            ("arm", second.endpoint),
        ]
        # What a node is for comes first.
        assert [node["platforms"].split(",")[0] for node in found] == [AMD64, ARM64]
        assert {AMD64, ARM64} <= set(ended.outputs["platforms"].split(","))
        assert (first.has_run, second.has_run) == (1, 1)
        assert ended.warnings == []
        # Each node has written its own, and a builder that is new has both.
        written = ended.outputs["cache-written"].split(",")
        assert len(written) == 2
        for ref in written:
            registry.check_cache(ref)
        assert f"{repository}:cache-main" not in written
        anew = warmbuild.succeed(machine, image=repository, platforms=f"{AMD64},{ARM64}")
        assert anew.executed == []
        again = warmbuild.succeed(
            machine,
            image=repository,
            platforms=ARM64,
            endpoint=first.endpoint,
            cache="off",
            append=f"- endpoint: {second.endpoint}\n  platforms: {ARM64}",
            extra=login(certificates, 1),
            **FLEET,
        )
        assert again.executed == []

    def test_one_that_is_not_there_is_named(
        self,
        warmbuild: Warmbuild,
        repository: str,
        small: Path,
        on_socket: Callable[..., Daemon],
        unused_port: int,
    ) -> None:
        first, nowhere = on_socket().endpoint, f"tcp://127.0.0.1:{unused_port}"
        ended = warmbuild.build(
            small,
            image=repository,
            endpoint=first,
            append=f"- endpoint: {nowhere}\n  driver-opts: timeout=3s",
            **FLEET,
        )
        assert ended.code == 3
        assert f"no working BuildKit daemon answers at {first} or at {nowhere}" in ended.log


def test_a_build_that_is_stopped_leaves_the_daemon(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    behind_tls: Callable[..., Daemon],
    certificates: Path,
) -> None:
    daemon = behind_tls()
    run = warmbuild.start(
        project("FROM busybox:1.37\nRUN echo has begun; sleep 60\n"),
        image=repository,
        endpoint=daemon.endpoint,
        extra=login(certificates, 0),
        **FLEET,
    )
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    os.kill(run.process.pid, signal.SIGTERM)
    ended = run.end()
    assert ended.code == 143
    assert list(warmbuild.temporary.iterdir()) == []
    daemon.container.reload()
    assert daemon.container.status == "running"


def test_a_build_whose_daemon_ends_goes_on_in_the_next_one(
    warmbuild: Warmbuild,
    repository: str,
    project: Callable[..., Path],
    on_socket: Callable[..., Daemon],
) -> None:
    daemon = on_socket()
    once = "RUN cat /proc/sys/kernel/random/uuid > /once"
    place = project(f"FROM busybox:1.37\n{once}\nRUN echo has begun; sleep 3\n")
    run = warmbuild.start(place, image=repository, endpoint=daemon.endpoint, **FLEET)
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    daemon.container.restart(timeout=0)
    ended = run.end()
    assert ended.code == 0, ended.log
    assert f"warning: the daemon at {daemon.endpoint} went away; building again" in ended.warnings
    # The first step is in the daemon's state, and was this run's all the same.
    assert ended.cached == []


def test_a_fork_reads_mains_cache_in_a_daemon_of_its_own(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    on_socket: Callable[..., Daemon],
    behind_tls: Callable[..., Daemon],
    certificates: Path,
) -> None:
    ours, theirs = on_socket(), behind_tls()
    both = {"endpoint": ours.endpoint, "untrusted_builder": f"endpoint: {theirs.endpoint}", **FLEET}
    main = warmbuild.succeed(small, image=repository, **both)
    assert len(main.executed) == ours.has_run + 1
    fork: dict[str, Any] = {"ci": FORK, "extra": login(certificates, 0), "push": "false", **both}
    warm = warmbuild.succeed(small, image=repository, **fork)
    assert warm.executed == []
    cold = warmbuild.succeed(small, image=repository, cache="off", no_cache="true", **fork)
    assert cold.cached == []
    assert (ours.has_run, theirs.has_run) == (1, 1)
    refused = warmbuild.build(small, image=repository, **{**fork, "untrusted_builder": ""})
    assert refused.code == 2
    assert f"trusted runs use the daemon at {ours.endpoint} too" in refused.log
