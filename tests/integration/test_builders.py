"""Builders: one that is found stays as it is, and one that is made goes unless it is to stay."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import docker

    from tests.integration.conftest import Lab, Registry, Warmbuild


@pytest.fixture
def builder(name: str) -> str:
    return f"lab-{name[-6:]}"


@pytest.fixture
def theirs(lab: Lab, builder: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Make a builder as a user does, with buildx alone; return where buildx remembers it."""
    place = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    create = ["create", "--name", builder, "--driver=docker-container", "--bootstrap"]
    create += [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    buildx(lab, place, [*create, "--buildkitd-config", lab.buildkitd_config])
    yield place
    buildx(lab, place, ["rm", "--force", builder])


@pytest.fixture
def kept(warmbuild: Warmbuild, engine: docker.DockerClient, builder: str) -> Iterator[str]:
    """Return the name of a builder that a run may leave behind, and remove it at the end."""
    warmbuild.kept.add(builder)
    yield builder
    container = f"buildx_buildkit_{builder}0"
    engine.containers.get(container).remove(force=True)
    engine.volumes.get(f"{container}_state").remove()
    assert warmbuild.remains(builder) == []


def test_one_that_buildx_knows_is_used_and_stays(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    small: Path,
    builder: str,
    theirs: Mapping[str, str],
    tmp_path: Path,
) -> None:
    before = {
        path: path.read_bytes() for path in (tmp_path / "buildx").rglob("*") if path.is_file()
    }
    container = engine.containers.get(f"buildx_buildkit_{builder}0")
    ended = warmbuild.succeed(small, image=repository, builder=builder, extra=theirs)
    assert "docker buildx create" not in ended.log
    assert f"--builder {builder} " in ended.command
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    assert engine.containers.get(f"buildx_buildkit_{builder}0").id == container.id
    container.reload()
    assert container.status == "running"
    after = {path: path.read_bytes() for path in (tmp_path / "buildx").rglob("*") if path.is_file()}
    assert after == before
    # Its own cache is there without any registry.
    again = warmbuild.succeed(small, image=repository, builder=builder, extra=theirs, cache="off")
    assert again.executed == []


def test_one_that_is_only_known_as_a_container_is_used_and_stays(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    repository: str,
    small: Path,
    builder: str,
    theirs: Mapping[str, str],
) -> None:
    container = engine.containers.get(f"buildx_buildkit_{builder}0")
    warmbuild.kept.add(builder)
    warmbuild.succeed(small, image=repository, builder=builder, extra=theirs, cache="off")
    again = warmbuild.succeed(small, image=repository, builder=builder, cache="off")
    assert again.executed == []
    assert engine.containers.get(f"buildx_buildkit_{builder}0").id == container.id
    container.reload()
    assert container.status == "running"


def test_one_with_a_name_that_is_not_there_is_made_and_removed(
    warmbuild: Warmbuild, repository: str, small: Path, builder: str
) -> None:
    ended = warmbuild.succeed(small, image=repository, builder=builder)
    assert ended.builder == builder
    assert warmbuild.remains(builder) == []


def test_one_that_is_to_stay_serves_the_next_run(
    warmbuild: Warmbuild, repository: str, small: Path, kept: str
) -> None:
    first = warmbuild.succeed(small, image=repository, builder=kept, cleanup="false", cache="off")
    assert first.cached == []
    assert len(warmbuild.remains(kept)) == 2
    second = warmbuild.succeed(small, image=repository, builder=kept, cache="off")
    assert second.executed == []
    assert len(warmbuild.remains(kept)) == 2


def test_a_failed_build_takes_its_builder_with_it(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN false\n")
    ended = warmbuild.build(small, image=repository)
    assert ended.code == 4
    assert warmbuild.remains(ended.builder) == []


def buildx(lab: Lab, extra: Mapping[str, str], arguments: Sequence[str]) -> None:
    subprocess.run(  # noqa: S603 (the lab's own program)
        [lab.env["WARMBUILD_LAB_BUILDX"], *arguments],
        env={**lab.env, **extra},
        stdout=subprocess.DEVNULL,
        check=True,
    )
