"""Inputs that go together in the peers: several outputs at once, several platforms, odd drivers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Lab, Registry, Warmbuild

BOTH = "linux/amd64,linux/arm64"
# Runs nothing, so that it needs no emulation.
OF_ANY = "FROM scratch\nCOPY source.txt /\n"
BAKE = 'target "default" {}\n'
OF_ENGINE = "is ignored: the daemon of driver 'docker' is the engine's own"


@pytest.fixture
def loaded(engine: docker.DockerClient, name: str) -> Iterator[str]:
    """Return the name of an image that a run loads, and remove it."""
    tag = f"{name}:local"
    yield tag
    engine.images.remove(tag, force=True)


@pytest.fixture
def of_any(project: Callable[..., Path]) -> Path:
    return project(OF_ANY, {"source.txt": "one"})


@pytest.fixture
def with_store(lab: Lab) -> Iterator[str]:
    """Start an engine that stores its images in containerd, beside the lab's; return its host."""
    program = shutil.which("dockerd", path=lab.env["PATH"])
    if not program or os.geteuid():
        pytest.skip("only root can start an engine")
    # The path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        (place / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}}')
        argv = [program, f"--host=unix://{place}/s", "--bridge=none", "--iptables=false"]
        argv += [f"--data-root={place}/data", f"--exec-root={place}/run"]
        argv += [f"--pidfile={place}/pid", f"--config-file={place}/daemon.json"]
        with (place / "log").open("w") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)  # noqa: S603 (Docker's own)
        try:
            deadline = time.monotonic() + PATIENCE
            while not answer(f"unix://{place}/s", "version", "--format", "{{.Server.Version}}"):
                assert time.monotonic() < deadline, (place / "log").read_text()
                time.sleep(0.1)
            yield f"unix://{place}/s"
        finally:
            process.terminate()
            process.wait(PATIENCE)
            # An engine that is stopped while it boots leaves this mount.
            umount = ["umount", "--lazy", f"{place}/data"]
            subprocess.run(umount, stderr=subprocess.DEVNULL, check=False)  # noqa: S603 (of the test)


def answer(host: str, *command: str) -> str:
    """Return what an engine answers to a command of Docker's, empty if it does not."""
    argv = ["docker", "--host", host, *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout  # noqa: S603


def of_tarball(path: Path) -> dict[str, Any]:
    """Return the first entry of the index of an OCI layout."""
    with tarfile.open(path) as tar:
        index = tar.extractfile("index.json")
        assert index
        found: dict[str, Any] = json.load(index)["manifests"][0]
        return found


@pytest.mark.parametrize("is_bake", [False, True], ids=["an image", "a target"])
def test_three_outputs_at_once(
    warmbuild: Warmbuild,
    registry: Registry,
    engine: docker.DockerClient,
    repository: str,
    small: Path,
    loaded: str,
    *,
    is_bake: bool,
) -> None:
    entries = (
        f"type=image,name={repository}:latest,push=true",
        f"type=docker,name={loaded}",
        "type=oci,dest=oci.tar",
    )
    given: dict[str, Any] = {"outputs": "\n".join(entries), "cache_repository": repository}
    if is_bake:
        (small / "docker-bake.hcl").write_text(BAKE)
        overrides = "\n".join(f"*.output={entry}" for entry in entries)
        given = {"bake_files": "docker-bake.hcl", "set": overrides, "cache_repository": repository}
    ended = warmbuild.succeed(small, provenance="false", **given)
    outputs = ended.outputs
    if is_bake:
        outputs = json.loads(outputs["targets"])["default"]
    assert outputs["digest"] == registry.digest(f"{repository}:latest")
    assert outputs["imageid"] == engine.images.get(loaded).id
    assert of_tarball(small / "oci.tar")["digest"] == outputs["digest"]
    registry.check_cache(outputs["cache-written"])


@pytest.mark.parametrize("driver", ["docker-container", "docker"])
def test_an_image_is_loaded_and_pushed(
    warmbuild: Warmbuild,
    registry: Registry,
    engine: docker.DockerClient,
    repository: str,
    small: Path,
    driver: str,
) -> None:
    tag = f"{repository}:latest"
    ended = warmbuild.succeed(
        small, image=repository, tags="latest", load="true", push="true", driver=driver
    )
    # buildx reports the manifest of the loaded image, which is a part of the index that is pushed.
    pushed = registry.manifest(f"{repository}@{ended.outputs['digest']}")
    assert pushed["config"]["digest"] == ended.outputs["imageid"]
    assert pushed == registry.manifest(tag)
    assert engine.images.get(tag).id == ended.outputs["imageid"]
    engine.images.remove(tag)
    known = json.loads(ended.outputs["metadata"])
    assert known["containerimage.digest"] == ended.outputs["digest"]
    assert known["containerimage.config.digest"] == ended.outputs["imageid"]
    assert known["image.name"] == tag


@pytest.mark.parametrize("kind", ["local", "tar", "oci"])
def test_several_platforms_are_exported(
    warmbuild: Warmbuild, repository: str, of_any: Path, kind: str
) -> None:
    ended = warmbuild.succeed(
        of_any, image=repository, platforms=BOTH, outputs=f"type={kind},dest=out"
    )
    places = ("linux_amd64/source.txt", "linux_arm64/source.txt")
    if kind == "local":
        assert [(of_any / "out" / place).read_text() for place in places] == ["one", "one"]
    elif kind == "tar":
        with tarfile.open(of_any / "out") as tar:
            assert {*places} <= {*tar.getnames()}
    else:
        assert of_tarball(of_any / "out")["digest"] == ended.outputs["digest"]
    assert ended.outputs["imageid"] == (ended.outputs["digest"] if kind == "oci" else "")
    again = warmbuild.succeed(
        of_any, image=repository, platforms=BOTH, outputs=f"type={kind},dest=again"
    )
    assert again.executed == []


def test_an_image_is_loaded_by_the_engines_own_buildkit(
    warmbuild: Warmbuild, engine: docker.DockerClient, small: Path, loaded: str
) -> None:
    ended = warmbuild.succeed(small, tags=loaded, load="true", push="false", driver="docker")
    assert engine.images.get(loaded).id == ended.outputs["imageid"]


def test_what_the_peers_ignore_is_ignored(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, name: str
) -> None:
    ended = warmbuild.succeed(
        small,
        image=repository,
        driver="docker",
        name=f"lab-{name[-6:]}",
        endpoint="nowhere",
        node_platforms="linux/amd64",
        buildkitd_flags="--debug",
        cache="off",
        keep_state="false",
        cleanup="false",
        cache_binary="true",
        install="true",
        use="true",
    )
    assert ended.outputs["name"] == "default"
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    said = ("name", "driver-opts", "endpoint", "node-platforms", "buildkitd-flags")
    assert ended.warnings == [
        *(f"warning: {one} {OF_ENGINE}" for one in said),
        (
            "warning: buildkitd-config only tells warmbuild how to reach registries: the daemon of "
            "driver 'docker' is the engine's own"
        ),
    ]


def test_a_kept_state_with_the_driver_docker_is_an_error(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, driver="docker", keep_state="true")
    assert ended.code == 2
    assert "keep-state: is not supported by driver 'docker'." in ended.log


def test_several_platforms_are_not_loaded_into_an_engine_that_cannot(
    warmbuild: Warmbuild, repository: str, of_any: Path
) -> None:
    ended = warmbuild.build(of_any, image=repository, platforms=BOTH, load="true")
    assert ended.code == 2
    assert "platforms: 2 are given, but the engine loads one at a time, because it " in ended.log
    assert "docker buildx build" not in ended.log


@pytest.mark.parametrize("driver", ["docker-container", "docker"])
def test_several_platforms_are_loaded_into_an_engine_that_can(
    warmbuild: Warmbuild,
    lab: Lab,
    with_store: str,
    of_any: Path,
    name: str,
    driver: str,
) -> None:
    ended = warmbuild.succeed(
        of_any,
        tags=f"{name}:local",
        platforms=BOTH,
        load="true",
        push="false",
        cache="off",
        driver=driver,
        # The builder's container runs on the lab's engine.
        endpoint=lab.env["DOCKER_HOST"],
        extra={"DOCKER_HOST": with_store},
    )
    found = answer(with_store, "image", "inspect", "--format", "{{.Id}}", f"{name}:local")
    assert found.strip() == ended.outputs["digest"]
