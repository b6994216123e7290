"""Layers that stay packed until a step reads them: eStargz caches and the stargz snapshotter."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker.errors import ImageNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild
    from tests.integration.faults import Proxy

DOCKERFILE = """\
FROM busybox:1.37
RUN mkdir -m 1777 /made /made/old && echo here > /made/file && chown 7:8 /made/file \\
    && chmod 4751 /made/file && ln -s file /made/link && ln /made/file /made/hard
RUN rm -r /made/old && mkdir /made/old && mkfifo /made/fifo && head -c 9000000 /dev/urandom > /large
WORKDIR /srv
COPY . .
"""
LAYER = "application/vnd.oci.image.layer.v1.tar+"
TABLE = "containerd.io/snapshot/stargz/toc.digest"
EXTRACTED = re.compile(r"#\d+ extracting sha256:\w+ .*done")
STARGZ = "--oci-worker-snapshotter=stargz"


def edited(project: Path, text: str) -> Path:
    (project / "source.txt").write_text(text)
    return project


def packed(registry: Registry, ref: str) -> list[bool]:
    """Return whether each layer of a cache or an image is eStargz."""
    return [TABLE in layer.get("annotations", {}) for layer in registry.manifest(ref)["layers"]]


def tree(engine: docker.DockerClient, image: str) -> dict[str, tuple[object, ...]]:
    """Return what is in an image, as this engine pulls it: modes, owners and contents by path."""
    engine.images.pull(image)
    container = engine.containers.create(image)
    try:
        parts = container.export()
        content = io.BytesIO(b"".join(parts))  # type: ignore[arg-type]  # the stubs say str
    finally:
        container.remove()
        engine.images.remove(image, force=True)
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=content) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            digest = hashlib.sha256(file.read()).hexdigest() if file else ""
            owner = (member.uid, member.gid)
            found[member.name] = (member.type, member.mode, owner, member.linkname, digest)
    return found


def test_an_edit_unpacks_nothing_and_makes_the_same_image(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    project: Callable[..., Path],
) -> None:
    place = project(DOCKERFILE, {"source.txt": "one"})
    warmbuild.succeed(place, image=repository)
    assert not any(packed(registry, f"{repository}:cache-main"))
    # It is switched on: the cache there is read, and written anew.
    first = warmbuild.succeed(edited(place, "two"), image=repository, lazy="true")
    assert first.executed == ["COPY . ."]
    assert STARGZ in first.log
    assert EXTRACTED.search(first.log)
    assert "force-compression=true" in first.log
    assert all(packed(registry, f"{repository}:cache-main"))
    # On a new branch nothing of it is unpacked, or packed again.
    lazy = warmbuild.succeed(edited(place, "three"), image=repository, lazy="true", branch="a")
    assert lazy.executed == ["COPY . ."]
    assert not EXTRACTED.search(lazy.log)
    assert "force-compression" not in lazy.log
    assert all(packed(registry, f"{repository}:cache-a"))
    assert all(packed(registry, f"{repository}:a"))
    kept = registry.layers(f"{repository}:a")[:-1]
    assert set(kept) <= set(registry.layers(f"{repository}:cache-main"))
    # It is switched off: the same cache is read as any other.
    off = warmbuild.succeed(place, image=repository, branch="b")
    assert off.executed == ["COPY . ."]
    assert STARGZ not in off.log
    assert EXTRACTED.search(off.log)
    assert packed(registry, f"{repository}:b")[-1] is False
    assert tree(engine, f"{repository}:a") == tree(engine, f"{repository}:b")
    said = engine.containers.run(f"{repository}:a", ["cat", "source.txt"], remove=True)
    assert said == b"three"
    engine.images.remove(f"{repository}:a", force=True)


CHAIN = """\
FROM busybox:1.37 AS base
RUN echo first > /first
FROM base AS installed
WORKDIR /srv
COPY deps.txt ./
RUN cat deps.txt > used
FROM installed
COPY source.txt ./
RUN echo built $(cat source.txt)
"""
REFUSED = "the push failed with a transient error (blob unknown"
OF_AN_EDIT = ["COPY source.txt ./", "RUN echo built $(cat source.txt)"]
OF_DEPENDENCIES = ["COPY deps.txt ./", "RUN cat deps.txt > used"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="pushed"),
        pytest.param(
            {"push": "false", "load": "false"},
            id="neither pushed nor loaded",
            marks=pytest.mark.long,
        ),
        pytest.param({"push": "false", "load": "true"}, id="loaded"),
    ],
)
def test_edits_after_a_change_of_dependencies_run_only_their_own_steps(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    repository: str,
    project: Callable[..., Path],
    values: dict[str, str],
) -> None:
    place = project(CHAIN, {"source.txt": "one", "deps.txt": "one"})

    def build(image: str) -> Ended:
        return warmbuild.succeed(place, image=image, lazy="true", **values)  # type: ignore[arg-type]

    def of_dependencies(image: str) -> Ended:
        (place / "deps.txt").write_text("one")
        assert "compression=estargz,force-compression=true" in build(image).log
        (place / "deps.txt").write_text("two")
        return build(image)

    # The registry refuses some pushes beside an export (docs/architecture.md), and what runs again
    # for the next push is not what is asked here.
    tried = ((image, of_dependencies(image)) for image in (repository, f"{repository}-again"))
    image, changed = next(one for one in tried if REFUSED not in one[1].log)
    assert changed.executed == [*OF_DEPENDENCIES, *OF_AN_EDIT]
    # The cache is exported with the image, so no step runs again for it.
    assert changed.log.count(" built one\n") == 1, changed.log
    for text in ("two", "three"):
        edited(place, text)
        edit = build(image)
        assert edit.executed == OF_AN_EDIT
        # What is loaded into the engine is packed as gzip, so it is unpacked later.
        assert bool(EXTRACTED.search(edit.log)) is (values.get("load") == "true")
    assert build(image).executed == []
    with suppress(ImageNotFound):
        engine.images.remove(f"{image}:main", force=True)


def test_a_new_base_image_is_packed_again(
    warmbuild: Warmbuild, registry: Registry, repository: str, project: Callable[..., Path]
) -> None:
    place = project("FROM busybox:1.37\nRUN echo new > /new\n", {})
    warmbuild.succeed(place, image=f"{repository}/base")
    project(CHAIN, {"source.txt": "one", "deps.txt": "one"})
    warmbuild.succeed(place, image=repository, lazy="true")
    (place / "Dockerfile").write_text(CHAIN.replace("busybox:1.37", f"{repository}/base:main", 1))
    changed = warmbuild.succeed(place, image=repository, lazy="true")
    assert len(changed.executed) == 6
    assert all(packed(registry, f"{repository}:cache-main"))
    edit = warmbuild.succeed(edited(place, "two"), image=repository, lazy="true")
    assert edit.executed == OF_AN_EDIT
    assert not EXTRACTED.search(edit.log)


def test_a_build_with_another_stage_keeps_its_cache(
    warmbuild: Warmbuild, repository: str, project: Callable[..., Path]
) -> None:
    text = "FROM busybox:1.37 AS made\nWORKDIR /made\nCOPY deps.txt .\nRUN cat deps.txt > used\n"
    text += "COPY source.txt .\nFROM busybox:1.37\nCOPY --from=made /made/source.txt .\n"
    place = project(text, {"source.txt": "one", "deps.txt": "one"})
    warmbuild.succeed(place, image=repository, lazy="true")
    (place / "deps.txt").write_text("two")
    warmbuild.succeed(place, image=repository, lazy="true")
    edit = warmbuild.succeed(edited(place, "two"), image=repository, lazy="true")
    assert edit.executed == ["COPY source.txt .", "COPY --from=made /made/source.txt ."]
    assert "lazy has no effect: files are copied or mounted from made, whose" in edit.log


@pytest.fixture
def buildkit(
    lab: Lab, engine: docker.DockerClient, repository: str
) -> Iterator[Callable[[str], str]]:
    """Return BuildKit images that run a script before the daemon; they are removed at the end."""
    made: list[str] = []

    def make(script: str) -> str:
        tag = f"{repository}:{len(made)}"
        text = f"FROM {lab.env['WARMBUILD_LAB_BUILDKIT_IMAGE']}\n"
        text += f'ENTRYPOINT ["sh", "-c", "{script}; exec buildkitd $*", "--"]\n'
        engine.images.build(rm=True, fileobj=io.BytesIO(text.encode()), tag=tag)
        made.append(tag)
        engine.images.push(tag)
        return f"image={tag}\nnetwork=host"

    yield make
    for tag in made:
        engine.images.remove(tag, force=True)


def test_a_builder_without_fuse_unpacks_as_ever(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    buildkit: Callable[[str], str],
) -> None:
    opts = buildkit("rm /dev/fuse")
    warmbuild.succeed(small, image=f"{repository}/a", driver_opts=opts, lazy="true")
    again = warmbuild.succeed(
        edited(small, "two"), image=f"{repository}/a", driver_opts=opts, lazy="true"
    )
    assert again.executed == ["COPY source.txt /"]
    assert EXTRACTED.search(again.log)


def test_a_builder_that_does_not_start_so_starts_without(
    warmbuild: Warmbuild, repository: str, small: Path, buildkit: Callable[[str], str]
) -> None:
    opts = buildkit("case $* in *stargz*) exit 3;; esac")
    ended = warmbuild.succeed(small, image=f"{repository}/a", driver_opts=opts, lazy="true")
    assert ended.warnings == [
        "warning: the builder does not start with lazy; it is started without"
    ]


def test_a_step_that_cannot_read_a_layer_runs_again(
    warmbuild: Warmbuild,
    lab: Lab,
    proxy: Proxy,
    name: str,
    project: Callable[..., Path],
    tmp_path: Path,
) -> None:
    text = (
        "FROM busybox:1.37\nRUN dd if=/dev/urandom of=/large bs=1M count=40\n"
        "COPY source.txt /\nRUN echo begun; sleep 1; md5sum /large\n"
    )
    place, config = project(text, {"source.txt": "one"}), tmp_path / "buildkitd.toml"
    own = f'[registry."{proxy.host}"]\nhttp = true\n'
    config.write_text(f"{Path(lab.buildkitd_config).read_text()}{own}")
    image = f"{proxy.host}/{name}"
    warmbuild.succeed(place, image=image, lazy="true", buildkitd_config=str(config))
    edited(place, "two")
    run = warmbuild.start(place, image=image, lazy="true", buildkitd_config=str(config))
    run.wait_for(r"#\d+ \S+ begun$")
    proxy.answer("GET", "blobs", 503, times=None)
    run.wait_for("retrying without it")
    proxy.heal()
    ended = run.end()
    assert ended.code == 0, ended.log
    assert len(ended.executed) == 3
    assert "a step could not read a layer of it that was not unpacked" in ended.warnings[0]


def test_new_layers_of_image_and_cache_are_compressed_once_as_asked(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    small: Path,
) -> None:
    warmbuild.succeed(small, image=repository, compression="zstd:1")
    layers = registry.manifest(f"{repository}:main")["layers"]
    gzip, *new = [layer["mediaType"].removeprefix(LAYER) for layer in layers]
    # The base image's own layer stays as it is.
    assert (gzip, new) == ("gzip", ["zstd", "zstd"])
    assert registry.layers(f"{repository}:cache-main") == sorted(
        layer["digest"] for layer in layers
    )
    said = engine.containers.run(f"{repository}:main", ["cat", "source.txt"], remove=True)
    engine.images.remove(f"{repository}:main", force=True)
    assert said == b"one"
