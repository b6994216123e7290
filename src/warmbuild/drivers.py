"""The drivers of a builder, one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Driver:
    """A driver of buildx."""

    name: str  # Value of the input `driver`, and of buildx's `--driver`
    description: str = ""  # How a plan describes a builder without a name; empty: by its endpoints
    starts_daemon: bool = False  # buildx starts the daemon: its image and flags can be chosen
    runs_on_engine: bool = False  # The daemon runs on a Docker engine, which has to be up before
    is_engines_own: bool = False  # The daemon is part of the engine; buildx creates no builder
    in_cluster: bool = False  # The daemon is a pod, of which the API of a cluster tells
    connects: bool = False  # The daemon runs already, and stays when the builder is removed
    endpoint: Literal["optional", "required", "not supported"] = "not supported"
    """Whether the builder takes an endpoint; a required one is a daemon's address."""
    takes_certificates: bool = False  # Client certificates can be given for a node
    needs_image_store: bool = False
    """Multiple platforms and caches outside of the image need the containerd image store."""
    has_attestations: bool = True  # Images can have attestations
    rewrites_times: bool = True  # An export can write other times than the builder's files have
    unsupported: tuple[str, ...] = ()  # Inputs that ask for what the driver cannot do
    daemon: str = ""  # What its daemon is, as the reason why inputs are ignored
    ignored: tuple[str, ...] = ()  # Inputs that choose what the driver has already

    @property
    def has_container(self) -> bool:
        """Whether the daemon is a container of the engine, which can be restarted."""
        return self.starts_daemon and self.runs_on_engine


# Inputs for a container that buildx creates, and that this machine may hold.
_OF_A_CONTAINER: Final = ("buildkit-image-mirrors", "builder-state")

DRIVERS: Final[Mapping[str, Driver]] = {
    driver.name: driver
    for driver in (
        Driver(
            name="docker-container",
            description="a docker-container builder of this run",
            starts_daemon=True,
            runs_on_engine=True,
            endpoint="optional",
        ),
        Driver(
            name="docker",
            description="the engine's own",
            runs_on_engine=True,
            is_engines_own=True,
            needs_image_store=True,
            has_attestations=False,
            # The engine's own exporter cannot, and that into the containerd image store refuses to
            # before BuildKit 0.34 (`rewrite-timestamp` conflicts with `unpack`).
            rewrites_times=False,
            unsupported=("keep-state", "append", "lazy"),
            daemon="the engine's own",
            ignored=(
                *("name", "driver-opts", "endpoint", "node-platforms", "buildkitd-flags"),
                "untrusted-builder",
                *_OF_A_CONTAINER,
            ),
        ),
        Driver(
            name="remote",
            connects=True,
            endpoint="required",
            takes_certificates=True,
            unsupported=("buildkitd-flags", "keep-state"),
            daemon="running already",
            ignored=_OF_A_CONTAINER,
        ),
        Driver(
            name="kubernetes",
            description="a kubernetes builder of this run",
            starts_daemon=True,
            in_cluster=True,
            unsupported=("keep-state",),
            daemon="a pod",
            ignored=_OF_A_CONTAINER,
        ),
    )
}
