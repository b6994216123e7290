"""Jobs of one branch do not wait for each other, and do not break each other's cache."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from warmbuild.builder import memory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Run, Warmbuild

JOBS = 20
# What else a run may warn of: its share of memory, and the same registry's 500 at another moment.
EXPECTED = (
    "the builder's state is on disk, not in memory: ",
    "building again with the state on disk",
    "with a transient error (",
    "says 500 ",
)


def of_memory(run: Ended, at: float) -> list[tuple[float, float, float]]:
    """Return from when until when a run had how much memory, in GB; it began `at` some seconds."""
    found = re.search(r"its state in memory, at most ([\d.]+) (GB|MB)$", run.log, re.MULTILINE)
    if not found or "boots again with its state on disk" in run.log:
        return []
    # The least that the rounded size in the log can stand for.
    digits = len(found[1].partition(".")[2])
    size = (float(found[1]) - 0.5 * 10**-digits) / (1 if found[2] == "GB" else 1000)
    times = [when for when, text in run.lines if text.startswith("+ docker buildx build ")]
    return [(at + times[0], at + run.lines[-1][0], size)]


def watch(free: list[int], over: threading.Event) -> None:
    """Note how much memory is free or holds files, as the states are, in bytes, until `over`."""
    while not over.wait(0.1):
        now = memory.read_memory()
        free += [now.available + now.in_files] if now else []


@pytest.mark.long
def test_twenty_builds_of_one_branch_at_once(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    free: list[int] = []
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(free, over), daemon=True)
    watcher.start()
    begun = time.monotonic()
    spans: list[tuple[float, float, float]] = []
    runs: list[tuple[float, Run]] = []
    for _ in range(JOBS):
        at = time.monotonic() - begun
        runs.append((at, warmbuild.start(small, image=repository, builder_state="memory")))
    ended: list[Ended] = []
    for at, started in runs:
        ended.append(started.end())
        spans += of_memory(ended[-1], at)
    over.set()
    watcher.join()
    assert [run.code for run in ended] == [0] * JOBS, [run.errors for run in ended]
    assert len({run.builder for run in ended}) == JOBS
    # No step of theirs gives the same result twice, so there were twenty images and caches.
    images = {f"{repository}@{run.outputs['digest']}" for run in ended}
    assert len(images) == JOBS
    for image in images:
        registry.check_image(image)

    # The registry itself answers 500 now and then where two write one tag (distribution 2.8 with
    # files), in about one of 200 exports here. Then a run says that its cache is lost.
    cache = f"{repository}:cache-main"
    lost = [run for run in ended if run.outputs["cache-written"] != cache]
    assert len(lost) < JOBS // 4
    for run in lost:
        assert run.outputs["cache-written"] == ""
        said = [one for one in run.warnings if f"no cache is written to {cache}: " in one]
        assert len(said) == 1, run.warnings
        assert "500 Internal Server Error" in said[0]
        others = [one for one in run.warnings if one not in said]
        assert all(any(part in one for part in EXPECTED) for one in others), run.warnings
    registry.check_cache(cache)

    last = warmbuild.succeed(small, image=repository)
    assert last.executed == []

    # They shared the memory that was free, which changes with the tests beside this one. Each run
    # gets half of what is free less what the others may still fill, so together they never get more
    # than was free at some moment.
    assert len(spans) > 1
    for now, _, _ in spans:
        promised = [size for first, end, size in spans if first <= now <= end]
        assert sum(promised) <= max(free) / 1000**3
    assert registry.layers(f"{repository}:main") in [registry.layers(image) for image in images]
