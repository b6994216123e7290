"""Where the builds of a benchmark take place, and how one of them is timed."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bare
import docker
import shaping
from lanes import Site
from samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized

NETWORKS: Final = {"fast": shaping.FAST, "slow": shaping.GIGABIT}
NETWORK_NAMES: Final = {"fast": "unshaped", "slow": "1 Gbit/s, 10 ms"}
DISKS: Final = ("idle", "busy")
# The volumes of warmbuild's own builders, and seconds to wait until they are gone.
_STATES: Final = "buildx_buildkit_warmbuild-"
_PATIENCE: Final = 10
# Written and fsynced again and again to keep a disk busy, in bytes, and how often until it begins
# at the start of the file.
_WRITTEN: Final = 4 * 1024 * 1024
_WRITES: Final = 64


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is built: the fields of a sample that are known before."""

    project: str
    kind: str
    condition: str
    strategy: str
    number: int


def _settle() -> None:
    """Wait for what the strategy before has left: files to be written, and states to be deleted.

    warmbuild does not wait until the engine has deleted the state of its builder.
    """
    client = docker.from_env()
    deadline = time.monotonic() + _PATIENCE
    while client.volumes.list(filters={"name": _STATES}) and time.monotonic() < deadline:
        time.sleep(0.1)
    client.close()
    os.sync()


def timed(build: Build, link: shaping.Link, run: Callable[[], Sized]) -> Sample | None:
    """Build once and say so; None if it failed. `run` returns the steps that ran."""
    _settle()
    name = f"{build.project}, {build.kind} {build.number} ({build.condition}), {build.strategy}"
    moved = link.moved()
    begun = time.perf_counter()
    try:
        ran = run()
    except SystemExit as failed:
        if not isinstance(failed.code, str):  # a signal
            raise
        say(f"{name}: failed\n{failed.code[-2000:]}")
        return None
    seconds = time.perf_counter() - begun
    sample = Sample(
        **asdict(build),
        seconds=round(seconds, 3),
        steps=len(ran),
        moved=link.moved() - moved,
    )
    say(f"{name}: {seconds:.2f} s, {sample.steps} steps, {sample.moved / 1e6:.1f} MB")
    return sample


@contextlib.contextmanager
def here(root: Path, before: Path | None = None) -> Iterator[Site]:
    """Have a link to the lab's registries and cache service."""
    link = shaping.Link()
    hub = os.environ["WARMBUILD_LAB_HUB"]
    github = os.environ["WARMBUILD_LAB_GHA_URL"]
    service = github.split("/")[2]
    with (
        shaping.proxied(link, bare.REGISTRY) as near_registry,
        shaping.proxied(link, hub) as near_hub,
        shaping.proxied(link, service, renamed=True) as near_service,
    ):
        config = root / "buildkitd.toml"
        text = Path(bare.CONFIG).read_text(encoding="utf-8")
        for far, near in ((bare.REGISTRY, near_registry), (hub, near_hub)):
            text = text.replace(f'"{far}"', f'"{near}"')
        config.write_text(text, encoding="utf-8")
        yield Site(
            link=link,
            registry=near_registry,
            hub=near_hub,
            github_cache=github.replace(service, near_service),
            config=str(config),
            before=before,
        )


def condition(network: str, disk: str) -> str:
    """Return the name of a condition."""
    return f"{NETWORK_NAMES[network]}, disk {disk}"


@contextlib.contextmanager
def under(link: shaping.Link, network: str, disk: str) -> Iterator[None]:
    """Have a network and a disk as a condition has them."""
    link.shape = NETWORKS[network]
    with _busy_disk() if disk == "busy" else contextlib.nullcontext():
        yield
    link.shape = shaping.FAST


@contextlib.contextmanager
def _busy_disk() -> Iterator[None]:
    """Keep the disk of the lab busy: a thread writes and waits until it is written."""
    ended = threading.Event()

    def write() -> None:
        content = os.urandom(_WRITTEN)
        with tempfile.TemporaryFile(dir=Path(bare.CONFIG).parent) as file:
            for number in itertools.count():
                if ended.is_set():
                    return
                os.pwrite(file.fileno(), content, number % _WRITES * _WRITTEN)
                os.fsync(file.fileno())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def say(text: str) -> None:
    """Print progress to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
