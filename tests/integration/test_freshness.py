"""A cache hides what one does want, such as security updates, until it is too old to be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

ONCE = "RUN cat /proc/sys/kernel/random/uuid > /once"


def test_the_run_says_how_old_what_it_reused_is(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    cold = warmbuild.succeed(small, image=repository)
    assert cold.outputs["cache-age"] == ""
    made = time.monotonic()
    time.sleep(3)
    # The age is that of the oldest result, whatever has become of the cache since.
    (small / "source.txt").write_text("two")
    second = warmbuild.succeed(small, image=repository)
    assert second.executed == ["COPY source.txt /"]
    third = warmbuild.succeed(small, image=repository)
    age = int(third.outputs["cache-age"])
    assert 3 <= age <= time.monotonic() - made + 5
    assert any(line.startswith("  cache age      ") for _, line in third.lines)


def test_a_cache_that_is_too_old_is_not_read_and_all_is_built_anew(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    before = registry.layers(f"{repository}:main")
    time.sleep(2.5)
    young = warmbuild.succeed(small, image=repository, cache_max_age="10m")
    assert young.executed == []
    old = warmbuild.succeed(small, image=repository, cache_max_age="2s")
    assert len(old.executed) == 2
    assert "--no-cache" in old.command
    assert "--pull" in old.command
    assert old.outputs["cache-age"] == ""
    assert "every step runs on freshly pulled base images because every cache is too old" in old.log
    assert old.warnings == []
    assert registry.layers(f"{repository}:main") != before
    # What it wrote is young, and is read again.
    again = warmbuild.succeed(small, image=repository, cache_max_age="1m")
    assert again.executed == []


def test_one_too_old_cache_does_not_keep_a_young_one_from_being_read(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository, branch="feature")
    time.sleep(10)
    warmbuild.succeed(small, image=repository, branch="main")
    ended = warmbuild.succeed(
        small, image=repository, branch="feature", cache="read-only", cache_max_age="9s"
    )
    assert ended.outputs["cache-read"].startswith(f"{repository}:cache-main@")
    assert ended.executed == []


def test_a_refresh_builds_all_anew_once(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    before = registry.layers(f"{repository}:main")
    fresh = warmbuild.succeed(small, image=repository, refresh="true")
    assert len(fresh.executed) == 2
    assert "--pull" in fresh.command
    after = registry.layers(f"{repository}:main")
    assert after != before
    again = warmbuild.succeed(small, image=repository)
    assert again.executed == []
    assert registry.layers(f"{repository}:main") == after


def test_a_builder_that_stays_is_not_asked_either(
    warmbuild: Warmbuild, repository: str, small: Path, name: str
) -> None:
    builder = f"b{name[-6:]}"
    warmbuild.kept.add(builder)
    try:
        options: dict[str, Any] = {"image": repository, "builder": builder, "cleanup": "false"}
        warmbuild.succeed(small, **options)
        assert warmbuild.succeed(small, **options).executed == []
        time.sleep(2.5)
        assert ONCE in warmbuild.succeed(small, cache_max_age="2s", **options).executed
    finally:
        for container in warmbuild.engine.containers.list(
            all=True, filters={"name": f"buildx_buildkit_{builder}0"}
        ):
            container.remove(force=True, v=True)
        for volume in warmbuild.engine.volumes.list(
            filters={"name": f"buildx_buildkit_{builder}0_state"}
        ):
            volume.remove(force=True)
