"""A pool that stays: many runs use it, none removes it, and its pods may come and go."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.fleet.cluster import wait
from tests.integration.conftest import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Ended, Registry

# Says in which pod a step runs, for it has the network of its pod.
ADDRESS: Final = "ip -o -4 addr show dev eth0 | sed 's/.*inet \\([0-9.]*\\).*/runs at \\1/'"


@pytest.fixture
def ci(fleet: Fleet) -> Fleet:
    """Start runs that share the pool `ci`."""
    fleet.kept.add("ci")
    return fleet


@pytest.fixture
def telling(tmp_path: Path) -> Callable[..., Path]:
    """Return what makes a project whose only step, which nobody has, says where it runs.

    A second one of the same name has the same path.
    """

    def made(name: str = "") -> Path:
        place = tmp_path / f"of-{name or secrets.token_hex(4)}"
        place.mkdir(exist_ok=True)
        step = f"RUN echo {secrets.token_hex(8)}; {ADDRESS}"
        return written(place, {"Dockerfile": f"FROM busybox:1.37\n{step}\n"})

    return made


def pool(cluster: Cluster) -> Mapping[str, Any]:
    """Return the deployment of the pool."""
    (found,) = cluster.list("Deployment")
    assert found["metadata"]["name"] == "ci0"
    return found


def address(ended: Ended) -> str:
    """Return the address of the pod that a build ran in."""
    assert ended.code == 0, ended.log
    (found,) = set(re.findall(r"runs at ([0-9.]+)$", ended.log, re.MULTILINE))
    return str(found)


def steps(ended: Ended) -> list[bool]:
    """Return whether each step of a build that ended well was cached."""
    assert ended.code == 0, ended.log
    return list(ended.steps.values())


def addresses(cluster: Cluster) -> set[str]:
    """Return the addresses of all pods."""
    return {pod["status"]["podIP"] for pod in cluster.pods()}


def uids(cluster: Cluster) -> set[str]:
    """Return what tells the pods of now from those of later."""
    return {pod["metadata"]["uid"] for pod in cluster.pods()}


def test_a_pool_is_made_once_and_used_as_it_is(
    ci: Fleet, cluster: Cluster, small: Path, repository: str
) -> None:
    first = ci.succeed(small, image=repository, builder="ci")
    made, pods = pool(cluster)["metadata"]["uid"], uids(cluster)
    second = ci.succeed(small, image=repository, builder="ci", cache="off", branch="feature")
    assert steps(second) == [True, True]
    assert pool(cluster)["metadata"]["uid"] == made
    assert uids(cluster) == pods
    assert "the pool ci0" not in first.log + second.log


def test_two_runs_may_make_it_in_the_same_moment(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    runs = [ci.alone(telling(), builder="ci") for _ in range(2)]
    for run in runs:
        address(run.end())
    assert len(cluster.ready()) == 1
    assert pool(cluster)["spec"]["replicas"] == 1


def test_eight_builds_at_once_are_shared_by_both_pods(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    options = ci.driver_opts("replicas=2", "loadbalance=random")
    first = address(ci.alone(telling(), builder="ci", driver_opts=options).end())
    assert len(cluster.ready()) == 2
    runs = [ci.alone(telling(), builder="ci", driver_opts=options) for _ in range(8)]
    used = {address(run.end()) for run in runs}
    # By chance all nine builds are in one pod once in 256 times.
    assert used | {first} == addresses(cluster)


def test_a_project_stays_on_one_pod(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    options = ci.driver_opts("replicas=2", "loadbalance=sticky")
    used = {}
    for name in ("one", "two", "three"):
        runs = [ci.alone(telling(name), builder="ci", driver_opts=options).end() for _ in range(3)]
        (used[name],) = {address(run) for run in runs}
    assert set(used.values()) <= addresses(cluster)


def test_state_on_a_volume_claim_outlives_its_pod(
    ci: Fleet, cluster: Cluster, small: Path, volumes: Callable[[int], None]
) -> None:
    volumes(1)
    options = ci.driver_opts("persistent-volume-claim.requests.storage=1Gi")
    alone = {"builder": "ci", "driver_opts": options}
    assert steps(ci.alone(small, **alone).end()) == [False, False]
    before = uids(cluster)
    (pod,) = cluster.ready()
    cluster.kill(pod)
    wait(lambda: uids(cluster) and not uids(cluster) & before)
    assert steps(ci.alone(small, **alone).end()) == [True, True]
    assert cluster.list("Deployment") == []
    assert len(cluster.list("PersistentVolumeClaim")) == 1


def test_volume_claims_of_one_run_go_with_it(
    fleet: Fleet, cluster: Cluster, small: Path, volumes: Callable[[int], None]
) -> None:
    volumes(2)
    options = fleet.driver_opts("replicas=2", "persistent-volume-claim.requests.storage=1Gi")
    assert steps(fleet.alone(small, driver_opts=options).end()) == [False, False]
    wait(lambda: cluster.content() == [])


def test_every_build_succeeds_while_the_pool_is_restarted(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    options = ci.driver_opts("replicas=2")
    alone = {"builder": "ci", "driver_opts": options}
    address(ci.alone(telling(), **alone).end())
    before = uids(cluster)
    # As `kubectl rollout restart` does.
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    template = {"metadata": {"annotations": restarted}}
    cluster.call("PATCH", cluster.path("Deployment", "ci0"), {"spec": {"template": template}})
    builds = 0
    while uids(cluster) & before or len(cluster.ready()) < 2:
        address(ci.alone(telling(), **alone).end())
        builds += 1
    address(ci.alone(telling(), **alone).end())
    assert builds


def test_where_and_how_pods_run_is_as_the_options_say(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    cluster.create({"kind": "ServiceAccount", "metadata": {"name": "builders"}})
    options = ci.driver_opts(
        "nodeselector=kubernetes.io/hostname=arm64",
        "requests.cpu=100m",
        "requests.memory=64Mi",
        "limits.cpu=2",
        "limits.memory=4Gi",
        "serviceaccount=builders",
    )
    address(ci.alone(telling(), builder="ci", driver_opts=options).end())
    (pod,) = cluster.pods()
    spec, (daemon,) = pod["spec"], pod["spec"]["containers"]
    assert spec["nodeName"] == "arm64"
    assert spec["serviceAccountName"] == "builders"
    assert daemon["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": "2", "memory": "4Gi"},
    }


def test_pods_without_root_build(
    fleet: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    # The image is the one that fits.
    run = fleet.alone(telling(), driver_opts="rootless=true")
    run.wait_for("is up after")
    (pod,) = cluster.pods()
    (daemon,) = pod["spec"]["containers"]
    assert not daemon["securityContext"].get("privileged")
    address(run.end())
    wait(lambda: cluster.content() == [])


def test_each_platform_is_built_on_a_node_of_its_own(
    ci: Fleet, cluster: Cluster, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    options = ci.driver_opts("nodeselector=kubernetes.io/hostname={}")
    append = [{"platforms": "linux/arm64", "driver-opts": options.format("arm64")}]
    step = f"ARG TARGETARCH\nRUN echo {secrets.token_hex(8)} for $TARGETARCH; {ADDRESS}"
    ended = ci.succeed(
        project(f"FROM busybox:1.37-glibc\n{step}\n"),
        image=repository,
        builder="ci",
        driver_opts=options.format("amd64"),
        node_platforms="linux/amd64",
        append=json.dumps(append),
        platforms="linux/amd64,linux/arm64",
    )
    nodes = {pod["status"]["podIP"]: pod["spec"]["nodeName"] for pod in cluster.pods()}
    said = {
        text: dict(re.findall(rf"^(#\d+) [\d.]+ .*{text} (\S+)$", ended.log, re.MULTILINE))
        for text in ("for", "runs at")
    }
    built = {platform: nodes[said["runs at"][step]] for step, platform in said["for"].items()}
    assert built == {"amd64": "amd64", "arm64": "arm64"}, ended.log
    path = repository.removeprefix(f"{registry.host}/")
    manifests = registry.get(f"{path}/manifests/main").json()["manifests"]
    assert {"amd64", "arm64"} <= {one["platform"]["architecture"] for one in manifests}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("replicas=2", "has 1 replica, not 2"),
        ("image=moby/buildkit:v0.34.2-other", r"runs \S+, not moby/buildkit:v0.34.2-other"),
    ],
)
def test_a_pool_that_differs_is_used_as_it_is_and_the_run_says_so(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path], asked: str, said: str
) -> None:
    address(ci.alone(telling(), builder="ci").end())
    before = uids(cluster)
    ended = ci.alone(telling(), builder="ci", driver_opts=ci.driver_opts(asked)).end()
    address(ended)
    assert re.search(f"^the pool ci0 was there and {said}: ", ended.log, re.MULTILINE), ended.log
    assert uids(cluster) == before


def test_a_pool_that_rests_is_woken(
    ci: Fleet, cluster: Cluster, telling: Callable[..., Path]
) -> None:
    address(ci.alone(telling(), builder="ci").end())
    cluster.call("PATCH", cluster.path("Deployment", "ci0"), {"spec": {"replicas": 0}})
    wait(lambda: cluster.list("Pod") == [])
    ended = ci.alone(telling(), builder="ci", driver_opts=ci.driver_opts("replicas=2")).end()
    address(ended)
    assert len(cluster.ready()) == 2
