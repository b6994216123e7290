"""Jobs that build one platform each, and jobs that build all of them, have caches that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Arm64, Registry, Warmbuild

RUN = "RUN uname -m > /machine && cat /proc/sys/kernel/random/uuid > /once"
AMD64, ARM64 = "linux/amd64", "linux/arm64"


@pytest.fixture
def machine(project: Callable[..., Path], arm64: Arm64) -> Path:
    return project(f"FROM {arm64.image}\n{RUN}\nCOPY source.txt /\n", {"source.txt": "one"})


def test_a_build_of_all_platforms_reads_what_jobs_of_one_each_wrote(
    warmbuild: Warmbuild, registry: Registry, repository: str, machine: Path
) -> None:
    written = {
        platform: warmbuild.succeed(
            machine, image=repository, tags=platform.replace("/", "-"), platforms=platform
        ).outputs["cache-written"]
        for platform in (AMD64, ARM64)
    }
    assert len(set(written.values())) == 2
    for ref in written.values():
        registry.check_cache(ref)
    both = warmbuild.succeed(machine, image=repository, platforms=f"{AMD64},{ARM64}")
    assert both.executed == []
    assert both.outputs["cache-hits"] == "4"
    assert both.outputs["cache-written"] == f"{repository}:cache-main"
    # And none has taken another's place.
    for platform, ref in written.items():
        ended = warmbuild.succeed(machine, image=repository, platforms=platform, cache="read-only")
        assert ended.executed == []
        assert ref in ended.outputs["cache-read"]


def test_a_job_of_one_platform_reads_what_a_build_of_all_wrote(
    warmbuild: Warmbuild, repository: str, machine: Path
) -> None:
    cold = warmbuild.succeed(machine, image=repository, platforms=f"{AMD64},{ARM64}")
    assert (cold.outputs["cache-hits"], cold.outputs["cache-steps"]) == ("0", "4")
    one = warmbuild.succeed(machine, image=repository, platforms=ARM64, branch="feature")
    assert one.executed == []
    assert "linux-arm64" in one.outputs["cache-written"]
