"""A revert finds the layers of the state that it returns to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild


@pytest.mark.parametrize("backend", ["registry", "inline"])
def test_a_revert_to_the_state_before_last_runs_no_step(
    backend: str, warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    def build(source: str) -> list[str]:
        (small / "source.txt").write_text(source)
        return warmbuild.succeed(
            small, image=repository, cache_history="2", cache_backend=backend
        ).executed

    assert len(build("one")) == 2
    first = registry.digest(f"{repository}:cache-main")
    assert build("two") == ["COPY source.txt /"]
    assert registry.digest(f"{repository}:cache-main---1") == first
    assert build("one") == []
    # The state that was left is the one that is kept now.
    assert build("two") == []
    tags = [tag for tag in registry.tags(repository) if tag.startswith("cache-")]
    assert tags == ["cache-main", "cache-main---1"]


def test_without_history_a_revert_runs_what_was_changed(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    for source in ("one", "two"):
        (small / "source.txt").write_text(source)
        warmbuild.succeed(small, image=repository)
    (small / "source.txt").write_text("one")
    assert warmbuild.succeed(small, image=repository).executed == ["COPY source.txt /"]
    assert "cache-main---1" not in registry.tags(repository)


def test_the_same_state_is_not_kept_twice(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    def build(source: str) -> list[str]:
        (small / "source.txt").write_text(source)
        return warmbuild.succeed(small, image=repository, cache_history="3").executed

    for source in ("one", "two", "three", "three"):
        build(source)
    assert build("two") == []
    one, two, three = (
        registry.manifest(f"{repository}:cache-main{end}")["config"]["digest"]
        for end in ("", "---1", "---2")
    )
    assert len({one, two, three}) == 3
    # Each of them is read, the oldest too.
    assert build("one") == []


def test_a_history_that_cannot_be_kept_fails_no_build(
    warmbuild: Warmbuild, registry: Registry, repository: str, secured: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, cache_repository=secured, cache_history="2")
    assert ended.outputs["cache-write-error"]
    registry.check_image(f"{repository}:main")
