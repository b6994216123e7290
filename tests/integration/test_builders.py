"""Builders: one that is found stays as it is, and one that is made goes unless it is to stay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import buildx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import docker

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild


@pytest.fixture
def builder(name: str) -> str:
    return f"lab-{name[-6:]}"


@pytest.fixture
def theirs(lab: Lab, builder: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Make a builder as a user does, with buildx alone; return where buildx remembers it."""
    place = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    create = ["create", "--name", builder, "--driver=docker-container", "--bootstrap"]
    create += [part for opt in lab.driver_opts.splitlines() for part in ("--driver-opt", opt)]
    buildx({**lab.env, **place}, *create, "--buildkitd-config", lab.buildkitd_config)
    yield place
    buildx({**lab.env, **place}, "rm", "--force", builder)


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
    warmbuild: Warmbuild, repository: str, small: Path, kept: str, tmp_path: Path
) -> None:
    home = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    first = warmbuild.succeed(
        small, image=repository, builder=kept, cleanup="false", cache="off", extra=home
    )
    assert first.cached == []
    assert len(warmbuild.remains(kept)) == 2
    second = warmbuild.succeed(small, image=repository, builder=kept, cache="off")
    assert second.executed == []
    assert len(warmbuild.remains(kept)) == 2


class TestOneThatStays:
    """It is known to the user's own buildx, by the name in the outputs."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> dict[str, str]:
        """Return where a user's buildx looks, which may not be the user of the run."""
        directory = tmp_path / "user"
        directory.mkdir()
        if os.geteuid() == 0:
            os.chown(directory, 1234, 1234)
        return {"BUILDX_CONFIG": str(directory / "buildx")}

    @pytest.fixture
    def stays(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        repository: str,
        small: Path,
        config: dict[str, str],
    ) -> Iterator[Ended]:
        """Return a run that leaves its builder, and remove this as a user does."""
        ended = warmbuild.succeed(
            small, image=repository, cleanup="false", use="true", cache="off", extra=config
        )
        warmbuild.kept.add(ended.builder)
        yield ended
        buildx({**lab.env, **config}, "rm", "--force", ended.builder)
        assert warmbuild.remains(ended.builder) == []

    def test_later_steps_build_with_it(
        self,
        stays: Ended,
        warmbuild: Warmbuild,
        lab: Lab,
        config: dict[str, str],
        small: Path,
        tmp_path: Path,
    ) -> None:
        name = stays.outputs["name"]
        assert re.fullmatch("warmbuild-kept-[0-9a-f]{8}", name)
        root = Path(config["BUILDX_CONFIG"])
        assert f"the builder {name} stays, and buildx knows it by {root}/instances/{name}" in (
            stays.log
        )
        found = {path.name: path.stat() for path in (root, *root.rglob("*"))}
        assert found.keys() == {"buildx", "instances", "current", name}
        # The files belong to the user whose directory it is, which may not be that of the run.
        user = root.parent.stat()
        owners = {(stat.st_uid, stat.st_gid) for stat in found.values()}
        assert owners == {(user.st_uid, user.st_gid)}
        own = {**lab.env, **config}
        for chosen in (["--builder", name], []):
            said = buildx(own, "build", "--progress", "plain", *chosen, str(small))
            assert said.count("CACHED") == 2
        (node,) = json.loads(stays.outputs["nodes"])
        said = buildx(own, "inspect", name)
        for line in (f"Endpoint:              {node['endpoint']}", 'network="host"', "running"):
            assert line in said
        # No clean-up takes it, and another buildx takes it over by one command.
        done = subprocess.run(
            [sys.executable, "-m", "warmbuild", "cleanup", "--older-than", "0s", "--dry-run"],
            env={**warmbuild.environment, **config},
            capture_output=True,
            text=True,
            check=True,
        )
        assert name not in done.stdout
        other = {**lab.env, "BUILDX_CONFIG": str(tmp_path / "other")}
        buildx(other, "create", "--name", name, "--driver", "docker-container")
        said = buildx(other, "build", "--builder", name, "--progress", "plain", str(small))
        assert said.count("CACHED") == 2

    def test_later_runs_build_with_it_and_keep_it(
        self,
        stays: Ended,
        warmbuild: Warmbuild,
        repository: str,
        small: Path,
        config: dict[str, str],
    ) -> None:
        name = stays.outputs["name"]
        for known in (config, {}):
            again = warmbuild.succeed(
                small, image=repository, builder=name, cache="off", extra=known
            )
            assert again.executed == []
            assert len(warmbuild.remains(name)) == 2


def test_a_failed_build_takes_its_builder_with_it(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN false\n")
    ended = warmbuild.build(small, image=repository)
    assert ended.code == 4
    assert warmbuild.remains(ended.builder) == []
