"""What was written before stays whole, and what is to be written is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild


THREE_STAGES = """\
FROM busybox:1.37 AS tools
RUN cat /proc/sys/kernel/random/uuid > /tools

FROM busybox:1.37 AS build
COPY --from=tools /tools /tools
RUN cat /tools > /program

FROM busybox:1.37 AS final
COPY --from=build /program /program
RUN cat /program > /checked
"""


@pytest.mark.parametrize("export", ["with", "after"])
def test_a_step_that_fails_leaves_a_local_cache_whole(
    export: str, warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "local",
        "cache_dir": str(cache),
        "cache_export": export,
    }
    warmbuild.succeed(small, **options)
    dockerfile = (small / "Dockerfile").read_text()
    (small / "Dockerfile").write_text(f"{dockerfile}RUN false\n")
    assert warmbuild.build(small, **options).code == 4
    assert {path.name for path in cache.iterdir()} == {"cache-main", "cache-main---record"}
    (small / "Dockerfile").write_text(dockerfile)
    assert warmbuild.succeed(small, **options).executed == []


@pytest.mark.parametrize("export", ["with", "after"])
def test_a_directory_that_cannot_be_made_fails_no_build(
    export: str, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(
        small,
        image=repository,
        cache_backend="local",
        cache_dir="/proc/nowhere",
        cache_export=export,
    )
    registry.check_image(f"{repository}:main")
    assert ended.outputs["cache-written"] == ""
    assert "mkdir /proc/nowhere" in ended.outputs["cache-write-error"]
    assert len(ended.warnings) == 1


def test_a_mistake_in_the_dockerfile_is_no_failure_of_the_backend(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    ended = warmbuild.build(
        project("FROM busybox:1.37\nNONSENSE\n"),
        image=repository,
        cache_backend="s3",
        cache_options="bucket=b,region=r",
        extra={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hunter2"},
    )
    assert ended.code == 4
    assert ended.warnings == []
    assert ended.log.count("+ docker buildx build ") == 1


def test_an_unchanged_image_takes_no_generation_of_an_inline_cache(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    def build(source: str) -> list[str]:
        (small / "source.txt").write_text(source)
        return warmbuild.succeed(
            small, image=repository, cache_backend="inline", cache_history="2"
        ).executed

    build("one")
    build("two")
    # Its provenance differs each time, and so does the digest of its index.
    assert build("two") == []
    assert build("one") == []


def test_an_image_without_a_step_is_no_strangers_image(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "inline",
        "cache_strict": "true",
    }
    place = project("FROM busybox:1.37\nENV A=1\n")
    warmbuild.succeed(place, **options)
    (place / "Dockerfile").write_text("FROM busybox:1.37\nRUN date > /now\n")
    assert warmbuild.succeed(place, **options).executed == ["RUN date > /now"]
    assert warmbuild.succeed(place, **options).executed == []


def test_the_cache_of_a_builder_that_stays_is_written_though_it_has_all_steps(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, name: str
) -> None:
    builder = f"b{name[-6:]}"
    warmbuild.kept.add(builder)
    options: dict[str, Any] = {"image": repository, "builder": builder, "cleanup": "false"}
    try:
        warmbuild.succeed(small, **options)
        before = registry.digest(f"{repository}:cache-main")
        (small / "source.txt").write_text("two")
        warmbuild.succeed(small, cache="read-only", **options)
        ended = warmbuild.succeed(small, **options)
        assert ended.executed == []
        assert registry.digest(f"{repository}:cache-main") != before
    finally:
        name = f"buildx_buildkit_{builder}0"
        for container in warmbuild.engine.containers.list(all=True, filters={"name": name}):
            container.remove(force=True, v=True)
        for volume in warmbuild.engine.volumes.list(filters={"name": f"{name}_state"}):
            volume.remove(force=True)
    assert warmbuild.succeed(small, image=repository, cache="read-only").executed == []


def test_what_no_filter_is_for_stays_in_the_cache(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(THREE_STAGES)
    warmbuild.succeed(place, image=repository)
    filtered = warmbuild.succeed(place, image=repository, no_cache_filters="final")
    assert filtered.executed == [
        "COPY --from=build /program /program",
        "RUN cat /program > /checked",
    ]
    # Nobody had to fetch the layer of the tools, and yet it is still there.
    elsewhere = THREE_STAGES.replace("/tools /tools", "/tools /elsewhere")
    (place / "Dockerfile").write_text(elsewhere.replace("cat /tools", "cat /elsewhere"))
    after = warmbuild.succeed(place, image=repository)
    assert "RUN cat /proc/sys/kernel/random/uuid > /tools" in after.cached
