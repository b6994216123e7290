"""A branch's first build is warm, a later one runs what changed, and every branch has its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import docker

    from tests.integration.conftest import Registry, Warmbuild

FEATURE = "cache-feature-x-217d2bf51f16e9dc49a2"
# The shape of most applications: tools, then dependencies, then sources. No RUN of it gives the
# same result twice, so equal layers show that it did not run again.
APPLICATION = """\
FROM busybox:1.37
RUN cat /proc/sys/kernel/random/uuid > /tools
COPY requirements.txt /srv/
RUN cat /proc/sys/kernel/random/uuid > /srv/installed
COPY . /srv
RUN cat /proc/sys/kernel/random/uuid > /srv/compiled
"""
TOOLS = "RUN cat /proc/sys/kernel/random/uuid > /tools"
REQUIREMENTS = "COPY requirements.txt /srv/"
INSTALL = "RUN cat /proc/sys/kernel/random/uuid > /srv/installed"
SOURCES = "COPY . /srv"
COMPILE = "RUN cat /proc/sys/kernel/random/uuid > /srv/compiled"

MULTISTAGE = """\
FROM busybox:1.37 AS build
RUN cat /proc/sys/kernel/random/uuid > /dependencies
COPY source.txt /
RUN cat /dependencies source.txt > /program

FROM busybox:1.37
COPY --from=build /program /program
"""


def test_a_new_branch_is_built_from_the_cache_of_main_alone(
    warmbuild: Warmbuild,
    registry: Registry,
    engine: docker.DockerClient,
    repository: str,
    flask: Path,
    github: Callable[..., dict[str, str]],
) -> None:
    push = github("push", "github-push.json", "refs/heads/main")
    cold = warmbuild.succeed(flask, ci=push, image=repository)
    main_cache = registry.digest(f"{repository}:cache-main")
    assert cold.outputs["cache-read"] == ""
    assert cold.outputs["cache-hits"] == "0"
    assert cold.outputs["cache-written"] == f"{repository}:cache-main"

    push = github("push", "github-push.json", "refs/heads/feature/x")
    warm = warmbuild.succeed(flask, ci=push, image=repository)
    assert warm.builder != cold.builder
    assert cold.executed == warm.cached
    assert len(warm.cached) == 5
    assert warm.executed == []
    assert (warm.outputs["cache-hits"], warm.outputs["cache-steps"]) == ("5", "5")
    assert warm.outputs["cache-hit-ratio"] == "1.00"
    assert warm.outputs["cache-read"] == f"{repository}:cache-main@{main_cache}"
    assert warm.outputs["cache-written"] == f"{repository}:{FEATURE}"
    assert registry.digest(f"{repository}:cache-main") == main_cache
    registry.check_cache(f"{repository}:{FEATURE}")
    assert registry.layers(f"{repository}:feature-x") == registry.layers(f"{repository}:main")
    assert registry.tags(repository) == sorted(
        ["cache-main", FEATURE, "feature-x", "latest", "main"]
    )

    digest = warm.outputs["digest"]
    assert registry.digest(f"{repository}:feature-x") == digest
    image = engine.images.pull(repository, tag=digest)
    command = ["python", "-c", "import app; print(app.create_app().name)"]
    try:
        said = engine.containers.run(image, command, remove=True, network_mode="none")
        assert said == b"app\n"
    finally:
        engine.images.remove(f"{repository}@{digest}", force=True)


def test_outputs_and_summary_reach_github(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    github: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    push = github("push", "github-push.json", "refs/heads/main")
    ended = warmbuild.succeed(small, ci=push, image=repository, summary_file="")
    written = (tmp_path / "github" / "output").read_text()
    for name, value in ended.outputs.items():
        assert f"\n{value}\n" in written.partition(f"{name}<<")[2]
    summary = (tmp_path / "github" / "summary.md").read_text()
    assert ": 2 of 2 steps run, 0 cached, " in summary.splitlines()[0]
    assert "| `COPY source.txt /` |" in summary
    assert ended.summary == ""


def test_a_changed_source_runs_only_the_steps_after_it(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    files = {"requirements.txt": "flask", "app.py": "one"}
    place = project(APPLICATION, files)
    first = warmbuild.succeed(place, image=repository)
    assert first.executed == [TOOLS, REQUIREMENTS, INSTALL, SOURCES, COMPILE]
    before = registry.layers(f"{repository}:main")

    (place / "app.py").write_text("two")
    second = warmbuild.succeed(place, image=repository)
    assert second.cached == [TOOLS, REQUIREMENTS, INSTALL]
    assert second.executed == [SOURCES, COMPILE]
    assert second.outputs["cache-hit-ratio"] == "0.60"
    after = registry.layers(f"{repository}:main")
    assert after[:-2] == before[:-2]
    assert not set(after[-2:]) & set(before[-2:])


def test_a_changed_dependency_runs_everything_from_there(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project(APPLICATION, {"requirements.txt": "flask", "app.py": "one"})
    warmbuild.succeed(place, image=repository)
    before = registry.layers(f"{repository}:main")

    (place / "requirements.txt").write_text("flask gunicorn")
    second = warmbuild.succeed(place, image=repository)
    assert second.cached == [TOOLS]
    assert second.executed == [REQUIREMENTS, INSTALL, SOURCES, COMPILE]
    after = registry.layers(f"{repository}:main")
    assert after[:-4] == before[:-4]
    assert not set(after[-4:]) & set(before[-4:])


@pytest.mark.parametrize(
    ("mode", "is_cached"), [("max", True), ("min", False)], ids=["max keeps it", "min loses it"]
)
def test_the_first_of_two_stages_comes_from_the_registry_alone(
    mode: str,
    *,
    is_cached: bool,
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
) -> None:
    place = project(MULTISTAGE, {"source.txt": "one"})
    warmbuild.succeed(place, image=repository, cache_mode=mode)
    (place / "source.txt").write_text("two")
    # The builder is another one, so the registry is all that they share.
    second = warmbuild.succeed(place, image=repository, cache_mode=mode)
    assert second.steps["RUN cat /proc/sys/kernel/random/uuid > /dependencies"] is is_cached
    assert second.outputs["cache-hits"] == ("1" if is_cached else "0")
    assert second.outputs["cache-steps"] == "4"
    registry.check_cache(f"{repository}:cache-main")


def test_the_nearest_of_two_refs_is_read_alone(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    warmbuild.succeed(small, image=repository, branch="feature/x")
    third = warmbuild.succeed(small, image=repository, branch="feature/x", cache_import="first")
    own = f"{repository}:{FEATURE}@{registry.digest(f'{repository}:{FEATURE}')}"
    assert third.command.count("--cache-from") == 1
    assert third.outputs["cache-read"] == own
    assert (
        f"{repository}:cache-main is not read: cache-import is first, and a nearer ref exists"
        in third.log
    )


def test_union_reads_both_refs(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    warmbuild.succeed(small, image=repository, branch="feature/x")
    wanted = {
        f"{repository}:{tag}@{registry.digest(f'{repository}:{tag}')}"
        for tag in ("cache-main", FEATURE)
    }
    third = warmbuild.succeed(small, image=repository, branch="feature/x", cache_import="union")
    assert set(third.outputs["cache-read"].split(",")) == wanted
    for ref in wanted:
        assert f"--cache-from type=registry,ref={ref}" in third.command
    assert third.executed == []


def test_no_cache_reads_nothing_and_writes_a_fresh_cache(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    before = registry.digest(f"{repository}:cache-main")
    again = warmbuild.succeed(small, image=repository, no_cache="true")
    assert again.cached == []
    assert again.outputs["cache-read"] == ""
    assert "--cache-from" not in again.command
    assert again.outputs["cache-written"] == f"{repository}:cache-main"
    assert registry.digest(f"{repository}:cache-main") != before
    registry.check_cache(f"{repository}:cache-main")


def test_explicit_caches_are_passed_on_word_for_word(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    target = f"type=registry,ref={repository}:mine,mode=max"
    source = f"type=registry,ref={repository}:mine"
    first = warmbuild.succeed(small, image=repository, cache_to=target)
    assert f"--cache-to {target} " in first.command
    assert first.outputs["cache-written"] == f"{repository}:mine"
    registry.check_cache(f"{repository}:mine")

    second = warmbuild.succeed(small, image=repository, cache_from=source)
    assert f"--cache-from {source} " in second.command
    assert "--cache-to" not in second.command
    assert second.outputs["cache-read"] == f"{repository}:mine"
    assert second.outputs["cache-written"] == ""
    assert second.executed == []
    assert registry.tags(repository) == ["latest", "main", "mine"]


def test_a_laptop_loads_the_image_and_writes_no_cache(
    warmbuild: Warmbuild,
    registry: Registry,
    engine: docker.DockerClient,
    repository: str,
    small: Path,
) -> None:
    shutil.copytree(_git_of("feature/x", small.parent / "git"), small / ".git")
    ended = warmbuild.succeed(small, ci={}, image=repository)
    image = engine.images.get(f"{repository}:feature-x")
    try:
        assert image.id == ended.outputs["imageid"]
    finally:
        engine.images.remove(f"{repository}:feature-x")
    assert registry.tags(repository) == []
    assert "local runs do not write the shared cache" in ended.log


def test_an_image_is_pushed_and_loaded_where_both_are_asked_for(
    warmbuild: Warmbuild,
    registry: Registry,
    engine: docker.DockerClient,
    repository: str,
    small: Path,
) -> None:
    ended = warmbuild.succeed(small, image=repository, tags="mine", load="true")
    assert engine.images.get(f"{repository}:mine").id == ended.outputs["imageid"]
    engine.images.remove(f"{repository}:mine")
    assert registry.tags(repository) == ["cache-main", "mine"]


def _git_of(branch: str, directory: Path) -> Path:
    """Write what of a git directory says which branch is checked out."""
    directory.mkdir()
    (directory / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    return directory
