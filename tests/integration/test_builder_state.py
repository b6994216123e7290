"""A builder of a run keeps its state in memory, and builds on disk what does not fit there."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import APIError

from warmbuild.builder import engine_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

    from tests.integration.conftest import Lab, Registry, Warmbuild
    from warmbuild.builder.engine_calls import Address

    Small = Callable[..., dict[str, str]]

MB, GB = 1000**2, 1000**3
IN_MEMORY = re.compile(r"its state in memory, at most (?P<size>[\d.]+) GB$", re.MULTILINE)
ON_DISK = "boots again with its state on disk: "
FULL = "the builder's state does not fit into its share of memory"
AGAIN = "building again with the state on disk"
# A machine of another size, on which nothing but the state takes memory.
ALONE = """
import os
from pathlib import Path
from warmbuild.builder import memory

def used():
    mounts = Path("/proc/mounts").read_text().splitlines()
    own = [one.split()[1] for one in mounts if memory.own in one]
    found = [os.statvfs(one) for one in own]
    return sum((one.f_blocks - one.f_bfree) * one.f_frsize for one in found)

def create(self, *, in_memory=True):
    memory.own = f"buildx_buildkit_{self._name}0_state"
    begin(self, in_memory=in_memory)

begin, memory.State.create = memory.State.create, create
memory.read_memory = lambda: memory.Memory(
    total=FREE * 9 // 8, available=FREE - used(), in_files=used()
)
"""
# The same with this machine's memory: what is free counts from the run's start.
SHARED = """
from dataclasses import replace
from warmbuild.builder import memory

real = memory.read_memory
taken = real().available - FREE
memory.read_memory = lambda: replace(
    found := real(), total=FREE * 9 // 8, available=max(0, found.available - taken)
)
"""
OTHERS = """
memory._KERNEL = {kernel!r}
# It has no other builders.
memory.State._promised = lambda *_arguments: []
"""


@pytest.fixture
def machine(tmp_path: Path, warmbuild: Warmbuild) -> Small:
    """Return the variables of a run for which this many bytes are free."""

    def make(
        free: int, kernel: str = "/proc/sys/kernel/random/boot_id", kind: str = ALONE
    ) -> dict[str, str]:
        place = tmp_path / f"machine-{free}-{len(kernel)}"
        place.mkdir(exist_ok=True)
        text = kind.replace("FREE", str(int(free))) + OTHERS.format(kernel=kernel)
        (place / "sitecustomize.py").write_text(text)
        return {"PYTHONPATH": f"{place}:{warmbuild.environment['PYTHONPATH']}"}

    return make


def mounted(builder: str) -> list[str]:
    """Return the file systems in memory that a builder has on this machine."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    return [one for one in mounts if f"buildx_buildkit_{builder}0_state" in one]


def test_an_edit_is_built_in_memory(
    warmbuild: Warmbuild, registry: Registry, repository: str, flask: Path, machine: Small
) -> None:
    warmbuild.succeed(flask, image=repository, builder_state="disk")
    (flask / "app" / "new.py").write_text("new = 1\n")
    run = warmbuild.start(flask, image=repository, extra=machine(8 * GB))
    run.wait_for(r"^\+ docker buildx build ")
    (mount,) = mounted(run.builder)
    assert mount.split()[2] == "tmpfs"
    ended = run.end()
    assert ended.code == 0, ended.log
    assert ended.executed == ["COPY . ."]
    found = IN_MEMORY.search(ended.log)
    assert found
    assert float(found["size"]) == 4.0
    assert "restart-policy=no" in ended.log
    assert mounted(ended.builder) == []
    registry.check_image(f"{repository}:main")
    registry.check_cache(f"{repository}:cache-main")
    # What was cached in memory is pushed from disk as it is.
    again = warmbuild.succeed(flask, image=repository, tags="again", builder_state="disk")
    assert not IN_MEMORY.search(again.log)
    assert registry.manifest(f"{repository}:again") == registry.manifest(f"{repository}:main")


def test_where_the_state_is_changes_nothing_that_is_pushed(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], machine: Small
) -> None:
    place = project("FROM busybox:1.37\nCOPY source.txt /\n", {"source.txt": "one"})
    digests = set()
    for state in ("memory", "disk"):
        ended = warmbuild.succeed(
            place,
            image=f"{repository}/{state}",
            builder_state=state,
            provenance="false",
            extra=machine(8 * GB) | {"SOURCE_DATE_EPOCH": "1767225598"},
        )
        assert bool(IN_MEMORY.search(ended.log)) is (state == "memory")
        assert ended.executed == ["COPY source.txt /"]
        digests.add(ended.outputs["digest"])
    assert len(digests) == 1


def test_memory_is_refused_where_the_caches_may_not_fit(
    warmbuild: Warmbuild, repository: str, small: Path, machine: Small
) -> None:
    cold = warmbuild.succeed(small, image=repository, extra=machine(4 * GB))
    reason = "no cache shows how large it will be, and its share of memory is 2.0 GB"
    assert f"{ON_DISK}{reason}\n" in cold.log
    # buildx is asked about the builder that builds, not about the one that has gone.
    assert '"status":"running"' in cold.outputs["nodes"]
    little = warmbuild.succeed(
        small, image=repository, extra=machine(100 * MB), builder_state="memory"
    )
    (warning,) = little.warnings
    assert warning.startswith(
        "warning: the builder's state is on disk, not in memory: half of the free memory is "
    )
    other = machine(8 * GB, kernel="/proc/sys/kernel/hostname")
    elsewhere = warmbuild.succeed(small, image=repository, extra=other)
    reason = "the engine runs on another machine, or its image has no shell"
    assert f"{ON_DISK}{reason}\n" in elsewhere.log
    assert elsewhere.executed == little.executed == []


STEP = "FROM busybox:1.37\nRUN head -c 600m /dev/zero > /big\n"
# An export packs the layer of the other stage beside it: together they are too large.
STAGES = """FROM busybox:1.37 AS other
RUN head -c 260m /dev/urandom > /big
FROM busybox:1.37
RUN --mount=from=other,target=/other ls /other/big > /list
"""


def test_a_build_that_does_not_fit_is_built_again_on_disk(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    machine: Small,
) -> None:
    tight = machine(1 * GB)
    step = warmbuild.succeed(project(STEP), image=repository, builder_state="memory", extra=tight)
    assert step.warnings == [f"warning: {FULL}; {AGAIN}"]
    assert f"{ON_DISK}{FULL}\n" in step.log
    assert step.outputs["cache-written"] == f"{repository}:cache-main"
    assert len(step.executed) == 1
    registry.check_image(f"{repository}:main")

    # The same layer is unpacked for the next step; its cache is small.
    unpacked = warmbuild.succeed(project(f"{STEP}RUN echo a > /a\n"), image=repository, extra=tight)
    assert f"{ON_DISK}{FULL}\n" in unpacked.log
    assert unpacked.executed == ["RUN echo a > /a"]


def test_an_export_that_does_not_fit_is_made_again_on_disk(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    machine: Small,
) -> None:
    ended = warmbuild.succeed(
        project(STAGES), image=repository, builder_state="memory", extra=machine(1 * GB)
    )
    assert f"{FULL}; exporting the cache again with the state on disk\n" in ended.log, ended.log
    assert ended.warnings == []
    assert ended.outputs["cache-written"] == f"{repository}:cache-main"
    registry.check_cache(f"{repository}:cache-main")
    assert mounted(ended.builder) == []


# Fills the share of a machine with 3 GB, and then needs 60 % of what was free at first.
HUNGRY = """FROM python:3.13-slim
RUN head -c 1200m /dev/zero > /state
RUN python -c "import time; memory = b'x' * 1_900_000_000; time.sleep(2)"
"""


def test_steps_that_need_the_memory_get_it(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
    machine: Small,
) -> None:
    ended = warmbuild.succeed(
        project(HUNGRY),
        image=repository,
        builder_state="memory",
        extra=machine(3 * GB, kind=SHARED),
    )
    assert ended.warnings == [f"warning: memory ran out; {AGAIN}"]
    assert len(ended.executed) == 2
    registry.check_image(f"{repository}:main")


SLEEPER = "FROM busybox:1.37\nRUN echo has begun; sleep 60\n"


def test_a_run_that_is_killed_gives_the_memory_back(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], machine: Small
) -> None:
    run = warmbuild.start(
        project(SLEEPER), image=repository, builder_state="memory", extra=machine(2 * GB)
    )
    run.wait_for(r"^#\d+ [\d.]+ has begun$")
    assert mounted(run.builder)
    run.process.send_signal(signal.SIGKILL)
    assert run.end().code == -signal.SIGKILL
    container = f"buildx_buildkit_{run.builder}0"
    deadline = time.monotonic() + 20
    while mounted(run.builder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mounted(run.builder) == []
    # The rest takes no memory. A later run removes it, which may be one of another test.
    with suppress(APIError):
        rest = warmbuild.engine.containers.get(container)
        assert rest.status == "exited"
        rest.remove()
    with suppress(APIError):
        warmbuild.engine.volumes.get(f"{container}_state").remove()
    (left,) = warmbuild.temporary.iterdir()
    shutil.rmtree(left)


def test_a_state_goes_though_the_engine_deletes_another_one(
    lab: Lab, engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other deletion begins at the worst moment: after the look, and before this one."""
    at = engine_calls.address(lab.env)
    assert at
    own, other = (f"buildx_buildkit_{secrets.token_hex(4)}0_state" for _ in range(2))
    for each in (own, other):
        engine_calls.create_volume(at, each, {}, {})
    files = Path(engine.volumes.get(other).attrs["Mountpoint"])
    for number in range(60_000):
        (files / str(number)).touch()
    deletion = threading.Thread(target=engine.volumes.get(other).remove)
    real = engine_calls._call  # noqa: SLF001 (the moment between two calls)

    def call(place: Address, method: str, path: str, *, timeout: float) -> object:
        if method == "DELETE" and not deletion.ident:
            deletion.start()
            time.sleep(0.2)
        return real(place, method, path, timeout=timeout)

    monkeypatch.setattr(engine_calls, "_call", call)
    assert engine_calls.remove_volume(at, own, patience=0.25)
    deletion.join()
    for each in (own, other):
        assert engine.volumes.list(filters={"name": each}) == []
