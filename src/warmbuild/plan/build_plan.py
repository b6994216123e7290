"""BuildPlan: everything that a build will do, as one value that can be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.drivers import Driver
    from warmbuild.finding import Finding
    from warmbuild.inputs.nodes import Node
    from warmbuild.inputs.values import Secret
    from warmbuild.run_context import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderPlan:
    """The builder to use; an empty name means one of this run, under a name of its own.

    Its first node is described here, the others are `appended`. `emulated` are platforms that are
    emulated where no node serves them.
    """

    name: str
    version: str
    driver: Driver
    driver_opts: tuple[str, ...]
    endpoint: str
    platforms: tuple[str, ...]
    appended: tuple[Node, ...]
    image_mirrors: tuple[str, ...]
    flags: str
    config: str
    config_inline: str
    keep_state: bool
    cleanup: bool
    emulated: tuple[str, ...]
    qemu_image: str

    @property
    def is_fresh(self) -> bool:
        """Whether nothing can have been built with it before this run."""
        return not self.name and self.driver.starts_daemon


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The build of one image, decided; `tags` are full references, `findings` are the lints'.

    `version` is the name of the first tag.

    Several are built in one call where a file says what is built: `name` is the target's name
    there and `definition` what the file says of it. One that is `linked` is built because others
    are made of it.

    `attests` are all attestations of the image, `unasked` those of them that nobody asked for. With
    a `call` there is no image: BuildKit answers a question.
    """

    run: RunContext
    builder: BuilderPlan
    cache: CachePlan
    context: str
    file: str
    target: str
    platforms: tuple[str, ...]
    build_args: tuple[str, ...]
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    secrets: tuple[Secret, ...]
    tags: tuple[str, ...]
    version: str
    push: bool
    load: bool
    pull: bool
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    attests: tuple[str, ...]
    unasked: tuple[str, ...]
    outputs: tuple[str, ...]
    add_hosts: tuple[str, ...]
    allow: tuple[str, ...]
    build_contexts: tuple[str, ...]
    call: str
    cgroup_parent: str
    network: str
    shm_size: str
    ssh: tuple[str, ...]
    ulimit: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    name: str = ""
    definition: Mapping[str, object] | None = None
    linked: bool = False

    @property
    def makes_an_image(self) -> bool:
        """Whether this is a build, and not a question."""
        return self.call in {"", "build"}
