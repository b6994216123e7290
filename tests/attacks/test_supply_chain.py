"""What an attacker wants of the images that warmbuild runs and is released as."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from warmbuild.builder import engine as engines
from warmbuild.inputs.table import DEFAULT_QEMU_IMAGE

if TYPE_CHECKING:
    import docker

SAYS = 'FROM busybox:1.37\nENTRYPOINT ["echo", "{words}"]\n'


def published(engine: docker.DockerClient, repository: str, words: str) -> str:
    """Push an image that says something, under the tag that everybody uses; return its digest."""
    content = io.BytesIO(SAYS.format(words=words).encode())
    tag = f"{repository}:v1"
    engine.images.build(fileobj=content, tag=tag, rm=True)
    lines = list(engine.images.push(repository, tag="v1", stream=True, decode=True))
    engine.images.remove(tag, force=True)
    (digest,) = (line["aux"]["Digest"] for line in lines if "aux" in line)
    return str(digest)


def test_have_a_privileged_container_run_their_image(
    engine: docker.DockerClient, repository: str
) -> None:
    """Move the tag of the emulators' image to an image of their own."""
    digest = published(engine, repository, "what was reviewed")
    published(engine, repository, "what was put in its place")

    moved = engines.run_privileged(engine, f"{repository}:v1", [])
    pinned = engines.run_privileged(engine, f"{repository}:v1@{digest}", [])

    assert moved == (0, "what was put in its place\n")
    assert pinned == (0, "what was reviewed\n")
    assert "@sha256:" in DEFAULT_QEMU_IMAGE
