"""Jobs of one branch do not wait for each other, and do not break each other's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

JOBS = 20


def test_twenty_builds_of_one_branch_at_once(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    runs = [warmbuild.start(small, image=repository, tags=f"job-{job}") for job in range(JOBS)]
    ended = [run.end() for run in runs]
    assert [run.code for run in ended] == [0] * JOBS, [run.errors for run in ended]
    assert [run.outputs["cache-written"] for run in ended] == [f"{repository}:cache-main"] * JOBS
    assert len({run.builder for run in ended}) == JOBS
    # No step of theirs gives the same result twice, so there were twenty caches; one is left.
    images = [registry.layers(f"{repository}:job-{job}") for job in range(JOBS)]
    registry.check_cache(f"{repository}:cache-main")

    last = warmbuild.succeed(small, image=repository, tags="last")
    assert last.executed == []
    assert registry.layers(f"{repository}:last") in images
