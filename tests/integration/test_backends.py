"""Every backend: cold, then warm on a fresh builder, by the same keys."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import S3, Azblob, GithubCache, Registry, Warmbuild
    from tests.integration.faults import Proxy

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
    # One cache for all three: BuildKit would keep the first answer for a step that two hold.
    assert warm.command.count("--cache-from") == 1
    assert DEPENDENCIES in warm.cached
    assert warm.executed == [
        "COPY source.txt /",
        "RUN cat /dependencies source.txt > /program",
        "COPY --from=build /program /program",
    ]


def test_inline_caches_are_read_side_by_side_if_the_registry_takes_no_other_manifests(
    warmbuild: Warmbuild,
    registry: Registry,
    proxy: Proxy,
    name: str,
    project: Callable[..., Path],
) -> None:
    place = project(MULTISTAGE, {"source.txt": "one"})
    options: dict[str, Any] = {
        "image": f"{proxy.host}/{name}",
        "cache_backend": "inline",
        "cache_stages": "dependencies, build",
    }
    warmbuild.succeed(place, **options)
    (place / "source.txt").write_text("two")
    # The merged cache is the first manifest that a run writes.
    proxy.answer("PUT", "/manifests/sha256:", 400)
    ended = warmbuild.succeed(place, **options, branch="feature")
    assert ended.command.count("--cache-from") == 3
    assert "BuildKit may miss some cached steps: several caches have to be merged" in ended.log
    assert ended.warnings == []
    registry.check_image(f"{registry.host}/{name}:feature")


def test_a_stage_that_there_is_not_fails_no_build(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    ended = warmbuild.succeed(
        small, image=repository, cache_backend="inline", cache_stages="nonsense"
    )
    registry.check_image(f"{repository}:main")
    assert "nonsense" in ended.outputs["cache-write-error"]
    assert ended.outputs["cache-written"] == f"{repository}:cache-main"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


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
    assert names(cache) == ["cache-main", "cache-main---record"]
    warm = warmbuild.succeed(small, **options, branch="feature")
    assert warm.executed == []
    assert warm.outputs["cache-written"] == f"{cache}/cache-feature"
    both = ["cache-feature", "cache-feature---record", "cache-main", "cache-main---record"]
    assert names(cache) == both

    def blobs() -> int:
        return len(list((cache / "cache-feature" / "blobs" / "sha256").iterdir()))

    before = blobs()
    for number in range(3):
        (small / "source.txt").write_text(str(number))
        warmbuild.succeed(small, **options, branch="feature")
    assert blobs() == before
    # A cache that goes from branch to branch does not gather those of all of them.
    warmbuild.succeed(small, **options, branch="other")
    others = ["cache-main", "cache-main---record", "cache-other", "cache-other---record"]
    assert names(cache) == others


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


def test_gha_makes_another_builder_warm(
    warmbuild: Warmbuild, repository: str, small: Path, name: str, github_cache: GithubCache
) -> None:
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "gha",
        "cache_options": "version=1",
        "cache_scope": name,
        "extra": github_cache.environment,
    }
    cold = warmbuild.succeed(small, **options)
    assert cold.outputs["cache-written"].endswith("--main")
    assert len(cold.executed) == 2
    warm = warmbuild.succeed(small, **options, branch="feature")
    assert warm.executed == []
    assert "the backend gha cannot be queried, so BuildKit gets every ref" in warm.log
    assert github_cache.token not in cold.log + cold.summary + warm.log


def test_gha_with_a_token_that_is_refused_fails_no_build(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    github_cache: GithubCache,
) -> None:
    bad = {**github_cache.environment, "ACTIONS_RUNTIME_TOKEN": "not.a.token"}
    ended = warmbuild.succeed(
        small, image=repository, cache_backend="gha", cache_options="version=1", extra=bad
    )
    registry.check_image(f"{repository}:main")
    assert ended.warnings
    assert ended.outputs["cache-write-error"]


def test_s3_makes_another_builder_warm(
    warmbuild: Warmbuild, repository: str, small: Path, name: str, s3: S3
) -> None:
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "s3",
        "cache_options": f"bucket={s3.bucket}\nregion={s3.region}\nendpoint_url={s3.url}\n"
        "use_path_style=true",
        "cache_scope": name,
        "extra": s3.environment,
    }
    cold = warmbuild.succeed(small, **options)
    # Each branch has a name of its own, so none overwrites another's.
    assert cold.outputs["cache-written"].endswith("--main")
    warm = warmbuild.succeed(small, **options, branch="feature")
    assert warm.executed == []
    assert warm.outputs["cache-written"].endswith("--feature")
    (small / "source.txt").write_text("two")
    assert warmbuild.succeed(small, **options).executed == ["COPY source.txt /"]
    assert s3.secret not in cold.log + cold.summary


def test_azblob_makes_another_builder_warm_and_its_key_is_no_argument(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    name: str,
    azblob: Azblob,
) -> None:
    options: dict[str, Any] = {
        "image": repository,
        "cache_backend": "azblob",
        "cache_options": f"account_url={azblob.url}\naccount_name={azblob.account}",
        "cache_scope": name,
        "labels": "price=${NOT_A_TEMPLATE}",
        "extra": {"AZURE_STORAGE_KEY": azblob.key},
    }
    cold = warmbuild.succeed(small, **options)
    assert cold.outputs["cache-written"].endswith("--main")
    assert cold.outputs["digest"] == registry.digest(f"{repository}:main")
    warm = warmbuild.succeed(small, **options, branch="feature")
    assert warm.executed == []
    assert azblob.key not in cold.log + cold.summary + warm.log
    image = registry.manifest(f"{repository}:main")["config"]["digest"]
    path = repository.partition("/")[2]
    labels = registry.get(f"{path}/blobs/{image}").json()["config"]["Labels"]
    assert labels["price"] == "${NOT_A_TEMPLATE}"


def test_azblob_that_is_not_there_fails_no_build(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, unused_port: int
) -> None:
    ended = warmbuild.succeed(
        small,
        image=repository,
        cache_backend="azblob",
        cache_options=f"account_url=http://127.0.0.1:{unused_port}/a\naccount_name=a",
        extra={"AZURE_STORAGE_KEY": "bm8="},
    )
    registry.check_image(f"{repository}:main")
    assert ended.warnings
    assert ended.outputs["cache-written"] == ""
    assert ended.outputs["cache-write-error"]
