"""Runs that are killed in each phase, and buildx or BuildKit that are killed beside them."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case, at_once
from tests.integration.conftest import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from tests.integration.conftest import Ended, Lab, Registry, Run, Warmbuild

SLOW = {
    "Dockerfile": "FROM busybox:1.37\nRUN echo has begun; sleep 2\nCOPY big /\n",
    "big": "x" * 20_000_000,
}
PHASES = {
    "boot": r"^\+ docker buildx create ",
    "build": r"^#\d+ [\d.]+ has begun$",
    "push": r"^#\d+ exporting to image$",
    "export": "the image is done; now exporting its cache",
}
# A state in memory may be why BuildKit died, or why it did not boot.
ON_DISK = re.compile("building again with the state on disk|its state in memory; it is put on disk")
SAID = {"buildx": "killed by signal 9", "BuildKit": "the connection to the builder is lost"}
# Seconds until what a run has started has ended too.
SOON = 30.0


def kill_run(_runs: Warmbuild, run: Run) -> None:
    run.process.send_signal(signal.SIGKILL)


def kill_all(_runs: Warmbuild, run: Run) -> None:
    """Kill the run with all that it has started, as a runner does at last."""
    for process in run.processes():
        kill(process)


def kill_buildx(_runs: Warmbuild, run: Run) -> None:
    """Kill the buildx that boots, builds or exports; the run says so just before it starts it."""
    deadline = time.monotonic() + SOON
    while not (found := [one for one in run.processes() if works(one)]):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for process in found:
        kill(process)


def works(process: int) -> bool:
    """Return whether a process is a buildx that boots, builds or exports."""
    try:
        program, command, *_ = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return False
    return program.endswith(b"buildx") and command in {b"create", b"build"}


def kill_buildkit(runs: Warmbuild, run: Run) -> None:
    name = f"buildx_buildkit_{run.builder}0"
    for container in runs.engine.containers.list(filters={"name": name}):
        container.kill()


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


# No session finds the caches of another.
REPOSITORY = f"killed-{secrets.token_hex(4)}"
# By what is killed.
KILLS: Mapping[str, Callable[[Warmbuild, Run], None]] = {
    "the run": kill_run,
    "all of it": kill_all,
    "buildx": kill_buildx,
    "BuildKit": kill_buildkit,
}
CASES = (
    *itertools.product(PHASES, ("the run", "all of it", "buildx")),
    *itertools.product(("build", "push", "export"), ("BuildKit",)),
)


@pytest.fixture(scope="module")
def runs(
    together: Warmbuild, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[tuple[str, str], Future[Ended]]]:
    """Have runs of which something is killed, and then one that collects what they have left."""
    place = written(tmp_path_factory.mktemp("slow"), SLOW)

    def one(case: tuple[str, str]) -> Ended:
        phase, what = case
        run = together.start(place, image=f"{lab.registry}/{REPOSITORY}-{CASES.index(case)}")
        run.wait_for(PHASES[phase])
        KILLS[what](together, run)
        ended = run.end()
        deadline = time.monotonic() + SOON
        while run.processes():
            assert time.monotonic() < deadline, ended.log
            time.sleep(0.1)
        return ended

    with at_once(one, CASES, most=5) as found:
        for run in found.values():
            run.exception()
        last = {"Dockerfile": "FROM busybox:1.37\nRUN sleep 5\n"}
        small = written(tmp_path_factory.mktemp("next"), last)
        together.succeed(small, image=f"{lab.registry}/killed", cache="off")
        yield found


@pytest.mark.parametrize(("phase", "what"), CASES)
def test_what_is_killed_leaves_nothing_half(
    together: Warmbuild,
    runs: Mapping[tuple[str, str], Future[Ended]],
    registry: Registry,
    phase: str,
    what: str,
) -> None:
    ended = runs[phase, what].result()
    repository = f"{registry.host}/{REPOSITORY}-{CASES.index((phase, what))}"
    if what in {"the run", "all of it"}:
        assert ended.code == -signal.SIGKILL
        # Once the image is out, a job that is ended has its digest.
        known = ended.outputs.get("digest")
        assert known == (registry.digest(f"{repository}:main") if phase == "export" else None)
    elif phase == "export" or ON_DISK.search(ended.log):
        # A cache is not the image.
        Case(code=0, seconds=60).check(ended, registry, f"{repository}:main")
        if written := ended.outputs["cache-written"]:
            registry.check_cache(written)
        else:
            text = "no cache is written to"
            assert any(text in warning for warning in ended.warnings), ended.log
    else:
        Case(code=3, said=rf"error: [\s\S]*{SAID[what]}", seconds=60).check(ended)
    for tag in registry.tags(repository):
        (registry.check_cache if tag.startswith("cache-") else registry.check_image)(
            f"{repository}:{tag}"
        )
    assert together.remains(ended.builder) == []
    assert list(together.temporary.glob("warmbuild-*")) == []


def test_a_named_builder_of_a_dead_run_is_taken_over(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path], name: str
) -> None:
    place = project(SLOW["Dockerfile"], SLOW)
    builder = name[-30:].strip("-")
    run = warmbuild.start(place, image=repository, builder=builder)
    run.wait_for(PHASES["export"])
    kill_all(warmbuild, run)
    run.end()
    assert warmbuild.remains(builder)
    ended = warmbuild.succeed(place, image=repository, builder=builder)
    assert ended.executed == []
    assert warmbuild.remains(builder) == []
