"""A builder that stays, and the file by which the user's buildx knows it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plans import planned
from warmbuild import ci
from warmbuild.builder import handover
from warmbuild.builder.handover import Place
from warmbuild.builder.private_directory import Private
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuilderPlan

NODE = {
    "Name": "b0",
    "Endpoint": "unix:///var/run/docker.sock",
    "Platforms": None,
    "DriverOpts": {"image": "moby/buildkit:v0.34.2", "env.http_proxy": "http://me:hunter2@proxy"},
    "Flags": ["--debug"],
    "Files": {
        "buildkitd.toml": base64.b64encode(b"debug = true").decode(),
        "certs/r.io/key.pem": base64.b64encode(b"-----BEGIN PRIVATE KEY-----\n").decode(),
    },
}
STAYS = "the builder b stays, "
MOUNT = "mount the directory in which their buildx keeps its state at {}"


@pytest.fixture
def plan(parsed: Callable[..., Inputs]) -> Callable[..., BuilderPlan]:
    def make(**inputs: str) -> BuilderPlan:
        return planned(parsed(cleanup="false", **inputs), RunContext(ci="local")).builder

    return make


@pytest.fixture
def user(tmp_path: Path) -> Place:
    return Place(directory=tmp_path / "home/.docker/buildx", is_seen=True)


@pytest.fixture
def hand_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[BuilderPlan, dict[str, object] | None, Place], str]:
    """Return what hands over the builder b, and returns what the log says."""

    def run(plan: BuilderPlan, node: dict[str, object] | None, user: Place) -> str:
        private = Private(root=tmp_path / "private")
        if node is not None:
            record = {"Name": "b", "Driver": plan.driver.name, "Nodes": [node], "Dynamic": False}
            private.write(private.buildx_config / "instances" / "b", json.dumps(record))
        handover.hand_over(plan, "b", private, user, Log(provider=ci.named("local")))
        return capsys.readouterr().out.strip()

    return run


def written(user: Place) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((user.directory / "instances/b").read_text())
    return found


def test_the_users_buildx_knows_it_without_secrets(
    plan: Callable[..., BuilderPlan], user: Place, hand_over: Callable[..., str]
) -> None:
    said = hand_over(plan(), NODE, user)
    record = user.directory / "instances/b"
    assert said == f"{STAYS}and buildx knows it by {record}"
    options, files = {"image": "moby/buildkit:v0.34.2"}, {"buildkitd.toml": "ZGVidWcgPSB0cnVl"}
    assert written(user) == {
        "Name": "b",
        "Driver": "docker-container",
        "Nodes": [{**NODE, "DriverOpts": options, "Files": files}],
        "Dynamic": False,
    }
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in user.directory.iterdir()] == ["instances"]


def test_it_is_the_default_if_the_user_says_so(
    plan: Callable[..., BuilderPlan], user: Place, hand_over: Callable[..., str]
) -> None:
    hand_over(plan(use="true"), NODE, user)
    assert json.loads((user.directory / "current").read_text()) == {
        "Key": "",
        "Name": "b",
        "Global": True,
    }


def test_one_that_the_user_has_stays_as_it_is(
    plan: Callable[..., BuilderPlan], user: Place, hand_over: Callable[..., str]
) -> None:
    record = user.directory / "instances/b"
    record.parent.mkdir(parents=True)
    record.write_text("theirs")
    assert hand_over(plan(use="true"), NODE, user) == ""
    assert record.read_text() == "theirs"
    assert not (user.directory / "current").exists()


def test_the_engines_own_has_no_file(
    plan: Callable[..., BuilderPlan], user: Place, hand_over: Callable[..., str]
) -> None:
    assert hand_over(plan(driver="docker"), None, user) == ""
    assert not user.directory.exists()


@pytest.mark.parametrize(
    ("endpoint", "options", "inputs", "is_known"),
    [
        pytest.param("warmbuild", {}, {}, False, id="a context of the run, with certificates"),
        pytest.param("warmbuild", {}, {"endpoint": "warmbuild"}, True, id="a context of the user"),
        pytest.param("tcp://a:1", {"cacert": "{}/nodes/0/cacert.pem"}, {}, False, id="TLS"),
        pytest.param("tcp://a:1", {"cacert": "/etc/ca.pem"}, {}, True, id="the user's own files"),
    ],
)
def test_certificates_do_not_stay(
    plan: Callable[..., BuilderPlan],
    user: Place,
    hand_over: Callable[..., str],
    tmp_path: Path,
    endpoint: str,
    options: dict[str, str],
    inputs: dict[str, str],
    is_known: bool,  # noqa: FBT001
) -> None:
    found = {name: path.format(tmp_path / "private") for name, path in options.items()}
    node = {**NODE, "Endpoint": endpoint, "DriverOpts": found}
    said = hand_over(plan(**inputs), node, user)
    assert (user.directory / "instances/b").exists() is is_known
    why = "the certificates for it are removed at the end of the run"
    assert (f"{STAYS}but later steps do not know it: {why}" in said) is not is_known


def test_a_directory_that_cannot_be_written(
    plan: Callable[..., BuilderPlan], user: Place, hand_over: Callable[..., str]
) -> None:
    user.directory.parent.mkdir(parents=True)
    user.directory.write_text("")
    said = hand_over(plan(), NODE, user)
    assert said.startswith(f"warning: {STAYS}but later steps do not know it: {user.directory}")
    assert "cannot be written: " in said


@pytest.mark.parametrize(
    ("inputs", "advice"),
    [
        ({}, "run this first: docker buildx create --name b --driver docker-container"),
        (
            {"use": "true", "endpoint": "there"},
            "run this first: docker buildx create --name b --driver docker-container --use there",
        ),
        (
            {"driver": "remote", "endpoint": "tcp://a:1"},
            "run this first: docker buildx create --name b --driver remote tcp://a:1",
        ),
        ({"driver": "kubernetes"}, MOUNT),
        ({"append": "- endpoint: there"}, MOUNT),
    ],
)
def test_others_than_this_container_have_to_be_told(
    plan: Callable[..., BuilderPlan],
    hand_over: Callable[..., str],
    tmp_path: Path,
    inputs: dict[str, str],
    advice: str,
) -> None:
    place = Place(directory=tmp_path / "buildx", is_seen=False)
    assert hand_over(plan(**inputs), NODE, place) == (
        f"warning: {STAYS}but steps outside of this container do not know it; "
        f"{advice.format(place.directory)}"
    )


@pytest.mark.parametrize(
    ("env", "mounts", "is_home_own", "is_seen"),
    [
        pytest.param({"HOME": "/me"}, None, False, True, id="a job"),
        pytest.param({"HOME": "/me"}, ("/src",), False, False, id="a container"),
        pytest.param({"HOME": "/me"}, ("/me/.docker",), False, True, id="with the directory"),
        pytest.param({"HOME": "/h"}, ("/h",), True, False, id="a home of its own"),
        pytest.param({"HOME": "/h", "DOCKER_CONFIG": "/d"}, ("/d",), True, True, id="as told"),
        pytest.param({"HOME": "/h", "BUILDX_CONFIG": "/d"}, ("/h",), True, False, id="nowhere"),
    ],
)
def test_who_sees_the_place(
    env: dict[str, str],
    mounts: Sequence[str] | None,
    is_home_own: bool,  # noqa: FBT001
    is_seen: bool,  # noqa: FBT001
) -> None:
    found = handover.place(env, Mounts(points=mounts), is_home_own=is_home_own)
    assert found.is_seen is is_seen
    usual = Path(env.get("DOCKER_CONFIG", f"{env['HOME']}/.docker"), "buildx")
    assert found.directory == Path(env.get("BUILDX_CONFIG", usual))


@pytest.mark.parametrize(
    ("driver", "asked", "replicas"),
    [
        pytest.param("kubernetes", "replicas=2", {"replicas": "2"}, id="as many as asked for"),
        pytest.param("kubernetes", "namespace=ci", {}, id="as many as buildx takes"),
        pytest.param("docker-container", "", {"replicas": "0"}, id="no pods"),
    ],
)
def test_a_later_boot_makes_pods(
    plan: Callable[..., BuilderPlan], driver: str, asked: str, replicas: dict[str, str]
) -> None:
    record = json.dumps({"Nodes": [{**NODE, "DriverOpts": {"image": "i", "replicas": "0"}}]})
    kept = json.loads(handover.with_pods(record, plan(driver=driver, driver_opts=asked)))
    assert kept["Nodes"][0]["DriverOpts"] == {"image": "i", **replicas}
