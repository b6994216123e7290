"""The jobs with which docker/setup-buildx-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts. A step of warmbuild has
its builder for itself, so it is the step that builds which has the inputs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import buildx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Arm64, Lab, Warmbuild
    from tests.integration.peers.conftest import Step

# It needs no registry, so it is built by any builder.
EMPTY = "FROM scratch\nCOPY Dockerfile /\n"
GIVEN = {"context": ".", "push": "false", "builder": ""}


@pytest.fixture
def empty(project: Callable[..., Path]) -> Path:
    return project(EMPTY)


@pytest.fixture
def configuration(lab: Lab, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Write a Docker configuration with a context of the lab's engine; return its variables."""

    def write(current: str) -> dict[str, str]:
        name = "mycontext"
        place = tmp_path / "docker" / "contexts" / "meta"
        meta = place / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        meta.parent.mkdir(parents=True)
        endpoint = {"Host": f"unix://{lab.engine_socket}", "SkipTLSVerify": False}
        said = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
        meta.write_text(json.dumps(said))
        config = {"currentContext": current} if current else {}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(config))
        return {"DOCKER_CONFIG": str(tmp_path / "docker"), "DOCKER_HOST": ""}

    return write


def test_multi(uses: Step, empty: Path) -> None:
    """Two builders are set up in one job."""
    names = {uses(empty, **GIVEN).outputs["name"] for _ in range(2)}
    assert len(names) == 2


def test_error(uses: Step, empty: Path, tmp_path: Path) -> None:
    """Without an engine the step is red."""
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    assert uses.where(**nowhere).fail(empty, **GIVEN).code == 3


def test_debug(uses: Step, project: Callable[..., Path], arm64: Arm64) -> None:
    """A daemon that was started with a flag builds for several platforms."""
    place = project(f"FROM {arm64.image}\nRUN uname -a\n")
    both = "linux/amd64,linux/arm64"
    ended = uses(place, buildkitd_flags="--debug", platforms=both, **GIVEN)
    (node,) = json.loads(ended.outputs["nodes"])
    assert node["buildkitd-flags"].startswith("--debug")
    assert "aarch64" in ended.log


@pytest.mark.parametrize(
    ("name", "value"),
    [("use", "true"), ("use", "false"), ("cache_binary", "true"), ("cache_binary", "false")],
)
def test_use(name: str, value: str, *, uses: Step, empty: Path) -> None:
    """What concerns other steps alone is taken."""
    ended = uses(empty, outputs="type=cacheonly", context=".", **{name: value})
    assert ended.warnings == []


@pytest.mark.parametrize("network", ["", "\nnetwork=host"], ids=["image", "image-and-network"])
def test_driver(network: str, *, uses: Step, lab: Lab, empty: Path) -> None:
    """The builder has the driver and its options."""
    image = f"image={lab.env['WARMBUILD_LAB_BUILDKIT_IMAGE']}"
    opts = {"driver": "docker-container", "driver_opts": f"{image}{network}"}
    ended = uses(empty, **opts, **GIVEN)
    (node,) = json.loads(ended.outputs["nodes"])
    assert ended.outputs["driver"] == "docker-container"
    assert {image, *network.split()} <= set(node["driver-opts"])


def test_docker_driver(uses: Step, empty: Path) -> None:
    """The builder is the engine's own, by its name, and it runs."""
    ended = uses(empty, driver="docker", driver_opts="", **GIVEN)
    assert (ended.outputs["name"], ended.outputs["driver"]) == ("default", "docker")
    assert [node["status"] for node in json.loads(ended.outputs["nodes"])] == ["running"]


def test_endpoint(uses: Step, empty: Path, configuration: Callable[[str], dict[str, str]]) -> None:
    """The builder is made at the engine of a Docker context."""
    variables = {**configuration(""), "DOCKER_CONTEXT": "mycontext"}
    ended = uses.where(**variables)(empty, endpoint="mycontext", **GIVEN)
    (node,) = json.loads(ended.outputs["nodes"])
    assert node["endpoint"] == "mycontext"


def test_docker_context(
    uses: Step, empty: Path, configuration: Callable[[str], dict[str, str]]
) -> None:
    """The engine's own builder is that of the context in use."""
    variables = configuration("mycontext")
    ended = uses.where(**variables)(empty, driver="docker", driver_opts="", **GIVEN)
    assert ended.outputs["driver"] == "docker"
    assert ended.outputs["name"] == "mycontext"


@pytest.mark.parametrize("name", ["buildkitd_config", "buildkitd_config_inline"])
def test_buildkitd_config(
    name: str, *, uses: Step, lab: Lab, project: Callable[..., Path], tmp_path: Path
) -> None:
    """A daemon that is configured builds; here it has the mirror that the base image is from."""
    text = f"debug = true\n{Path(lab.buildkitd_config).read_text()}"
    (tmp_path / "buildkitd.toml").write_text(text)
    values = {
        "buildkitd_config": str(tmp_path / "buildkitd.toml"),
        "buildkitd_config_inline": text,
    }
    own = dict.fromkeys(values, "") | {name: values[name]}
    uses(project("FROM busybox:1.37\n"), buildkitd_flags="--debug", **own, **GIVEN)


def test_build_ref(uses: Step, empty: Path) -> None:
    """The job builds buildx from a commit. Here the one that is there has to be wanted."""
    ended = uses.fail(
        empty, version="https://github.com/docker/buildx.git#master", context=".", push="false"
    )
    assert ended.code in {2, 3}


def test_standalone_action(uses: Step, lab: Lab, empty: Path, tmp_path: Path) -> None:
    """Without a docker CLI, with buildx alone, a builder is made and builds."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "buildx").symlink_to(lab.env["WARMBUILD_LAB_BUILDX"])
    uses.where(PATH=str(programs))(empty, **GIVEN)


def test_platforms(uses: Step, empty: Path) -> None:
    """The node is for the platforms that it is told to be for."""
    ended = uses(empty, node_platforms="linux/amd64", **GIVEN)
    (node,) = json.loads(ended.outputs["nodes"])
    assert node["platforms"] == ended.outputs["platforms"] == "linux/amd64"


@pytest.fixture
def kept(warmbuild: Warmbuild, engine: docker.DockerClient, name: str) -> Iterator[str]:
    """Return the name of a builder that a step leaves, and remove it."""
    builder = f"lab-{name[-6:]}"
    warmbuild.kept.add(builder)
    yield builder
    container = f"buildx_buildkit_{builder}0"
    engine.containers.get(container).remove(force=True)
    engine.volumes.get(f"{container}_state").remove()


def test_cleanup(uses: Step, lab: Lab, empty: Path, kept: str, tmp_path: Path) -> None:
    """A builder that stays is there for a later step that runs buildx itself."""
    config = {"BUILDX_CONFIG": str(tmp_path / "buildx")}
    ended = uses.where(**config)(empty, **GIVEN | {"builder": kept}, cleanup="false")
    assert ended.outputs["name"] == kept
    buildx({**lab.env, **config}, "build", "--builder", kept, str(empty))


def test_keep_state_error(uses: Step, empty: Path) -> None:
    """The engine's own builder has no state to keep, which is red."""
    ended = uses.fail(empty, driver="docker", driver_opts="", keep_state="true", **GIVEN)
    assert ended.code == 2
