"""Every backend: cold, then warm on a fresh builder, by the same keys."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

MULTISTAGE = """\
FROM busybox:1.37 AS dependencies
RUN cat /proc/sys/kernel/random/uuid > /dependencies

FROM busybox:1.37 AS build
COPY --from=dependencies /dependencies /dependencies
COPY source.txt /
RUN cat /dependencies source.txt > /program

FROM busybox:1.37
COPY --from=build /program /program
"""
DEPENDENCIES = "RUN cat /proc/sys/kernel/random/uuid > /dependencies"


def test_inline_is_read_by_the_next_branch(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    cold = warmbuild.succeed(small, image=repository, cache_backend="inline")
    assert cold.outputs["cache-written"] == f"{repository}:cache-main"
    assert cold.outputs["tags"] == f"{repository}:main,{repository}:latest"
    assert registry.digest(f"{repository}:cache-main") == cold.outputs["digest"]
    warm = warmbuild.succeed(small, image=repository, cache_backend="inline", branch="x")
    assert warm.executed == []
    main = registry.digest(f"{repository}:cache-main")
    assert warm.outputs["cache-read"] == f"{repository}:cache-main@{main}"
    assert int(warm.outputs["cache-age"]) >= 0
    assert registry.tags(repository) == ["cache-main", "cache-x", "latest", "main", "x"]


def test_inline_without_a_push_writes_nothing_and_says_so(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, cache_backend="inline", push="false")
    assert ended.outputs["cache-written"] == ""
    assert "no cache is written: an inline cache is pushed with its image" in ended.log


def test_stages_are_cache_images_of_their_own(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(MULTISTAGE, {"source.txt": "one"})
    options: dict[str, Any] = {"image": repository, "cache_backend": "inline"}
    warmbuild.succeed(place, **options, cache_scope="alone")
    (place / "source.txt").write_text("two")
    # An image's own cache knows nothing of the stages that it was made from.
    assert DEPENDENCIES in warmbuild.succeed(place, **options, cache_scope="alone").executed

    stages: dict[str, Any] = {"cache_stages": "dependencies, build"}
    cold = warmbuild.succeed(place, **options, **stages)
    written = cold.outputs["cache-written"].split(",")
    assert len(written) == 3
    for ref in written:
        assert registry.digest(ref)
    (place / "source.txt").write_text("three")
    warm = warmbuild.succeed(place, **options, **stages, branch="feature")
    assert DEPENDENCIES in warm.cached
    assert warm.executed == [
        "COPY source.txt /",
        "RUN cat /dependencies source.txt > /program",
        "COPY --from=build /program /program",
    ]


def test_a_stage_that_there_is_not_fails_no_build(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(
        small, image=repository, cache_backend="inline", cache_stages="nonsense"
    )
    registry.check_image(f"{repository}:main")
    assert "nonsense" in ended.outputs["cache-write-error"]
    assert ended.outputs["cache-written"] == f"{repository}:cache-main"


def test_local_is_swapped_in_whole_and_does_not_grow(
    warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "local",
        "cache_dir": str(cache),
    }
    cold = warmbuild.succeed(small, **options)
    assert cold.outputs["cache-written"] == f"{cache}/cache-main"
    assert [path.name for path in cache.iterdir()] == ["cache-main"]
    warm = warmbuild.succeed(small, **options, branch="feature")
    assert warm.executed == []
    assert warm.outputs["cache-written"] == f"{cache}/cache-feature"
    assert sorted(path.name for path in cache.iterdir()) == ["cache-feature", "cache-main"]

    def blobs() -> int:
        return len(list((cache / "cache-feature" / "blobs" / "sha256").iterdir()))

    before = blobs()
    for number in range(3):
        (small / "source.txt").write_text(str(number))
        warmbuild.succeed(small, **options, branch="feature")
    assert blobs() == before
    # A cache that goes from branch to branch does not gather those of all of them.
    warmbuild.succeed(small, **options, branch="other")
    assert sorted(path.name for path in cache.iterdir()) == ["cache-main", "cache-other"]


def test_a_local_cache_that_is_broken_fails_no_build(
    warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "local",
        "cache_dir": str(cache),
    }
    warmbuild.succeed(small, **options)
    for blob in (cache / "cache-main" / "blobs" / "sha256").iterdir():
        blob.write_bytes(b"")
    ended = warmbuild.succeed(small, **options)
    assert len(ended.executed) == 2
    assert ended.warnings
    shutil.rmtree(cache)


def test_gha_without_its_variables_is_told_and_fails_no_build(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, cache_backend="gha")
    (warning,) = ended.warnings
    assert "the backend gha needs ACTIONS_RUNTIME_TOKEN" in warning
    assert ended.outputs["cache-write-error"]
    registry.check_image(f"{repository}:main")


@pytest.mark.parametrize("strict", ["true", "false"])
def test_strict_fails_once_the_image_is_out(
    strict: str, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, cache_backend="gha", cache_strict=strict)
    assert ended.code == (6 if strict == "true" else 0)
    registry.check_image(f"{repository}:main")
    assert ended.outputs["digest"] == registry.digest(f"{repository}:main")
