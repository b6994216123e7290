"""Runs whose builders are pods of the lab's cluster."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fleet.cluster import Cluster
from tests.integration.conftest import (
    Registry,
    Run,
    Warmbuild,
    _runs,
    engine,
    github,
    lab,
    name,
    of_part,
    project,
    small,
    unused_port,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Lab

__all__ = ["_runs", "engine", "github", "lab", "name", "project", "small", "unused_port"]


@dataclass(kw_only=True)
class Fleet(Warmbuild):
    """Starts runs whose builders are pods of a namespace of their own."""

    cluster: Cluster

    @property
    def environment(self) -> dict[str, str]:
        """What every run has: that of other runs, but for the builder."""
        settings = of_part(self.lab, "kubernetes", "buildkitd_config")
        return {
            **super().environment,
            "KUBECONFIG": str(self.cluster.config(self.directory)),
            "INPUT_DRIVER": "kubernetes",
            "INPUT_DRIVER_OPTS": f"image={self.lab.env['WARMBUILD_LAB_BUILDKIT_IMAGE']}",
            "INPUT_BUILDKITD_CONFIG": settings["buildkitd_config"],
        }

    def alone(self, project: Path, **inputs: str) -> Run:
        """Start a run that only builds, without any registry."""
        given = {"image": "", "push": "false", "cache": "off", **inputs}
        return self.start(project, ci=None, extra=None, on_terminal=False, **given)

    def driver_opts(self, *options: str) -> str:
        """Return the options of the driver that every run has, and others."""
        return "\n".join((self.environment["INPUT_DRIVER_OPTS"], *options))


@pytest.fixture
def volumes(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Return what makes volumes for claims, as the lab's cluster makes none; they are removed."""
    made: list[str] = []
    path = "api/v1/persistentvolumes"

    def make(number: int) -> None:
        for _ in range(number):
            name = f"{cluster.namespace}-{len(made)}"
            directory = tmp_path / "volumes" / name
            directory.mkdir(parents=True)
            spec = {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": str(directory)},
                "persistentVolumeReclaimPolicy": "Retain",
            }
            cluster.call("POST", path, {"metadata": {"name": name}, "spec": spec})
            made.append(name)

    yield make
    for one in made:
        cluster.call("DELETE", f"{path}/{one}")


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Registry:
    """Return the registry that pods reach."""
    settings = of_part(lab, "kubernetes", "registry", "registry_log")
    return Registry(host=settings["registry"], access_log=Path(settings["registry_log"]))


@pytest.fixture
def repository(registry: Registry, name: str) -> str:
    """Return a repository that nothing was pushed to."""
    return f"{registry.host}/{name}"


@pytest.fixture(scope="session")
def whole_cluster(lab: Lab) -> Cluster:
    """Return the cluster with its namespace `default`."""
    settings = of_part(lab, "kubernetes", "kubeconfig")
    return Cluster(kubeconfig=Path(settings["kubeconfig"]))


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Iterator[Cluster]:
    """Return the cluster with a new namespace."""
    found = replace(whole_cluster, namespace=f"fleet-{secrets.token_hex(4)}")
    path = "api/v1/namespaces"
    found.call("POST", path, {"metadata": {"name": found.namespace}})
    yield found
    found.call("DELETE", f"{path}/{found.namespace}")


@pytest.fixture
def fleet(
    cluster: Cluster,
    lab: Lab,
    engine: docker.DockerClient,
    tmp_path: Path,
    _runs: list[Warmbuild],
) -> Iterator[Fleet]:
    """Start runs with the driver kubernetes in a new namespace."""
    runs = Fleet(lab=lab, engine=engine, directory=tmp_path, cluster=cluster)
    for place in (runs.home, runs.temporary):
        place.mkdir()
    _runs.append(runs)
    yield runs
    runs.check()
