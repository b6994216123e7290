"""What runs leave in a cluster: nothing, or what a later run removes, or what is to stay."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest

from lab import cluster as lab_cluster
from lab import processes
from lab.layout import find_layout
from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fleet.cluster import Cluster
    from tests.fleet.conftest import Fleet

OWNER: Final = "io.github.warmbuild.owner"
# How long the API server is away, in seconds.
OUTAGE: Final = 5.0
BEGUN: Final = r"^#\d+ [\d.]+ has begun$"
VERBS: Final = ["get", "create", "patch", "delete"]


@pytest.fixture
def slow(project: Callable[..., Path]) -> Path:
    """Return a project whose only step takes long, and was never built."""
    return project(f"FROM busybox:1.37\nRUN echo {secrets.token_hex(8)}; echo has begun; sleep 8\n")


@pytest.fixture
def away() -> Iterator[Callable[[], None]]:
    """Return what takes the API server away for some seconds; it is back in any case."""
    found = processes.find({"kube-apiserver"}, lab_cluster.place(find_layout()).root)
    assert len(found) == 1

    def leave() -> None:
        os.kill(found[0], signal.SIGSTOP)
        try:
            time.sleep(OUTAGE)
        finally:
            os.kill(found[0], signal.SIGCONT)

    yield leave
    os.kill(found[0], signal.SIGCONT)


def cleanup(fleet: Fleet, *arguments: str) -> str:
    """Return what `warmbuild cleanup` says."""
    done = subprocess.run(  # noqa: S603  a list, never a shell
        [sys.executable, "-m", "warmbuild", "cleanup", *arguments],
        env=fleet.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def killed(fleet: Fleet, project: Path) -> None:
    """Let a run be killed when its builder is up."""
    run = fleet.alone(project)
    run.wait_for(BEGUN)
    for pid in run.processes():
        os.kill(pid, signal.SIGKILL)
    run.process.wait()
    fleet.kept.add(run.builder)


def disown(cluster: Cluster, owner: str | None) -> None:
    """Let the only deployment belong to another process, or to none that is known."""
    (found,) = cluster.list("Deployment")
    path = cluster.path("Deployment", found["metadata"]["name"])
    cluster.call("PATCH", path, {"metadata": {"annotations": {OWNER: owner}}})


@pytest.mark.parametrize("pattern", [r"^\+ docker buildx create", "^builder |waiting", BEGUN])
def test_a_run_that_is_stopped_leaves_nothing(
    fleet: Fleet, cluster: Cluster, slow: Path, pattern: str
) -> None:
    run = fleet.alone(slow)
    run.wait_for(pattern)
    run.process.terminate()
    assert run.end().code == 128 + signal.SIGTERM
    wait(lambda: cluster.content() == [])


def test_a_run_that_fails_leaves_nothing(
    fleet: Fleet, cluster: Cluster, project: Callable[..., Path]
) -> None:
    assert fleet.alone(project("FROM busybox:1.37\nRUN false\n")).end().code != 0
    wait(lambda: cluster.content() == [])


def test_what_a_killed_run_has_left_goes_with_the_next_run(
    fleet: Fleet, cluster: Cluster, slow: Path
) -> None:
    killed(fleet, slow)
    left = cluster.content()
    assert {name.partition("/")[0] for name in left} == {"Deployment", "ConfigMap", "Pod"}
    ended = fleet.alone(slow).end()
    assert ended.code == 0, ended.log
    (line,) = (text for _, text in ended.lines if " in the cluster " in text)
    assert line.endswith("and its run has ended")
    wait(lambda: cluster.content() == [])


def test_the_pods_of_others_are_left_alone(fleet: Fleet, cluster: Cluster, slow: Path) -> None:
    run = fleet.alone(slow)
    run.wait_for(BEGUN)
    assert "stays: its run has not ended" in cleanup(fleet, "--older-than", "0s")
    assert run.end().code == 0
    killed(fleet, slow)
    # On another machine, or by hand.
    disown(cluster, None)
    assert fleet.alone(slow).end().code == 0
    assert [name for name in cluster.content() if name.startswith("Deployment/")]
    assert "nothing younger than" in cleanup(fleet)
    assert "would be removed: " in cleanup(fleet, "--older-than", "0s", "--dry-run")
    assert "is removed: " in cleanup(fleet, "--older-than", "0s")
    wait(lambda: cluster.content() == [])


def test_an_account_that_may_not_list_them_hears_nothing_of_it(
    fleet: Fleet, cluster: Cluster, slow: Path, tmp_path: Path
) -> None:
    killed(fleet, slow)
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": VERBS},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": [*VERBS, "update"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    ]
    account = cluster.account("ci", rules, tmp_path)
    ended = fleet.build(
        slow,
        ci=None,
        extra={"KUBECONFIG": str(account)},
        image="",
        push="false",
        cache="off",
    )
    assert ended.code == 0, ended.log
    assert ended.warnings == []
    assert " in the cluster " not in ended.log


def test_a_builder_that_stays_is_known_with_its_replicas(
    fleet: Fleet, cluster: Cluster, slow: Path
) -> None:
    run = fleet.alone(slow, cleanup="false", driver_opts=fleet.driver_opts("replicas=2"))
    ended = run.end()
    assert ended.code == 0, ended.log
    fleet.kept.add(ended.builder)
    assert len(cluster.ready()) == 2
    record = fleet.home / ".docker/buildx/instances" / ended.builder
    (node,) = json.loads(record.read_text())["Nodes"]
    assert node["DriverOpts"]["replicas"] == "2"


def test_a_build_waits_while_the_api_server_is_away(
    fleet: Fleet, cluster: Cluster, slow: Path, away: Callable[[], None]
) -> None:
    run = fleet.alone(slow)
    run.wait_for(BEGUN)
    away()
    ended = run.end()
    assert ended.code == 0, ended.log
    assert ended.warnings == []
    wait(lambda: cluster.content() == [])


def test_a_boot_waits_while_the_api_server_is_away(
    fleet: Fleet, cluster: Cluster, slow: Path, away: Callable[[], None]
) -> None:
    run = fleet.alone(slow)
    run.wait_for(r"^\+ docker buildx create")
    wait(lambda: cluster.list("Deployment"))
    away()
    ended = run.end()
    assert ended.code == 0, ended.log
    wait(lambda: cluster.content() == [])
