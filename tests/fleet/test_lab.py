"""What `lab down` has to find of the cluster, while it runs; nothing is stopped here."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import cluster as lab_cluster
from lab import cluster_network
from lab.cluster_config import NODES
from lab.layout import find_layout
from tests.fleet.cluster import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fleet.conftest import Fleet
    from tests.integration.conftest import Run

CGROUPS = Path("/sys/fs/cgroup")
INTERFACES = Path("/sys/class/net")
NAMESPACE = Path("/run/netns") / cluster_network.NAMESPACE


@pytest.fixture
def busy(fleet: Fleet, project: Callable[..., Path]) -> Iterator[Run]:
    """Return a run that builds in two pods for some seconds."""
    once = f"RUN echo {secrets.token_hex(8)}; echo has begun; sleep 6"
    run = fleet.alone(
        project(f"FROM busybox:1.37\n{once}\n"), driver_opts=fleet.driver_opts("replicas=2")
    )
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    yield run
    assert run.end().code == 0


def of_cluster() -> set[int]:
    """Return the processes in the network of the cluster, or in a control group of its nodes."""
    network, found = NAMESPACE.stat().st_ino, set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_inside = (process / "ns/net").stat().st_ino == network
            cgroups = (process / "cgroup").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if is_inside or any(f"/{node.cgroup}/" in cgroups for node in NODES):
            found.add(int(process.name))
    return found


def known() -> set[int]:
    """Return the processes that `down` stops."""
    layout = find_layout()
    return {*lab_cluster.programs(layout), *lab_cluster.of_pods(layout)}


@pytest.mark.usefixtures("busy")
def test_every_process_of_the_cluster_is_found() -> None:
    assert len(lab_cluster.programs(find_layout())) == 5 + 2 * len(NODES)
    # Some processes last no longer than the look at them.
    passing = of_cluster() - known()
    wait(lambda: not passing & (of_cluster() - known()), 5)
    assert len(known() & of_cluster()) > 5 + 2 * len(NODES)


@pytest.mark.usefixtures("busy")
def test_every_mount_of_the_cluster_lies_below_its_directory() -> None:
    root = lab_cluster.place(find_layout()).root
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines if str(root) in line]
    assert len(points) > 1
    assert [point for point in points if not Path(point).is_relative_to(root)] == []
    # Namespaces of pods are mounts, too.
    named = {Path(line.split()[4]) for line in lines if " nsfs " in line}
    assert {point for point in named if point.parent == NAMESPACE.parent} == {NAMESPACE}


@pytest.mark.usefixtures("busy")
def test_the_pods_are_in_control_groups_of_their_nodes() -> None:
    layout = find_layout()
    groups = {node.cgroup for node in NODES}
    for pid in lab_cluster.of_pods(layout):
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            program = Path(f"/proc/{pid}/exe").readlink().name
        except OSError:  # it has ended meanwhile
            continue
        if program == "containerd-shim-runc-v2":
            continue
        paths = [line.split(":")[2] for line in lines if line.split(":")[1]]
        outside = [path for path in paths if path.split("/")[1] not in groups]
        assert outside == [], program


def test_control_groups_go_with_those_below_them() -> None:
    group = CGROUPS / "cpu" / f"warmbuild-lab-{secrets.token_hex(4)}"
    for name in ("pods/one/container", "pods/two"):
        (group / name).mkdir(parents=True)
    lab_cluster.remove_cgroup(group)
    assert not group.exists()


@pytest.mark.usefixtures("busy")
def test_one_interface_leads_to_the_cluster() -> None:
    ours = {path.name for path in INTERFACES.iterdir() if path.name.startswith("warmbuild-lab")}
    # The other one is the engine's bridge.
    assert cluster_network.OUTSIDE in ours
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    # The networks of nodes and of pods, 172.31.251.0 and 172.31.252.0.
    there = {line.split()[0] for line in routes if line.split()[1] in {"00FB1FAC", "00FC1FAC"}}
    assert there == {cluster_network.OUTSIDE}
