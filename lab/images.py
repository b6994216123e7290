"""The images that builds pull from Docker Hub, made from packages for the registry in its place."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab import golang, registries, versions
from lab.apt import KEYRING, mirror
from lab.commands import run
from lab.layout import SOURCES, make_once, recipe_key
from lab.registries import HUB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.layout import Layout

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
ADDED_CERTIFICATES = Path("/usr/local/share/ca-certificates")
APT_CONFIG = SOURCES / "images" / "debian" / "image.conf"
MMDEBSTRAP = (
    "mmdebstrap",
    "--variant=minbase",
    f"--keyring={KEYRING}",
    "--include=ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    f"--customize-hook=copy-in {ADDED_CERTIFICATES} {ADDED_CERTIFICATES.parent}",
    f"--customize-hook=copy-in {CERTIFICATES} {CERTIFICATES.parent}",
    '--customize-hook=rm --force "$1"/var/cache/apt/*.bin',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of the hub, built from a Dockerfile of lab/images.

    `context` is the directory it is built in, if it needs one, `contexts` are those that its
    Dockerfile copies from by name, `made_from` is what they hold, and `bases` are the images it
    is built on. `platform` is another one than this machine's.
    """

    directory: str
    repository: str
    tag: str
    bases: tuple[Image, ...] = ()
    context: Callable[[Layout], Path] | None = None
    contexts: Mapping[str, Callable[[Layout], Path]] = field(default_factory=dict)
    made_from: tuple[str | bytes, ...] = ()
    platform: str = ""

    @property
    def name(self) -> str:
        """The reference that a Dockerfile uses."""
        return f"{self.repository.removeprefix('library/')}:{self.tag}"

    @property
    def dockerfile(self) -> Path:
        """The recipe."""
        return SOURCES / "images" / self.directory / "Dockerfile"

    @property
    def key(self) -> str:
        """The tag under which the hub keeps what exactly this recipe makes."""
        bases = (base.key for base in self.bases)
        return recipe_key(self.dockerfile.read_bytes(), *bases, *self.made_from)

    @property
    def kept(self) -> str:
        """The reference under which the hub keeps it."""
        return f"{HUB.host}/{self.repository}:{self.key}"


def publish(layout: Layout, image: Image, engine: str) -> None:
    """Make the hub serve an image under its tag; build it when this recipe was not built yet."""
    if not registries.has_tag(HUB, image.repository, image.key):
        _build(layout, image, engine)
    registries.add_tag(HUB, image.repository, image.key, image.tag)


def _build(layout: Layout, image: Image, engine: str) -> None:
    """Build and push with the BuildKit in the engine: it needs no image to start from."""
    command = [
        "build",
        "--builder=default",
        "--push",
        "--provenance=false",
        "--network=host",
        f"--tag={image.kept}",
        f"--file={image.dockerfile}",
    ]
    if image.platform:
        command.append(f"--platform={image.platform}")
    for name, find in image.contexts.items():
        command.append(f"--build-context={name}={find(layout)}")
    context = image.context(layout) if image.context else image.dockerfile.parent
    _buildx(layout, engine, *command, str(context))


def publish_index(layout: Layout, engine: str) -> None:
    """Make the hub serve busybox of two platforms under one name."""
    tag = f"--tag={HUB.host}/library/{BOTH_PLATFORMS}"
    _buildx(layout, engine, "imagetools", "create", tag, BUSYBOX.kept, BUSYBOX_ARM64.kept)


def _buildx(layout: Layout, engine: str, *arguments: str) -> None:
    configuration = str(layout.root / "docker-config")
    extra = {"DOCKER_HOST": engine, "DOCKER_CONFIG": configuration, "BUILDX_CONFIG": configuration}
    run([str(golang.build_buildx(layout)), *arguments], extra=extra)


def make_debian_root(layout: Layout) -> Path:
    """Return a directory with `root.tar`, a small Debian that trusts what this machine trusts."""

    def make(directory: Path) -> None:
        configure = f"--customize-hook=copy-in {shlex.quote(str(APT_CONFIG))} /etc/apt/apt.conf.d"
        run([*MMDEBSTRAP, configure, versions.DEBIAN, str(directory / "root.tar"), mirror()])

    return make_once(layout.root / "debian" / recipe_key(*_debian_recipe()), make)


def _debian_recipe() -> tuple[str | bytes, ...]:
    certificates = CERTIFICATES.read_bytes() if CERTIFICATES.exists() else b""
    return (*MMDEBSTRAP, versions.DEBIAN, APT_CONFIG.read_bytes(), certificates)


DEBIAN = Image(
    directory="debian",
    repository="library/debian",
    tag=f"{versions.DEBIAN}-slim",
    context=make_debian_root,
    made_from=_debian_recipe(),
)
PYTHON = Image(directory="python", repository="library/python", tag="3.13-slim", bases=(DEBIAN,))
GOLANG = Image(
    directory="golang",
    repository="library/golang",
    tag="1.26",
    bases=(DEBIAN,),
    contexts={"goroot": lambda _: golang.goroot()},
    made_from=(versions.GO,),
)
NODE = Image(directory="node", repository="library/node", tag="22-slim", bases=(DEBIAN, PYTHON))
BUSYBOX = Image(directory="busybox", repository="library/busybox", tag="1.37", bases=(DEBIAN,))
PAUSE = Image(directory="pause", repository="library/pause", tag="1", bases=(BUSYBOX,))
BUILDX = Image(
    directory="buildx",
    repository="docker/buildx-bin",
    tag=versions.BUILDX,
    contexts={"buildx": lambda layout: golang.build_buildx(layout).parent},
    made_from=(versions.BUILDX, versions.GO),
)
BUILDKIT = Image(
    directory="buildkit",
    repository="moby/buildkit",
    tag=f"v{versions.BUILDKIT}",
    bases=(DEBIAN, BUSYBOX),
    contexts={"buildkit": golang.build_buildkit},
    made_from=(versions.BUILDKIT, versions.GO),
)
BUILDKIT_ROOTLESS = Image(
    directory="buildkit-rootless",
    repository="moby/buildkit",
    tag=f"v{versions.BUILDKIT}-rootless",
    bases=(DEBIAN,),
    contexts={"buildkit": golang.build_buildkit},
    made_from=(versions.BUILDKIT, versions.GO),
)
BUSYBOX_ARM64 = Image(
    directory="busybox-arm64",
    repository="arm64v8/busybox",
    tag="1.37",
    bases=(DEBIAN, BUSYBOX),
    platform="linux/arm64",
)
GITLAB_CI_LOCAL_UTIL = Image(
    directory="gitlab-ci-local-util",
    repository="firecow/gitlab-ci-local-util",
    tag="latest",
    bases=(DEBIAN,),
)
# On Docker Hub too this name has both; busybox:1.37 is this machine's platform alone in the lab.
BOTH_PLATFORMS = "busybox:1.37-glibc"
# Each after the ones it is built on.
IMAGES = (DEBIAN, BUSYBOX, BUILDKIT, PYTHON, GOLANG, BUILDX, NODE)
