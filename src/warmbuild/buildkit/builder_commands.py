"""The commands of buildx that create, inspect and remove a builder."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild import csv_attributes
from warmbuild.buildkit import command_line
from warmbuild.cluster import pool
from warmbuild.frozen import frozen
from warmbuild.inputs.builders import Node
from warmbuild.plan.laziness import SNAPSHOTTER, STARGZ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.plan.build_plan import BuilderPlan

# Tells the container of a builder that its last run removes from one that is to stay.
TEMPORARY: Final = "WARMBUILD_TEMPORARY=true"
# Has containerd unpack layers itself, not by the program unpigz, which BuildKit's image has. On few
# processors the two get in each other's way (docs/speed.md has the figures).
_OWN_GZIP: Final = "env.CONTAINERD_DISABLE_PIGZ=1"
_FEW_PROCESSORS: Final = 2
# Names the configuration of a daemon.
_CONFIG: Final = "--config"


@frozen
class Own:
    """What a run adds to the plan of its builder."""

    name: str
    config: str = ""  # file for buildkitd
    endpoint: str = ""  # context of the first node, if the plan has none
    is_held: bool = False  # whether its nodes begin without pods
    in_memory: bool = False  # whether its state is lost when its container ends
    processors: int = 0  # of this machine
    # Files, by the index of their node and the name of the driver option.
    certificates: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def creation(builder: BuilderPlan, own: Own, *, mirror: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that create a builder, one a node; the last one boots all nodes.

    `mirror` is an image to use instead of the nodes' own, or empty.
    """
    first = Node(
        endpoint=builder.endpoint or own.endpoint,
        driver_opts=builder.driver_opts,
        flags=builder.flags,
        platforms=builder.platforms,
    )
    commands: list[tuple[str, ...]] = []
    for index, node in enumerate((first, *builder.appended)):
        argv = ["create", "--name", own.name]
        argv += ["--append"] if index else ["--driver", builder.driver.name]
        argv += command_line.maybe("--node", node.name)
        files = own.certificates.get(index, {}).items()
        # buildx takes the last of several values, so an option of the user's own wins.
        is_narrow = own.in_memory and own.processors <= _FEW_PROCESSORS
        options = [_OWN_GZIP] if is_narrow else []
        options += [*node.driver_opts, *(csv_attributes.quoted(f"{k}={path}") for k, path in files)]
        options += [f"env.{TEMPORARY}"] if builder.is_shared else []
        # Without its state a daemon need not start again, and its memory stays free.
        options += ["restart-policy=no"] if own.in_memory else []
        # buildx takes the last of several images, and the last number of replicas.
        options += [f"image={mirror}"] if mirror else []
        options += [pool.HELD] if own.is_held else []
        argv += command_line.each("--driver-opt", options)
        config = own.config if builder.driver.starts_daemon else ""
        flags = _flags(builder, node, is_configured=bool(config))
        argv += command_line.maybe("--buildkitd-flags", flags)
        argv += command_line.maybe("--platform", ",".join(node.platforms))
        argv += command_line.maybe("--buildkitd-config", config)
        argv += ["--bootstrap"] if index == len(builder.appended) else []
        commands.append((*argv, node.endpoint) if node.endpoint else tuple(argv))
    return tuple(commands)


def _flags(builder: BuilderPlan, node: Node, *, is_configured: bool) -> str:
    """Return the flags of a node's daemon; what they name stays."""
    flags = [node.flags] if node.flags else []
    if builder.lazy and SNAPSHOTTER not in node.flags:
        flags.append(f"{SNAPSHOTTER}={STARGZ}")
    is_rootless = builder.driver.in_cluster and pool.is_rootless(node.driver_opts)
    if is_rootless and is_configured and _CONFIG not in node.flags:
        # Without root, BuildKit v0.34.2 looks below its home directory, where buildx puts nothing.
        flags.append(f"{_CONFIG}={pool.CONFIGURATION}/buildkitd.toml")
    return " ".join(flags)


def remove(name: str, *, keep_state: bool) -> tuple[str, ...]:
    """Return the arguments that remove a builder and its containers, and their volumes or not."""
    return ("rm", "--force", *(["--keep-state"] if keep_state else []), name)


def forget(name: str) -> tuple[str, ...]:
    """Return the arguments that remove a builder from buildx's state alone."""
    return ("rm", "--force", "--keep-daemon", name)


def forget_mounts() -> tuple[str, ...]:
    """Return the arguments that remove the content of all cache mounts."""
    return ("prune", "--force", "--all", "--filter=type=exec.cachemount")


def left_mounts() -> tuple[str, ...]:
    """Return the arguments that print the cache mounts there are; see `has_mounts`."""
    return ("du", "--verbose", "--filter=type=exec.cachemount")


def has_mounts(said: str) -> bool:
    """Return whether `left_mounts` has printed a cache mount."""
    return any(line.startswith("ID:") for line in said.splitlines())


def inspect(name: str, *, bootstrap: bool) -> tuple[str, ...]:
    """Return the arguments that print a builder, after its nodes are started or not."""
    return ("inspect", *(["--bootstrap"] if bootstrap else []), name)
