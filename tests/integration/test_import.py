"""Which of several caches are read together, where BuildKit itself would pick at random."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild

# What the first stage makes is different each time, and a later one copies it: two caches that
# were built apart hold different results of that step, and each its own steps upon its own.
RANDOM_STAGE = """\
FROM busybox:1.37 AS build
COPY requirements.txt /
RUN cat /proc/sys/kernel/random/uuid > /installed
COPY source.txt /
RUN cat /proc/sys/kernel/random/uuid > /program

FROM busybox:1.37
COPY --from=build /program /program
RUN cat /program > /checked
COPY --from=build /installed /installed
RUN cat /installed > /listed
"""
REBUILDS = 8  # Of caches that BuildKit reads by luck, every second one would miss a step

APPLICATION = """\
FROM busybox:1.37
COPY requirements.txt /srv/
RUN cat /proc/sys/kernel/random/uuid > /srv/installed
COPY source.txt /srv/
RUN cat /srv/source.txt > /srv/compiled
"""
INSTALL = "RUN cat /proc/sys/kernel/random/uuid > /srv/installed"


def two_caches_built_apart(warmbuild: Warmbuild, place: Path, repository: str) -> None:
    """Build a branch, and then main as if there was no cache."""
    (place / "source.txt").write_text("feature")
    warmbuild.succeed(place, image=repository, branch="feature")
    (place / "source.txt").write_text("main")
    warmbuild.succeed(place, image=repository, no_cache="true")
    (place / "source.txt").write_text("feature")


def rebuilds(warmbuild: Warmbuild, place: Path, repository: str, imports: str) -> Iterator[Ended]:
    """Build the branch again and again on fresh builders, and leave its cache as it is."""
    for _ in range(REBUILDS):
        yield warmbuild.succeed(
            place, image=repository, branch="feature", cache="read-only", cache_import=imports
        )


def test_caches_that_contradict_are_not_read_together(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(RANDOM_STAGE, {"requirements.txt": "one", "source.txt": "main"})
    two_caches_built_apart(warmbuild, place, repository)
    found = list(rebuilds(warmbuild, place, repository, "auto"))
    assert [ended.executed for ended in found] == [[]] * REBUILDS
    assert len(found[0].cached) == 8
    own = found[0].outputs["cache-read"]
    assert own.startswith(f"{repository}:cache-feature@sha256:")
    why = f"{repository}:cache-main is not read: it has other results than {own} for the same steps"
    assert why in found[0].log
    assert why in found[0].summary.replace("`", "")


def test_a_union_of_caches_that_contradict_is_a_matter_of_luck(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(RANDOM_STAGE, {"requirements.txt": "one", "source.txt": "main"})
    two_caches_built_apart(warmbuild, place, repository)
    found = rebuilds(warmbuild, place, repository, "union")
    # The first that is not all cached shows it.
    missed = next(ended for ended in found if ended.executed)
    assert missed.outputs["cache-read"].count("@") == 2


def test_a_rebased_branch_gets_what_only_main_has(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(APPLICATION, {"requirements.txt": "one", "source.txt": "one"})
    warmbuild.succeed(place, image=repository)
    (place / "source.txt").write_text("feature")
    warmbuild.succeed(place, image=repository, branch="feature")
    # Main gains a dependency, and the branch is put on top of it.
    (place / "requirements.txt").write_text("two")
    (place / "source.txt").write_text("one")
    assert INSTALL in warmbuild.succeed(place, image=repository).executed
    (place / "source.txt").write_text("feature")
    first = warmbuild.succeed(
        place, image=repository, branch="feature", cache="read-only", cache_import="first"
    )
    assert INSTALL in first.executed
    auto = warmbuild.succeed(place, image=repository, branch="feature")
    assert auto.executed == ["COPY source.txt /srv/", "RUN cat /srv/source.txt > /srv/compiled"]
    own, main = auto.outputs["cache-read"].split(",")
    assert own.startswith(f"{repository}:cache-feature@")
    assert main.startswith(f"{repository}:cache-main@")
    # BuildKit gets them as one.
    assert auto.command.count("--cache-from") == 1
    assert len(calls(auto)) == 2


def test_a_cache_in_the_older_form_is_merged_with_its_layers(
    warmbuild: Warmbuild,
    lab: Lab,
    auth_registry: Registry,
    secured: str,
    project: Callable[..., Path],
) -> None:
    """BuildKit wrote an index before 0.21, and other tools may still ask for it."""
    login = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {lab.auth_registry: {"auth": lab.basic}}})}
    place = project(APPLICATION, {"requirements.txt": "one", "source.txt": "one"})
    warmbuild.succeed(place, image=secured, branch="feature", extra=login)
    (place / "requirements.txt").write_text("two")
    older = f"type=registry,ref={secured}:cache-main,mode=max,image-manifest=false"
    warmbuild.succeed(place, image=secured, cache="read-only", cache_to=older, extra=login)
    path = secured.partition("/")[2]
    assert "manifests" in auth_registry.get(f"{path}/manifests/cache-main").json()
    (place / "source.txt").write_text("feature")
    auto = warmbuild.succeed(place, image=secured, branch="feature", extra=login)
    assert auto.executed == ["COPY source.txt /srv/", "RUN cat /srv/source.txt > /srv/compiled"]
    assert auto.outputs["cache-read"].count("@") == 2
    assert auto.command.count("--cache-from") == 1


UP_TO_DATE = "the cache is not written: it is up to date"
AS_IT_IS = "the cache that was read is written as it is: it has every step"


def calls(ended: Ended) -> list[str]:
    """Return the builds that a run made, one for the image and one for its cache."""
    return [text for _, text in ended.lines if text.startswith("+ docker buildx build ")]


def test_an_unchanged_branch_does_not_export_its_cache_again(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(APPLICATION, {"requirements.txt": "one", "source.txt": "one"})
    warmbuild.succeed(place, image=repository)
    (place / "source.txt").write_text("feature")
    warmbuild.succeed(place, image=repository, branch="feature")
    # Main's cache has a last step that the branch's lacks, so it is read too, for the last time.
    first = warmbuild.succeed(place, image=repository, branch="feature")
    assert first.outputs["cache-read"].count("@") == 2
    assert first.outputs["cache-written"] == f"{repository}:cache-feature"
    assert AS_IT_IS in first.log
    registry.check_cache(f"{repository}:cache-feature")
    again = warmbuild.succeed(place, image=repository, branch="feature")
    own = registry.digest(f"{repository}:cache-feature")
    assert again.outputs["cache-read"] == f"{repository}:cache-feature@{own}"
    assert again.outputs["cache-written"] == ""
    assert UP_TO_DATE in again.log
    assert [len(calls(ended)) for ended in (first, again)] == [1, 1]
    assert [ended.executed for ended in (first, again)] == [[], []]
    # Main moves. What the branch gets from it takes the place of what it had from it before.
    (place / "source.txt").write_text("main")
    warmbuild.succeed(place, image=repository)
    (place / "source.txt").write_text("feature")
    moved = warmbuild.succeed(place, image=repository, branch="feature")
    assert moved.executed == []
    assert len(calls(moved)) == 2
    assert registry.digest(f"{repository}:cache-feature") != own


def test_a_branch_that_is_reset_to_main_keeps_what_main_has_built(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(APPLICATION, {"requirements.txt": "one", "source.txt": "one"})
    warmbuild.succeed(place, image=repository)
    (place / "source.txt").write_text("feature")
    warmbuild.succeed(place, image=repository, branch="feature")
    # Main gains a dependency, and the branch is put on main.
    (place / "requirements.txt").write_text("two")
    warmbuild.succeed(place, image=repository, branch="main")
    reset = warmbuild.succeed(place, image=repository, branch="feature")
    assert reset.executed == []
    assert reset.outputs["cache-written"] == f"{repository}:cache-feature"
    registry.check_cache(f"{repository}:cache-feature")
    alone = warmbuild.succeed(
        place, image=repository, branch="feature", cache="read-only", cache_import="first"
    )
    assert alone.outputs["cache-read"].count("@") == 1
    assert alone.executed == []


def test_caches_that_are_read_as_one_miss_nothing(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    place = project(APPLICATION, {"requirements.txt": "one", "source.txt": "one"})
    warmbuild.succeed(place, image=repository)
    for number in range(6):
        (place / "source.txt").write_text(f"feature {number}")
        warmbuild.succeed(place, image=repository, branch="feature")
        # BuildKit alone finds the last steps in every second of such rebuilds.
        again = warmbuild.succeed(place, image=repository, branch="feature")
        assert again.executed == []
        assert again.outputs["cache-read"].count("@") == 2


def test_without_a_right_to_write_the_nearest_cache_is_read_alone(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    for branch in ("main", "feature"):
        (small / "source.txt").write_text(branch)
        warmbuild.succeed(small, image=repository, branch=branch)
    ended = warmbuild.succeed(small, image=repository, branch="feature", cache="read-only")
    assert ended.executed == []
    assert ended.outputs["cache-read"] == (
        f"{repository}:cache-feature@{registry.digest(f'{repository}:cache-feature')}"
    )
    assert "several caches have to be merged, and this run cannot write that" in ended.log
