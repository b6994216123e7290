"""A commit is one image, and the next commit runs no step again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import written

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from tests.integration.conftest import Ended, Registry, Warmbuild

# An event that says nothing of when the commit was made.
SCHEDULE = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "schedule",
    "CI_COMMIT_BRANCH": "main",
    "CI_DEFAULT_BRANCH": "main",
}
RULES = (
    "type=schedule,pattern=nightly-{{commit_date 'YYYYMMDD' tz='Asia/Tokyo'}}\n"
    "type=edge\ntype=raw,value=stable,enable={{is_default_branch}}"
)


def commit(project: Path, seconds: int) -> str:
    """Commit nothing new at a time, and return the commit."""
    who = {"NAME": "A", "EMAIL": "a@example.com", "DATE": f"{seconds} +0000"}
    env = {
        f"GIT_{role}_{name}": value
        for role in ("AUTHOR", "COMMITTER")
        for name, value in who.items()
    } | {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(project.parent)}

    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603 (each argument is written out in a test)
            ["git", *arguments],  # noqa: S607 (the one that is there)
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    if not (project / ".git").exists():
        git("init", "-q", "-b", "main")
        (project / ".dockerignore").write_text(".git\n")
    git("add", ".")
    git("commit", "-q", "--allow-empty", "-m", "on")
    return git("rev-parse", "HEAD")


def test_a_commit_is_one_image_and_the_next_one_is_warm(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    first = commit(small, 1767225598)
    event = {**SCHEDULE, "CI_COMMIT_SHA": first}
    inputs: dict[str, Any] = {"images": repository, "tags": RULES, "provenance": "false"}
    cold = warmbuild.succeed(small, ci=event, **inputs)
    warm = warmbuild.succeed(small, ci=event, **inputs)
    assert warm.outputs["digest"] == cold.outputs["digest"]
    assert warm.outputs["cache-hit-ratio"] == "1.00"
    names = "nightly-20260101 edge stable"
    assert cold.outputs["tag-names"].split() == names.split()
    labels = registry.config(f"{repository}:edge")["config"]["Labels"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.created"] == "2025-12-31T23:59:58Z"
    assert labels[f"{prefix}.revision"] == first

    second = commit(small, 1767312000)
    layers = [layer["digest"] for layer in registry.manifest(f"{repository}:edge")["layers"]]
    later = warmbuild.succeed(small, ci={**SCHEDULE, "CI_COMMIT_SHA": second}, **inputs)
    assert later.outputs["cache-hit-ratio"] == "1.00"
    assert later.outputs["digest"] != cold.outputs["digest"]
    now = registry.manifest(f"{repository}:edge")
    assert [layer["digest"] for layer in now["layers"]] == layers
    labels = registry.config(f"{repository}:edge")["config"]["Labels"]
    assert labels[f"{prefix}.created"] == "2026-01-02T00:00:00Z"
    assert labels[f"{prefix}.revision"] == second


# Steps that write files, whose content is the same each time. BuildKit makes the time of a commit a
# part of the key of WORKDIR if it is a build argument.
MADE = """\
FROM --platform=$BUILDPLATFORM busybox:1.37 AS made
WORKDIR /made
RUN sleep 1 && echo made > file && mkdir -p deep/er && ln -s file link
FROM busybox:1.37
WORKDIR /app
COPY source.txt .
COPY --from=made /made made
"""
RUN = "RUN mkdir run && echo here > run/file\n"
FIRST, SECOND = 1767225598, 1767312000
ON: dict[str, Any] = {"reproducible": "true", "no_cache": "true"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Return a project whose steps make the same files each time, with a commit."""
    project = written(tmp_path, {"Dockerfile": MADE + RUN, "source.txt": "one"})
    commit(project, FIRST)
    return project


def event(project: Path) -> dict[str, str]:
    """Return an event that says nothing of when the HEAD was committed."""
    head = (project / ".git" / "refs" / "heads" / "main").read_text().strip()
    return {**SCHEDULE, "CI_COMMIT_SHA": head}


def test_two_builders_give_one_digest(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    def digest(inputs: dict[str, Any]) -> str:
        done = warmbuild.succeed(made, ci=event(made), image=repository, **inputs)
        assert done.cached == []
        return done.outputs["digest"]

    (made / "source.txt").touch()
    first = digest(ON)
    (made / "source.txt").touch()
    assert digest(ON) == first
    assert registry.config(f"{repository}:main")["created"] == "2025-12-31T23:59:58Z"
    plain: dict[str, Any] = {"no_cache": "true", "provenance": "false"}
    assert len({first, digest(plain), digest(plain)}) == 3


def test_the_next_commit_runs_no_step_again(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    inputs: dict[str, Any] = {"image": repository, "reproducible": "true"}
    first = warmbuild.succeed(made, ci=event(made), **inputs)
    again = warmbuild.succeed(made, ci=event(made), **inputs)
    assert again.outputs["digest"] == first.outputs["digest"]
    commit(made, SECOND)
    later = warmbuild.succeed(made, ci=event(made), **inputs)
    assert later.outputs["cache-hit-ratio"] == again.outputs["cache-hit-ratio"] == "1.00"
    assert later.outputs["digest"] != first.outputs["digest"]
    assert registry.config(f"{repository}:main")["created"] == "2026-01-02T00:00:00Z"


def test_with_1970_neither_caches_nor_checkouts_make_a_difference(
    warmbuild: Warmbuild, repository: str, made: Path
) -> None:
    """What is older than the commit keeps its time: a cached step, or a file of the checkout."""
    first = warmbuild.succeed(made, ci=event(made), image=repository, reproducible="true")
    (made / "other").touch()
    commit(made, int((made / "other").stat().st_mtime) + 1)

    def digests(**extra: str) -> set[str]:
        cached: dict[str, Any] = {"reproducible": "true", "cache": "read-only"}
        runs = (
            warmbuild.succeed(made, ci=event(made), image=repository, extra=extra, **inputs)
            for inputs in (cached, ON)
        )
        return {run.outputs["digest"] for run in runs}

    assert first.code == 0
    assert len(digests()) == 2
    fixed = digests(SOURCE_DATE_EPOCH="0")
    os.utime(made / "source.txt", (FIRST, FIRST))
    assert len(fixed | digests(SOURCE_DATE_EPOCH="0")) == 1


def test_images_of_two_platforms(warmbuild: Warmbuild, repository: str, tmp_path: Path) -> None:
    made = written(
        tmp_path,
        {"Dockerfile": MADE.replace("FROM busybox:1.37\n", "FROM scratch\n"), "source.txt": "one"},
    )
    commit(made, FIRST)
    inputs: dict[str, Any] = {"image": repository, "platforms": "linux/amd64,linux/arm64", **ON}
    runs = [warmbuild.succeed(made, ci=event(made), **inputs) for _ in range(2)]
    assert len({run.outputs["digest"] for run in runs}) == 1


def test_targets_of_a_bake_file(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    target: dict[str, Any] = {"context": ".", "output": ["type=image"]}
    targets = {
        "app": {**target, "tags": [f"{repository}:app"]},
        "other": {**target, "tags": [f"{repository}:other"], "args": {"SOURCE_DATE_EPOCH": "7"}},
    }
    bake = {"group": {"default": {"targets": [*targets]}}, "target": targets}
    (made / "docker-bake.json").write_text(json.dumps(bake))
    (made / ".dockerignore").write_text(".git\ndocker-bake.json\n")
    inputs: dict[str, Any] = {
        "bake_files": "docker-bake.json",
        "image": repository,
        "push": "true",
        **ON,
    }
    runs = [warmbuild.succeed(made, ci=event(made), **inputs) for _ in range(2)]
    one, two = (json.loads(run.outputs["targets"]) for run in runs)
    assert {name: found["digest"] for name, found in one.items()} == {
        name: found["digest"] for name, found in two.items()
    }
    created = {name: registry.config(f"{repository}:{name}")["created"] for name in targets}
    assert created == {"app": "2025-12-31T23:59:58Z", "other": "1970-01-01T00:00:07Z"}


def test_provenance_changes_the_index_and_not_the_image(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    def images() -> tuple[str, str, Ended]:
        done = warmbuild.succeed(
            made, ci=event(made), image=repository, provenance="mode=min", **ON
        )
        index = registry.get(f"{repository.partition('/')[2]}/manifests/main").json()
        return done.outputs["digest"], index["manifests"][0]["digest"], done

    first, second = images(), images()
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert "the digest of the index differs in each build" in "\n".join(first[2].warnings)


def test_an_inline_cache_changes_the_image_and_no_layer(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    found = []
    for _ in range(2):
        done = warmbuild.succeed(
            made, ci=event(made), image=repository, cache_backend="inline", **ON
        )
        found.append((done.outputs["digest"], tuple(registry.layers(f"{repository}:main"))))
        assert "because the inline cache in it holds times" in "\n".join(done.warnings)
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]


def test_without_a_time_of_the_commit_it_is_1970(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path
) -> None:
    (made / ".git").rename(made.parent / "git")
    runs = [warmbuild.succeed(made, image=repository, **ON) for _ in range(2)]
    assert runs[0].outputs["digest"] == runs[1].outputs["digest"]
    assert registry.config(f"{repository}:main")["created"] == "1970-01-01T00:00:00Z"
    assert "no time after 1970-01-01T00:00:00Z, because that of the commit" in runs[0].log


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"build_args": "SOURCE_DATE_EPOCH=7"}, id="in build-args"),
        pytest.param({"extra": {"SOURCE_DATE_EPOCH": "7"}}, id="in the environment"),
        pytest.param({"outputs": "type=image,source-date-epoch=7"}, id="in outputs"),
    ],
)
def test_an_epoch_of_the_users_own_wins(
    warmbuild: Warmbuild, registry: Registry, repository: str, made: Path, given: dict[str, Any]
) -> None:
    warmbuild.succeed(made, ci=event(made), image=repository, push="true", **given, **ON)
    assert registry.config(f"{repository}:main")["created"] == "1970-01-01T00:00:07Z"


def test_every_other_output_is_the_same(
    warmbuild: Warmbuild, engine: docker.DockerClient, name: str, made: Path
) -> None:
    found = []
    for _ in range(2):
        done = warmbuild.succeed(
            made,
            ci=event(made),
            tags=f"local/{name}:1",
            load="true",
            outputs="type=oci,dest=../a.oci\ntype=tar,dest=../a.tar\n../out",
            **ON,
        )
        assert done.cached == []
        files = [made.parent / "a.oci", made.parent / "a.tar"]
        image = engine.images.get(f"local/{name}:1")
        exported = made.parent / "out" / "app"
        times = {path.lstat().st_mtime for path in exported.rglob("*") if not path.is_dir()}
        assert times == {FIRST}
        found.append((image.id, *(hashlib.sha256(path.read_bytes()).digest() for path in files)))
        engine.images.remove(f"local/{name}:1", force=True)
    assert found[0] == found[1]


def test_the_layers_that_differ_from_a_build_of_the_same_are_named(
    warmbuild: Warmbuild, repository: str, made: Path
) -> None:
    chance = "RUN cat /proc/sys/kernel/random/uuid > chance"
    (made / "Dockerfile").write_text(f"{MADE}{RUN}{chance}\n")
    commit(made, FIRST)
    first = warmbuild.succeed(made, ci=event(made), image=repository, **ON)
    second = warmbuild.succeed(made, ci=event(made), image=repository, **ON)
    named = [line for line in second.log.splitlines() if line.startswith("not reproducible: ")]
    assert first.outputs["digest"] != second.outputs["digest"]
    assert "not reproducible" not in first.log
    (only,) = named
    assert only.endswith(f": {chance}")
