"""What a builder is made of: the engine's own BuildKit, a state that is kept, a given buildx."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from warmbuild.cache import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

    from tests.integration.conftest import Arm64, Lab, Registry, Warmbuild


# The lab's inputs that the engine's own BuildKit does not take.
NOT_ITS: Final[dict[str, Any]] = {"driver_opts": "", "buildkitd_config": ""}


@pytest.fixture
def state(warmbuild: Warmbuild, engine: docker.DockerClient, name: str) -> Iterator[str]:
    """Return the name of a builder whose volume a run may leave behind, and remove it."""
    builder = f"lab-{name[-6:]}"
    warmbuild.kept.add(builder)
    yield builder
    engine.volumes.get(f"buildx_buildkit_{builder}0_state").remove()
    assert warmbuild.remains(builder) == []


@pytest.fixture
def has_store(engine: docker.DockerClient) -> bool:
    """Say whether the lab's engine keeps its images in containerd."""
    return "io.containerd.snapshotter.v1" in json.dumps(engine.info()["DriverStatus"])


class TestEngine:
    def test_it_builds_and_pushes_without_a_cache_and_says_so(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        repository: str,
        small: Path,
        has_store: bool,  # noqa: FBT001 (a fixture)
    ) -> None:
        ended = warmbuild.succeed(small, image=repository, driver="docker", **NOT_ITS)
        assert "docker buildx create" not in ended.log
        assert registry.digest(f"{repository}:main")
        assert (ended.outputs["driver"], ended.outputs["name"]) == ("docker", "default")
        assert "linux/amd64" in ended.outputs["platforms"].split(",")
        if has_store:
            registry.check_cache(f"{repository}:cache-main")
            return
        assert ended.warnings == [
            (
                "warning: no cache is written: the engine's own BuildKit without the containerd "
                "image store exports inline caches only; "
                "set cache-backend: inline or driver: docker-container"
            )
        ]
        assert ended.outputs["cache-write-error"]
        assert registry.tags(repository) == ["latest", "main"]

    def test_it_reads_the_cache_that_others_wrote(
        self, warmbuild: Warmbuild, repository: str, small: Path
    ) -> None:
        cold = warmbuild.succeed(small, image=repository)
        assert cold.cached == []
        warm = warmbuild.succeed(small, image=repository, driver="docker", **NOT_ITS)
        assert warm.executed == []
        assert f"{repository}:cache-main" in warm.outputs["cache-read"]

    def test_an_inline_cache_is_written(
        self, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
    ) -> None:
        ended = warmbuild.succeed(
            small, image=repository, cache_backend="inline", driver="docker", **NOT_ITS
        )
        assert ended.warnings == []
        assert ended.outputs["cache-written"] == f"{repository}:cache-main"
        assert "cache-main" in registry.tags(repository)
        # The engine of Docker 26 names a base image by its layers alone, which BuildKit 0.33.1 and
        # newer do not look for; so only the engine itself can read this cache.
        image = json.dumps(registry.config(f"{repository}:cache-main")).encode()
        found = records.parse_inline(image)
        assert found is not None
        assert len([record for record in found.records if record.results]) == 2

    def test_several_platforms_are_a_wrong_input(
        self,
        warmbuild: Warmbuild,
        repository: str,
        small: Path,
        has_store: bool,  # noqa: FBT001 (a fixture)
    ) -> None:
        if has_store:
            pytest.skip("this engine builds for several")
        both = "linux/amd64,linux/arm64"
        asked: dict[str, Any] = {"image": repository, "driver": "docker", **NOT_ITS}
        ended = warmbuild.build(small, platforms=both, **asked)
        assert ended.code == 2
        assert "platforms: 2 are given, but the driver docker builds for one" in ended.log


def test_a_state_that_is_kept_serves_the_next_builder_of_its_name(
    warmbuild: Warmbuild, repository: str, small: Path, state: str
) -> None:
    first = warmbuild.succeed(small, image=repository, name=state, keep_state="true", cache="off")
    assert first.cached == []
    assert warmbuild.remains(state) == [f"buildx_buildkit_{state}0_state"]
    second = warmbuild.succeed(small, image=repository, name=state, keep_state="true", cache="off")
    assert second.executed == []
    assert second.outputs["name"] == state
    assert warmbuild.remains(state) == [f"buildx_buildkit_{state}0_state"]


def test_what_a_builder_is_comes_out(warmbuild: Warmbuild, repository: str, small: Path) -> None:
    ended = warmbuild.succeed(small, image=repository, buildkitd_flags="--debug", use="true")
    assert ended.outputs["name"] == ended.builder
    assert ended.outputs["driver"] == "docker-container"
    (node,) = json.loads(ended.outputs["nodes"])
    assert node["name"] == f"{ended.builder}0"
    assert node["status"] == "running"
    assert node["buildkit"] == "v0.34.2"
    assert "network=host" in node["driver-opts"]
    assert node["buildkitd-flags"].startswith("--debug")
    assert node["platforms"] == ended.outputs["platforms"]
    assert "use has no effect" in ended.log


def test_what_a_build_is_allowed_its_daemon_grants(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    insecure = project("FROM busybox:1.37\nRUN --security=insecure test -w /sys/kernel\n")
    ended = warmbuild.succeed(insecure, image=repository, allow="security.insecure")
    assert "--allow-insecure-entitlement security.insecure" in ended.log
    refused = warmbuild.build(insecure, image=repository)
    assert refused.code == 4


@pytest.mark.parametrize(
    ("version", "code"), [("0.38.2", 0), ("v0.38.2", 0), ("latest", 0), ("0.35.0", 3)]
)
def test_the_buildx_that_is_there_is_the_one_that_was_asked_for_or_not(
    version: str, code: int, warmbuild: Warmbuild, lab: Lab, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, version=version)
    assert ended.code == code
    if code:
        program = lab.env["WARMBUILD_LAB_BUILDX"]
        assert f"error: version asks for buildx 0.35.0, but {program} is 0.38.2" in ended.log
        assert warmbuild.remains(ended.builder) == []


def test_a_cluster_that_is_not_there_is_told_of_before_buildx_looks_for_it(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, driver="kubernetes", driver_opts="")
    assert ended.code == 3
    (error,) = ended.errors
    assert "no cluster is known to the driver 'kubernetes': KUBECONFIG is not set" in error
    assert "docker buildx create" not in ended.log


def test_containers_of_two_nodes_are_made_and_removed(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    lab: Lab,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    arm64: Arm64,
    tmp_path: Path,
) -> None:
    # buildx refuses the same engine twice, which under another name it takes for another one.
    (tmp_path / "other.sock").symlink_to(lab.engine_socket)
    nodes = f"""
- endpoint: unix://{tmp_path}/other.sock
  driver-opts: network=host
  platforms: linux/arm64
"""
    both = "linux/amd64,linux/arm64"
    machine = project(f"FROM {arm64.image}\nRUN uname -m > /machine\n")
    ended = warmbuild.succeed(machine, image=repository, platforms=both, append=nodes)
    found = json.loads(ended.outputs["nodes"])
    assert [node["name"] for node in found] == [f"{ended.builder}0", f"{ended.builder}1"]
    for ref in ended.outputs["cache-written"].split(","):
        registry.check_cache(ref)
    of_both: dict[str, Any] = {"name": f"buildx_buildkit_{ended.builder}"}
    assert engine.containers.list(all=True, filters=of_both) == []
    assert engine.volumes.list(filters=of_both) == []
