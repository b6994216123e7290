"""Builders in pods: how fast they boot, what a warm run costs, and eight builds on one or two pods.

`make bench-fleet` runs it on the lab, whose cluster is on the machine that the engine is on: both
sides have the same processors, and two pods have no more of them than one. Sides run in turn, in
changing order, because such machines are noisy.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare

from lab import cluster, cluster_api
from lab.layout import find_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Side = Callable[[], float]

# buildx alone takes half a minute to boot.
BOOTS: Final = 3
ROUNDS: Final = 7
TOGETHER: Final = 8
REGISTRY: Final = os.environ["WARMBUILD_LAB_KUBERNETES_REGISTRY"]
# By which a daemon reaches that registry, in a pod or on the engine.
CONFIG: Final = os.environ["WARMBUILD_LAB_KUBERNETES_BUILDKITD_CONFIG"]
GITLAB: Final = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_BRANCH": "main",
    "CI_DEFAULT_BRANCH": "main",
}
# About a second of a processor, and a file to export.
WORK: Final = "dd if=/dev/zero bs=1M count=400 2>/dev/null | sha256sum > /sum"
_UP: Final = re.compile(r"^builder \S+ is up after ([0-9.]+) s$", re.MULTILINE)


def main() -> None:
    """Measure all, and print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as name:
        directory = Path(name)
        with namespace(directory) as pods:
            compare(
                "boot",
                {"warmbuild": partial(boot, directory, pods), "buildx": partial(bare_boot, pods)},
                BOOTS,
            )
            runs = {
                "pods": partial(warm, directory, pods),
                "engine": partial(warm, directory, {"DRIVER_OPTS": f"{bare.IMAGE}\nnetwork=host"}),
            }
            for side in runs.values():
                side()
            compare("warm run", runs, ROUNDS)
            pools = {
                "one pod": partial(together, directory, pods, "bench-one", 1),
                "two pods": partial(together, directory, pods, "bench-two", 2),
            }
            for side in pools.values():
                side()
            compare(f"{TOGETHER} builds at once", pools, ROUNDS)


@contextmanager
def namespace(directory: Path) -> Iterator[Mapping[str, str]]:
    """Have a namespace; yield the inputs and variables of a run whose builder is in it."""
    place = cluster.place(find_layout())
    name = f"bench-{secrets.token_hex(4)}"
    cluster_api.call(place, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        read = json.loads(place.kubeconfig.read_text())
        read["contexts"][0]["context"]["namespace"] = name
        file = directory / "kubeconfig"
        file.write_text(json.dumps(read))
        os.environ["KUBECONFIG"] = str(file)
        yield {"DRIVER": "kubernetes", "DRIVER_OPTS": bare.IMAGE}
    finally:
        cluster_api.call(place, "DELETE", f"/api/v1/namespaces/{name}")


def compare(title: str, sides: Mapping[str, Side], rounds: int) -> None:
    """Print what two sides take, and the ratio of the first one to the second."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            times[name].append(sides[name]())
    for name, seconds in times.items():
        shown = " ".join(f"{value:.2f}" for value in sorted(seconds))
        print(f"{title}, {name:<10} median {statistics.median(seconds):.2f} s of {shown}")
    ours, theirs = times.values()
    pairs = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"{title}: ratio of medians {ratio:.2f}, median of ratios {pairs:.2f}", flush=True)


def boot(directory: Path, inputs: Mapping[str, str]) -> float:
    """Return how long a nameless builder takes to be up, as its run says."""
    project = made(directory, "FROM busybox:1.37\n")
    said = warmbuild(project, {**inputs, "IMAGE": "", "PUSH": "false", "CACHE": "off"})
    found = _UP.search(said)
    return float(found[1]) if found else sys.exit(said)


def bare_boot(inputs: Mapping[str, str]) -> float:
    """Return how long buildx takes to boot the same builder by its own probe."""
    argv = ["buildx", "create", "--name", "bench-bare", "--driver", inputs["DRIVER"]]
    argv += ["--driver-opt", inputs["DRIVER_OPTS"], "--buildkitd-config", CONFIG, "--bootstrap"]
    with tempfile.TemporaryDirectory() as state:
        begun = time.perf_counter()
        bare.must(argv, {"BUILDX_CONFIG": state})
        took = time.perf_counter() - begun
        bare.remove("bench-bare", Path(state))
    return took


def warm(directory: Path, inputs: Mapping[str, str]) -> float:
    """Return how long a run takes whose every step is in the registry's cache."""
    begun = time.perf_counter()
    given = {**inputs, "IMAGE": f"{REGISTRY}/bench/{inputs.get('DRIVER', 'engine')}"}
    said = warmbuild(Path(bare.CONTEXT), {**given, "CONTEXT": "."})
    took = time.perf_counter() - begun
    (directory / "last.log").write_text(said)
    return took


def together(directory: Path, inputs: Mapping[str, str], pool: str, replicas: int) -> float:
    """Return how long some builds take that begin at once in a pool that is up."""
    options = f"{inputs['DRIVER_OPTS']}\nreplicas={replicas}\nloadbalance=random"
    given = {**inputs, "DRIVER_OPTS": options, "BUILDER": pool, "CACHE": "off"}
    step = "RUN echo {}; " + WORK
    projects = [
        made(directory, f"FROM busybox:1.37\n{step.format(secrets.token_hex(8))}\n")
        for _ in range(TOGETHER)
    ]
    begun = time.perf_counter()
    with ThreadPoolExecutor(TOGETHER) as threads:
        names = [{**given, "IMAGE": f"{REGISTRY}/bench/{project.name}"} for project in projects]
        list(threads.map(warmbuild, projects, names))
    return time.perf_counter() - begun


def made(directory: Path, dockerfile: str) -> Path:
    """Write a project."""
    project = directory / secrets.token_hex(4)
    project.mkdir()
    (project / "Dockerfile").write_text(dockerfile)
    return project


def warmbuild(project: Path, inputs: Mapping[str, str]) -> str:
    """Build a project as a job on the branch `main` does; return its log."""
    given = {"BUILDKITD_CONFIG": CONFIG, "CONTEXT": ".", **inputs}
    variables = {f"INPUT_{name}": value for name, value in given.items()}
    paths = {"PYTHONPATH": str(Path("src").resolve())}
    argv = [sys.executable, "-m", "warmbuild", "build"]
    done = bare.run(argv, GITLAB | variables | paths, project)
    return sys.exit(done.stdout) if done.returncode else done.stdout


if __name__ == "__main__":
    main()
