"""A Kubernetes cluster of two nodes on this machine, in a network namespace of its own.

Everything that it writes lies in memory. Two registries listen where pods reach them: a pod's
loopback addresses are its own.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cluster_api, cluster_network, engine, golang, processes, registries
from lab.cluster_config import NODES, Place, configure
from lab.commands import run
from lab.registries import PODS, PODS_HUB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cluster_config import Node
    from lab.layout import Layout

# Pods and their images have at most so much of the machine's memory.
_MEMORY = "60%"
_STOP_SECONDS = 10
_CGROUPS = Path("/sys/fs/cgroup")
_PROGRAMS = frozenset(
    {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
        *("kubelet", "containerd"),
    }
)


def place(layout: Layout) -> Place:
    """Return the paths of the cluster."""
    return Place(root=layout.root / "cluster")


def is_up(layout: Layout) -> bool:
    """Return whether all nodes are ready."""
    return cluster_api.ready_nodes(place(layout)) == len(NODES)


def start(layout: Layout) -> None:
    """Start the cluster, unless it runs, and wait until its nodes are ready."""
    built = golang.build_kubernetes(layout)
    if is_up(layout):
        return
    stop(layout)
    at = place(layout)
    at.root.mkdir(parents=True, exist_ok=True)
    options = f"size={_MEMORY},mode=0755"
    run(["mount", "-t", "tmpfs", "-o", options, "warmbuild-lab", str(at.root)])
    cluster_network.make()
    configure(at)
    for registry in (PODS, PODS_HUB):
        registries.start_process(layout, registry)
    _start(layout, "etcd", at.etcd())
    _start(layout, "kube-apiserver", at.apiserver(built))
    cluster_api.wait(lambda: cluster_api.answers(at), layout.logs / "kube-apiserver.log")
    for name, argv in at.controllers(built).items():
        _start(layout, name, argv)
    for node in NODES:
        _start_node(layout, built, node)
    cluster_api.wait(lambda: is_up(layout), layout.logs / f"kubelet-{NODES[0].name}.log")


def stop(layout: Layout) -> None:
    """Stop the cluster with its pods, and remove all that it has left on this machine."""
    root = place(layout).root
    for registry in (PODS, PODS_HUB):
        registries.stop_process(layout, registry)
    # First what would start others again.
    for find in (programs, of_pods):
        processes.stop(find(layout), number=signal.SIGKILL, seconds=_STOP_SECONDS)
    engine.unmount_below(root)
    cluster_network.remove()
    for node in NODES:
        for directory in _CGROUPS.glob(f"*/{node.cgroup}"):
            remove_cgroup(directory)
    shutil.rmtree(root, ignore_errors=True)


def programs(layout: Layout) -> list[int]:
    """Return the ids of the cluster's own processes."""
    return processes.find(_PROGRAMS, place(layout).root)


def of_pods(layout: Layout) -> list[int]:
    """Return the ids of the processes of pods, and of what started them."""
    shims = processes.find({"containerd-shim-runc-v2"}, place(layout).root)
    return [*processes.children(shims), *shims]


def _start_node(layout: Layout, built: Path, node: Node) -> None:
    at = place(layout)
    for cgroups in _CGROUPS.iterdir():
        (cgroups / node.cgroup).mkdir(exist_ok=True)
    _start(layout, f"containerd-{node.name}", at.containerd(node))
    socket = at.socket(node)
    cluster_api.wait(socket.exists, layout.logs / f"containerd-{node.name}.log")
    _start(layout, f"kubelet-{node.name}", at.kubelet(built, node))


def _start(layout: Layout, name: str, argv: Sequence[str]) -> None:
    output, errors = layout.logs / f"{name}.stdout.log", layout.logs / f"{name}.log"
    processes.start([*cluster_network.INSIDE, *argv], output=output, errors=errors)


def remove_cgroup(directory: Path) -> None:
    """Remove a control group that has no processes, with those below it."""
    below = [path for path in directory.rglob("*") if path.is_dir()]
    for path in [*sorted(below, key=lambda path: len(path.parts), reverse=True), directory]:
        path.rmdir()
