"""The example projects are built as they are, with real packages, and warm on the next branch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import docker

    from tests.integration.conftest import Warmbuild

# How long a build may take that compiles Go from nothing, in seconds: 87 s on a slow machine.
COMPILES = 300.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "file"),
    [
        pytest.param("flask", "Dockerfile.multistage", id="flask-multistage"),
        pytest.param("node-ci", "Dockerfile", id="node-ci"),
    ],
)
def test_an_example_is_cold_once(
    warmbuild: Warmbuild, tmp_path: Path, repository: str, example: str, file: str
) -> None:
    project = Path(shutil.copytree(EXAMPLES / example, tmp_path / example))
    cold = warmbuild.succeed(project, image=repository, file=file)
    assert cold.cached == []
    warm = warmbuild.succeed(project, branch="feature/x", image=repository, file=file)
    assert warm.executed == []
    assert sorted(warm.cached) == sorted(cold.executed)


def test_tests_run_in_the_image_that_is_for_them(
    warmbuild: Warmbuild, engine: docker.DockerClient, tmp_path: Path, repository: str
) -> None:
    project = Path(shutil.copytree(EXAMPLES / "node-ci", tmp_path / "node-ci"))
    ended = warmbuild.succeed(project, image=repository, push="false", load="true")
    output = engine.containers.run(f"{repository}:main", remove=True, network_mode="none")
    engine.images.remove(f"{repository}:main")
    engine.images.remove(f"{repository}:latest")
    assert ended.outputs["imageid"].startswith("sha256:")
    assert "# fail 0" in output.decode()


@pytest.mark.long
def test_a_commit_that_is_baked_in_runs_the_last_step_alone(
    warmbuild: Warmbuild, tmp_path: Path, repository: str
) -> None:
    project = Path(shutil.copytree(EXAMPLES / "go-server", tmp_path / "go-server"))
    cold = warmbuild.start(project, image=repository, build_args="GIT_COMMIT=one").end(COMPILES)
    assert (cold.code, cold.cached) == (0, []), cold.log
    next_commit = warmbuild.start(project, image=repository, build_args="GIT_COMMIT=two").end(
        COMPILES
    )
    assert next_commit.code == 0, next_commit.log
    assert "RUN go mod download" in next_commit.cached
    compiled, copied = next_commit.executed
    assert compiled.startswith("RUN CGO_ENABLED=0 go build")
    assert copied == "COPY --from=build /go-server /go-server"
