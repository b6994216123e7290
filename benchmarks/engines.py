"""What a benchmark has for itself and finds empty: an engine, and GitHub's cache service."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import bare
import docker
import shaping

from lab import golang, processes
from lab.engine import answers, unmount_below
from lab.layout import find_layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lanes import Site

_PATIENCE: Final = 120
_SERVICE_PORTS: Final = range(5100, 6000)


class Engine:
    """An engine that can forget; it keeps the image of BuildKit, as some runners' images do."""

    def __init__(self, address: str, data: Path) -> None:
        """Pull that image, and have a container that never runs, whose image nothing prunes."""
        self._data = data
        self._client = docker.DockerClient(address, version="auto", timeout=_PATIENCE)
        name, _, tag = bare.IMAGE.removeprefix("image=").rpartition(":")
        self._client.containers.create(self._client.images.pull(name, tag))

    def forget(self) -> None:
        """Remove all other images, all volumes, and the cache of the engine's own builder.

        The engine also remembers which registries have a layer, and lets a push of it take the
        layer from there.
        """
        self._client.images.prune({"dangling": False})
        self._client.volumes.prune({"all": True})
        self._client.api.prune_builds(all=True)
        for directory in self._data.glob("image/*/distribution/*"):
            shutil.rmtree(directory)


@contextmanager
def own_engine(root: Path, mirror: str) -> Iterator[Engine]:
    """Start an engine in a directory, for all clients of this process and its children.

    It takes root. `mirror` is the host and port that answers for Docker Hub. The engine has no
    bridge and changes no rule of the firewall, so it leaves other engines of the machine alone, and
    what it builds and runs uses the network of the host.
    """
    address = f"unix://{root}/docker.sock"
    plugins = root / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(os.environ["WARMBUILD_LAB_BUILDX"])
    argv = ["dockerd", f"--data-root={root}/data", f"--exec-root={root}/exec"]
    argv += [f"--pidfile={root}/docker.pid", f"--host={address}"]
    argv += [f"--registry-mirror=http://{mirror}"]
    argv += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    before = {name: os.environ.get(name) for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
    log = root / "dockerd.log"
    process = processes.start(argv, output=root / "dockerd.stdout.log", errors=log)
    try:
        processes.wait_until(lambda: answers(address), process, log)
        os.environ |= {"DOCKER_HOST": address, "DOCKER_CONFIG": str(root / "config")}
        yield Engine(address, root / "data")
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        process.terminate()
        process.wait()
        unmount_below(root)


@contextmanager
def with_own_cache(site: Site, root: Path) -> Iterator[Site]:
    """Have the same site with a cache service of GitHub's that is empty, behind the site's link.

    Its port has four digits, as the proxy of a service that names itself needs.
    """
    root.mkdir()
    argv = [str(golang.build_gha(find_layout())), f"-directory={root}", f"-port={_free_port()}"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        service = url.split("/")[2]
        with shaping.proxied(site.link, service, renamed=True) as near:
            yield replace(site, github_cache=f"{url.replace(service, near)}/")
    finally:
        process.terminate()
        process.communicate()


def _free_port() -> int:
    for port in _SERVICE_PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port from {_SERVICE_PORTS.start} to {_SERVICE_PORTS.stop} is free")
