"""What comes from a stranger reads the cache and never writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

WRITING = ("PUT", "POST", "PATCH", "DELETE")


@pytest.fixture
def fork(github: Callable[..., dict[str, str]]) -> dict[str, str]:
    """Return the pull request 42 of somebody whose branch is called main, too."""
    return github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge")


def test_a_pull_request_from_a_fork_reads_the_cache_of_main_and_writes_nothing(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, fork: dict[str, str]
) -> None:
    warmbuild.succeed(small, image=repository)
    tags = registry.tags(repository)
    digests = [registry.digest(f"{repository}:{tag}") for tag in tags]
    before = [request for method in WRITING for request in registry.asked(repository, method)]

    (small / "source.txt").write_text("a stranger's")
    ended = warmbuild.succeed(small, ci=fork, image=repository)
    assert ended.outputs["cache-read"].startswith(f"{repository}:cache-main@sha256:")
    assert len(ended.cached) == len(ended.executed) == 1
    assert ended.outputs["cache-written"] == ""
    after = [request for method in WRITING for request in registry.asked(repository, method)]
    assert after == before
    assert registry.tags(repository) == tags
    assert [registry.digest(f"{repository}:{tag}") for tag in tags] == digests
    assert "no cache is written: the code comes from a fork" in ended.log
    assert "the image is not pushed: the code comes from a fork" in ended.log


def test_a_fork_that_is_told_to_push_pushes_the_image_alone(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, fork: dict[str, str]
) -> None:
    warmbuild.succeed(small, image=repository)
    before = registry.asked(repository, "PUT")
    main_cache = registry.digest(f"{repository}:cache-main")

    (small / "source.txt").write_text("a stranger's")
    ended = warmbuild.succeed(small, ci=fork, image=repository, push="true", cache="read-write")
    assert ended.outputs["cache-written"] == ""
    written = registry.asked(repository, "PUT")[len(before) :]
    assert "manifests/pr-42" in written
    assert [request for request in written if "cache" in request] == []
    assert registry.tags(repository) == ["cache-main", "latest", "main", "pr-42"]
    assert registry.digest(f"{repository}:cache-main") == main_cache
    assert registry.digest(f"{repository}:pr-42") == ended.outputs["digest"]


def test_a_fork_cannot_name_a_cache_to_write(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, fork: dict[str, str]
) -> None:
    ended = warmbuild.succeed(
        small,
        ci=fork,
        image=repository,
        push="true",
        cache_to=f"type=registry,ref={repository}:cache-main,mode=max",
    )
    assert "--cache-to" not in ended.command
    assert registry.tags(repository) == ["pr-42"]
    assert "is ignored: the code comes from a fork" in ended.log


def test_a_tag_reads_the_cache_of_main_and_writes_none(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    github: Callable[..., dict[str, str]],
) -> None:
    warmbuild.succeed(small, image=repository)
    ended = warmbuild.succeed(
        small, ci=github("push", "github-push.json", "refs/tags/v1.2.3"), image=repository
    )
    assert ended.executed == []
    assert ended.outputs["tags"] == f"{repository}:v1.2.3"
    assert ended.outputs["cache-written"] == ""
    assert registry.tags(repository) == ["cache-main", "latest", "main", "v1.2.3"]
