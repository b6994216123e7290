"""Somebody may push branches, but not to main: what of theirs gets into main's image?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import gitlab

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

ONCE = "RUN cat /proc/sys/kernel/random/uuid > /once"
MERGED = {"CI_COMMIT_MESSAGE": "Merge branch 'evil' into 'main'"}


@pytest.mark.parametrize("told", [False, True], ids=["by default", "if the inputs trust it"])
def test_put_a_layer_into_mains_image(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, *, told: bool
) -> None:
    """They build a step on their branch, and write a message that names the branch as merged."""
    evil = warmbuild.succeed(small, image=repository, branch="evil")
    assert ONCE in evil.executed
    main = warmbuild.succeed(
        small,
        image=repository,
        ci={**gitlab("main"), **MERGED},
        cache_trust_merged=str(told).lower(),
    )
    assert (ONCE in main.cached) is told
    theirs = set(registry.layers(f"{repository}:evil"))
    ours = set(registry.layers(f"{repository}:main"))
    assert (theirs == ours) is told


def test_keep_main_cold_for_ever(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    """Their branch is called cache-main, so that its image lies where main's cache belongs."""
    ended = warmbuild.succeed(small, image=repository, branch="cache-main")
    assert "the tags of caches begin with cache-" in ended.log
    assert not any(tag == "cache-main" for tag in registry.tags(repository))
    warmbuild.succeed(small, image=repository)
    registry.check_cache(f"{repository}:cache-main")
    assert warmbuild.succeed(small, image=repository).executed == []


def test_replace_mains_cache_from_a_pull_request(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    """They open a merge request from main into a branch of theirs, whose code is built, too."""
    warmbuild.succeed(small, image=repository)
    before = registry.digest(f"{repository}:cache-main")
    (small / "source.txt").write_text("evil")
    merge_request = {
        **gitlab(""),
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "evil",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
        "CI_PROJECT_ID": "1",
    }
    ended = warmbuild.succeed(small, image=repository, ci=merge_request, cache="read-write")
    assert ended.outputs["cache-written"] == ""
    assert "all read main's cache" in ended.log
    assert registry.digest(f"{repository}:cache-main") == before
