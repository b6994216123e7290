"""Whose code is in which pods: that of strangers has a pool of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fleet.cluster import wait
from tests.integration.conftest import FORK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet


def pods_of(cluster: Cluster, builder: str) -> list[str]:
    """Return the pods of the first node of a builder."""
    return [pod for pod in cluster.ready() if pod.startswith(f"{builder}0-")]


def test_a_fork_reads_mains_cache_and_finds_nothing_of_main_in_its_daemon(
    fleet: Fleet, cluster: Cluster, small: Path, repository: str
) -> None:
    pools: dict[str, Any] = {"builder": "ci", "untrusted_builder": "name: strangers"}
    fleet.kept |= {"ci", "strangers"}
    fleet.succeed(small, image=repository, **pools)
    # Main's daemon has every step, without any cache.
    assert fleet.succeed(small, image=repository, cache="off", **pools).executed == []
    theirs = fleet.succeed(small, image=repository, ci=FORK, cache="off", push="false", **pools)
    assert theirs.cached == []
    assert "untrusted-builder is used: the code comes from a fork" in theirs.log
    assert [len(pods_of(cluster, pool)) for pool in ("ci", "strangers")] == [1, 1]
    for pod in pods_of(cluster, "strangers"):
        cluster.kill(pod)
    warm = fleet.succeed(small, image=repository, ci=FORK, push="false", **pools)
    assert (warm.executed, warm.outputs["cache-written"]) == ([], "")


def test_a_fork_has_no_pods_if_all_are_mains(
    fleet: Fleet, cluster: Cluster, small: Path, repository: str
) -> None:
    ended = fleet.build(small, image=repository, ci=FORK, builder="ci")
    assert ended.code == 2
    assert "untrusted-builder: is missing: trusted runs use the pods of ci too" in ended.log
    assert cluster.content() == []


def test_pods_of_one_run_are_nobody_elses(
    fleet: Fleet, cluster: Cluster, small: Path, repository: str
) -> None:
    fleet.succeed(small, image=repository)
    ended = fleet.succeed(small, image=repository, ci=FORK, push="false", cache="off")
    assert ended.cached == []
    wait(lambda: cluster.content() == [])
