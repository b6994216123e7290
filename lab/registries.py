"""The lab's registries: a plain one, one with a password, one in Docker Hub's place, and pods'."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lab import api, cluster_network, golang, processes, versions
from lab.commands import run
from lab.errors import LabError
from lab.layout import SOURCES

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from lab.layout import Layout

USERNAME = "ci"
# Has what breaks careless quoting; lab/registry/htpasswd has its hash.
PASSWORD = 'it\'s "pa ss" $HOME'  # noqa: S105  a registry on loopback that holds nothing
HTPASSWD = SOURCES / "registry" / "htpasswd"
CONFIG = "config.yml"
STOP_SECONDS = 5
ENVIRONMENT = {"OTEL_TRACES_EXPORTER": "none"}  # else it seeks a collector of traces
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json"
    ", application/vnd.oci.image.manifest.v1+json"
    ", application/vnd.oci.image.index.v1+json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One registry, on the loopback interface unless it has another address."""

    name: str
    port: int
    has_password: bool = False
    is_kept: bool = False  # its content outlives `down`
    takes_old_caches: bool = False
    """Whether it takes an index of layers, as BuildKit before 0.21 writes caches.

    By default, distribution refuses an index of what is no manifest since version 3.
    """
    interface: str = "127.0.0.1"
    content_of: str = ""  # the registry whose content it serves too

    @property
    def host(self) -> str:
        """The registry's name in image references."""
        return f"{self.interface}:{self.port}"

    @property
    def address(self) -> str:
        """The registry's URL."""
        return f"http://{self.host}"

    @property
    def container(self) -> str:
        """The name of its container, with an installed engine."""
        return f"warmbuild-lab-{self.name}"

    def access_log(self, layout: Layout) -> Path:
        """Return the file with one line for every request."""
        return layout.logs / f"registry-{self.name}.access.log"

    def error_log(self, layout: Layout) -> Path:
        """Return the file with everything else the registry says."""
        return layout.logs / f"registry-{self.name}.log"


PLAIN = Registry(name="plain", port=5000)
AUTH = Registry(name="auth", port=5001, has_password=True, takes_old_caches=True)
HUB = Registry(name="hub", port=5010, is_kept=True)
PODS = Registry(name="pods", port=5000, interface=cluster_network.HOST)
PODS_HUB = Registry(
    name="pods-hub",
    port=HUB.port,
    is_kept=True,
    interface=cluster_network.HOST,
    content_of=HUB.name,
)


def answers(registry: Registry) -> bool:
    """Return whether the registry speaks HTTP (401 is an answer)."""
    return api.answers(registry.address, "/v2/")


def start_process(layout: Layout, registry: Registry) -> None:
    """Start a registry as a process, unless it runs."""
    if _pids(layout, registry):
        return
    api.refuse_stranger(registry.address)
    directory = layout.registry(registry.name)
    content = layout.registry(registry.content_of or registry.name) / "content"
    if not registry.is_kept:
        shutil.rmtree(content, ignore_errors=True)
    _write_config(registry, directory, content=content, passwords=directory / HTPASSWD.name)
    log = registry.error_log(layout)
    argv = [str(golang.build_registry(layout)), "serve", str(directory / CONFIG)]
    output = registry.access_log(layout)
    process = processes.start(argv, output=output, errors=log, extra=ENVIRONMENT)
    processes.wait_until(lambda: answers(registry), process, log)


def start_container(layout: Layout, registry: Registry, engine: str) -> None:
    """Start a registry as a container of the installed engine, unless it runs."""
    docker = ["docker", "--host", engine]
    if run([*docker, "ps", "--quiet", f"--filter=name=^{registry.container}$"]):
        return
    api.refuse_stranger(registry.address)
    remove_container(registry, engine)
    directory = layout.registry(registry.name)
    inside = PurePosixPath("/lab")
    content = PurePosixPath("/var/lib/registry")
    _write_config(registry, directory, content=content, passwords=inside / HTPASSWD.name)
    options = ["--detach", "--network=host", f"--name={registry.container}"]
    options += [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]
    mount = f"--volume={directory}:{inside}:ro"
    image = versions.REGISTRY_IMAGE
    run([*docker, "run", *options, mount, image, "serve", str(inside / CONFIG)])
    log = registry.error_log(layout)
    follow = [*docker, "logs", "--follow", registry.container]
    process = processes.start(follow, output=registry.access_log(layout), errors=log)
    processes.wait_until(lambda: answers(registry), process, log)


def stop_process(layout: Layout, registry: Registry) -> None:
    """Stop a registry that the lab started as a process."""
    processes.stop(_pids(layout, registry), number=signal.SIGTERM, seconds=STOP_SECONDS)


def remove_container(registry: Registry, engine: str) -> None:
    """Remove a registry's container and its content, if it is there."""
    run(["docker", "--host", engine, "rm", "--force", "--volumes", registry.container])


def has_tag(registry: Registry, repository: str, tag: str) -> bool:
    """Return whether the registry has this tag."""
    path = f"/v2/{repository}/manifests/{tag}"
    response = api.request(registry.address, "HEAD", path, headers={"Accept": MANIFEST_TYPES})
    return response.status == HTTPStatus.OK


def add_tag(registry: Registry, repository: str, old: str, new: str) -> None:
    """Give the image `old` of a repository the tag `new` too."""
    manifests = f"/v2/{repository}/manifests"
    accept = {"Accept": MANIFEST_TYPES}
    found = api.request(registry.address, "GET", f"{manifests}/{old}", headers=accept)
    content_type = {"Content-Type": found.content_type}
    put = api.request(
        registry.address, "PUT", f"{manifests}/{new}", body=found.body, headers=content_type
    )
    if put.status != HTTPStatus.CREATED:
        message = f"{registry.host} refused the tag {repository}:{new}: {put.body.decode()}"
        raise LabError(message)


def _pids(layout: Layout, registry: Registry) -> list[int]:
    return processes.find({"registry"}, layout.registry(registry.name) / CONFIG)


def _write_config(
    registry: Registry, directory: Path, *, content: PurePath, passwords: PurePath
) -> None:
    """Write a registry's configuration; YAML, of which JSON is a part."""
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "http": {"addr": registry.host, "secret": registry.name},
        "storage": {"filesystem": {"rootdirectory": str(content)}, "delete": {"enabled": True}},
    }
    if registry.takes_old_caches:
        config["validation"] = {"manifests": {"indexes": {"platforms": "none"}}}
    if registry.has_password:
        config["auth"] = {"htpasswd": {"realm": "warmbuild lab", "path": str(passwords)}}
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(HTPASSWD, directory)
    (directory / CONFIG).write_text(json.dumps(config, indent=2))
