"""A pod that ends in the middle of a build: the run builds once more, on another one."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

import pytest

from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Registry

# Compressing it takes long enough for a pod to be removed meanwhile.
BIG: Final = "dd if=/dev/urandom of=/big bs=1M count=400 2>/dev/null"


def kill_all(cluster: Cluster) -> None:
    """Kill the pods of a namespace, and wait until they are gone."""
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    assert before
    for pod in cluster.pods():
        cluster.kill(pod["metadata"]["name"])
    wait(lambda: not before & {pod["metadata"]["uid"] for pod in cluster.list("Pod")})


@pytest.fixture
def slow(project: Callable[..., Path]) -> Path:
    """Return a project that takes long, and whose steps nobody else has."""
    once = f"RUN echo {secrets.token_hex(8)} > /once"
    return project(f"FROM busybox:1.37\n{once}\nRUN echo has begun; sleep 5; {BIG}\n")


@pytest.mark.parametrize(
    ("phase", "again"),
    [
        (r"^#\d+ [\d.]+ has begun$", "building again"),
        (r"^#\d+ exporting layers", "building again"),
        ("the image is done; now exporting its cache", "exporting the cache again"),
    ],
    ids=["in RUN", "in the export of the image", "in the export of the cache"],
)
def test_a_run_whose_pod_is_killed_builds_on_the_next_one(
    fleet: Fleet,
    cluster: Cluster,
    registry: Registry,
    slow: Path,
    repository: str,
    phase: str,
    again: str,
) -> None:
    run = fleet.start(slow, image=repository, cache_export="after")
    run.wait_for(phase)
    kill_all(cluster)
    ended = run.end()
    assert ended.code == 0, ended.log
    assert len(re.findall(rf"the pod \S+ is (?:gone|being removed); {again}", ended.log)) == 1
    registry.check_image(f"{repository}:main")
    registry.check_cache(f"{repository}:cache-main")
    assert ended.cached == []
    wait(lambda: cluster.content() == [])
    # The cache is that of the image, whatever pod it is from.
    assert fleet.succeed(slow, image=repository, branch="feature").executed == []


def test_a_build_that_loses_two_pods_has_failed(
    fleet: Fleet, cluster: Cluster, slow: Path, repository: str
) -> None:
    run = fleet.start(slow, image=repository)
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    kill_all(cluster)
    run.wait_for("; building again$")
    wait(lambda: run.log.count("has begun\n") > 1 or run.log.endswith("has begun"))
    kill_all(cluster)
    ended = run.end()
    assert ended.code == 3
    assert ended.log.count("; building again") == 1
    (error,) = ended.errors
    assert "the connection to the builder is lost for the second time: the pod " in error
    wait(lambda: cluster.content() == [])
