"""The Docker engine: the one that already answers, or the lab's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lab import api, processes, versions
from lab.commands import run
from lab.errors import LabError
from lab.registries import HUB

if TYPE_CHECKING:
    from lab.layout import Layout

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
PULL_SECONDS = 600
STOP_SECONDS = 20
# A bridge of its own: Docker's docker0 may be of another engine, which would change it.
BRIDGE = "warmbuild-lab0"
BRIDGE_ADDRESS = "172.31.250.1/24"


def find_installed(layout: Layout) -> str | None:
    """Return the address of an engine that is not the lab's and answers, or None.

    Raises LabError when DOCKER_HOST names one that does not answer.
    """
    address = os.environ.get("DOCKER_HOST", "")
    if address in {"", own_address(layout)}:
        return DEFAULT_SOCKET if answers(DEFAULT_SOCKET) else None
    if not answers(address):
        message = f"no engine answers at DOCKER_HOST={address}: start it, or unset DOCKER_HOST."
        raise LabError(message)
    return address


def own_address(layout: Layout) -> str:
    """Return the address of the lab's own engine."""
    return f"unix://{layout.socket}"


def answers(address: str) -> bool:
    """Return whether a Docker engine answers a ping."""
    return api.answers(address, "/_ping")


def pull(address: str, image: str) -> None:
    """Let the engine pull an image under its own name."""
    name, _, tag = image.rpartition(":")
    query = urlencode({"fromImage": name, "tag": tag})
    response = api.request(address, "POST", f"/images/create?{query}", timeout=PULL_SECONDS)
    # A pull that fails half-way has status 200 and says so in a line of its body.
    errors = [
        line["error"] for line in map(json.loads, response.body.splitlines()) if "error" in line
    ]
    if response.status != HTTPStatus.OK or errors:
        message = f"the engine could not pull {image}: {response.body.decode().strip()}"
        raise LabError(message)


def find_buildx_plugin() -> Path | None:
    """Return the path of the Docker CLI's buildx plugin, or None when it is missing or too old."""
    plugins = json.loads(run(["docker", "info", "--format", "{{json .ClientInfo.Plugins}}"])) or []
    for plugin in plugins:
        version = re.match(r"v?(\d+)\.(\d+)", plugin.get("Version", ""))
        if plugin["Name"] == "buildx" and version is not None:
            numbers = (int(version[1]), int(version[2]))
            return Path(plugin["Path"]) if numbers >= versions.BUILDX_MINIMUM else None
    return None


def start_own(layout: Layout) -> None:
    """Start the lab's own engine, unless it runs, and wait until it answers."""
    if answers(own_address(layout)):
        return
    _sweep(layout)
    run(["ip", "link", "add", "name", BRIDGE, "type", "bridge"])
    run(["ip", "address", "add", BRIDGE_ADDRESS, "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    layout.engine.mkdir(parents=True, exist_ok=True)
    log = layout.logs / "dockerd.log"
    argv = [
        "dockerd",
        f"--data-root={layout.engine / 'data'}",
        f"--exec-root={_exec_root(layout)}",
        f"--pidfile={layout.engine / 'docker.pid'}",
        f"--host={own_address(layout)}",
        f"--registry-mirror={HUB.address}",
        f"--bridge={BRIDGE}",
        f"--mtu={_mtu()}",
    ]
    process = processes.start(argv, output=layout.logs / "dockerd.stdout.log", errors=log)
    processes.wait_until(lambda: answers(own_address(layout)), process, log)


def stop_own(layout: Layout) -> None:
    """Stop the lab's own engine with its containers, and unmount what it mounted."""
    pids = processes.find({"dockerd"}, _exec_root(layout))
    processes.stop(pids, number=signal.SIGTERM, seconds=STOP_SECONDS)
    _sweep(layout)


def _sweep(layout: Layout) -> None:
    """Remove what an engine leaves: containers (when it was killed), mounts, bridge, socket."""
    root = _exec_root(layout)
    shims = processes.find({"containerd-shim-runc-v2"}, root)
    left = processes.find({"dockerd", "containerd"}, root) + shims + processes.children(shims)
    processes.stop(left, number=signal.SIGKILL, seconds=STOP_SECONDS)
    unmount_below(layout.engine)
    if Path("/sys/class/net", BRIDGE).exists():
        run(["ip", "link", "delete", BRIDGE])
    shutil.rmtree(root, ignore_errors=True)
    (layout.engine / "docker.pid").unlink(missing_ok=True)
    layout.socket.unlink(missing_ok=True)


def _exec_root(layout: Layout) -> Path:
    return layout.engine / "exec"


def unmount_below(directory: Path) -> None:
    """Unmount what an engine has mounted below its directory and left there."""
    for mount in _mounts_below(directory):
        run(["umount", "--lazy", str(mount)])


def _mounts_below(directory: Path) -> list[Path]:
    """Return the mount points below a directory, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # The kernel writes a blank in a path as \040.
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(directory)), reverse=True)


def _mtu() -> int:
    """Return the packet size of the default route's interface; Docker's 1500 may be too much."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text())
    return 1500
