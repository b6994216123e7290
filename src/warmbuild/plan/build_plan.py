"""BuildPlan: everything that a build will do, as one value that can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild import csv_attributes
from warmbuild.cache import problems
from warmbuild.frozen import frozen
from warmbuild.inputs import builders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.cache.problems import Problem
    from warmbuild.drivers import Driver
    from warmbuild.finding import Finding
    from warmbuild.inputs.builders import Node
    from warmbuild.inputs.values import Passed, Secret
    from warmbuild.run_context import RunContext


@frozen
class BuilderPlan:
    """The builder to use, and its first node."""

    name: str  # Empty for a builder of this run, which gets a random name
    version: str
    driver: Driver
    driver_opts: tuple[str, ...]
    endpoint: str
    platforms: tuple[str, ...]
    appended: tuple[Node, ...]  # The other nodes
    image_mirrors: tuple[str, ...]
    flags: str
    config: str
    config_inline: str
    state: str  # The input builder-state
    keep_state: bool
    cleanup: bool
    use: bool  # Whether later steps use it by default
    retry_timeout: float  # Seconds to try again to pull its image
    lazy: bool  # Whether its nodes use layers that they have not unpacked
    emulated: tuple[str, ...]  # Platforms that are emulated if no node serves them
    qemu_image: str
    reset: bool  # Whether the emulators of the engine's kernel are uninstalled first

    @property
    def is_fresh(self) -> bool:
        """Whether the builder cannot have built anything before this run."""
        return not self.name and self.driver.starts_daemon

    @property
    def is_one_daemon(self) -> bool:
        """Whether every call reaches the same daemon."""
        replicas = builders.driver_options(self.driver_opts).get("replicas", "1")
        return not self.appended and (not self.driver.in_cluster or replicas == "1")

    @property
    def is_shared(self) -> bool:
        """Whether other jobs may use the builder that this run removes; the engine tells who does.

        warmbuild reaches an engine by its address, and none that only a Docker context names.
        """
        is_reached = not self.endpoint or "://" in self.endpoint
        return bool(self.name) and self.cleanup and self.driver.has_container and is_reached


@frozen
class BuildPlan:
    """The build of one image, decided."""

    run: RunContext
    builder: BuilderPlan
    cache: CachePlan
    context: str
    file: str
    stage: str  # Stage to build; empty for the last one
    platforms: tuple[str, ...]
    build_args: tuple[str, ...]
    labels: tuple[str, ...]
    annotations: tuple[str, ...]
    told_annotations: tuple[str, ...]  # Those that the outputs tell, and not only the image's
    secrets: tuple[Secret, ...]
    tags: tuple[str, ...]  # Full references
    bare_tags: tuple[str, ...]  # Names without an image, if only the names are asked for
    version: str  # Name of the first tag
    push: bool
    load: bool
    pull: bool
    no_cache: bool
    no_cache_filters: tuple[str, ...]
    attests: tuple[str, ...]
    default_attests: tuple[str, ...]
    """Attestations among `attests` that warmbuild adds; dropped if the builder cannot make them."""
    outputs: tuple[str, ...]
    passed: Passed
    build_contexts: tuple[str, ...]
    call: str  # Question that BuildKit answers instead of building, or "build" or empty
    notes: tuple[str, ...]
    times: tuple[tuple[str, str], ...] = ()
    """Attributes by which exports write the same times in each build of a commit."""
    problems: tuple[Problem, ...] = ()  # Problems other than the cache's
    findings: tuple[Finding, ...] = ()  # What the lint rules found
    name: str = ""  # Name of the target, if a bake or compose file defines it
    definition: Mapping[str, object] | None = None  # The target in that file, as buildx resolved it
    linked_file: str = ""  # Copy of the Dockerfile to build from, with `--link` in some steps
    linked: bool = False  # Built only because a requested target depends on it

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user would want to fix before anything was built, each once."""
        return problems.texts((*self.cache.problems, *self.problems))

    @property
    def loads_several(self) -> bool:
        """Whether images of several platforms go into the engine under one name."""
        outputs = (dict(csv_attributes.pairs(entry)) for entry in self.outputs)
        is_loaded = any(one.get("type") == "docker" and "dest" not in one for one in outputs)
        return len(self.platforms) > 1 and (self.load or is_loaded)

    @property
    def makes_an_image(self) -> bool:
        """Whether this is a build, and not a question."""
        return self.call in {"", "build"}
