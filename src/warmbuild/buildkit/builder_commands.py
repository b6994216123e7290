"""The commands of buildx that make, inspect and remove a builder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warmbuild import csv_attributes
from warmbuild.buildkit import command_line
from warmbuild.inputs.builders import Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.plan.build_plan import BuilderPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a run adds to the plan of its builder.

    `config` is a file, and `endpoint` a context for the first node where the plan has none; both
    may be empty. `certificates` are files, by a node's number and what its driver calls them.
    """

    name: str
    config: str = ""
    endpoint: str = ""
    certificates: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


def creation(builder: BuilderPlan, own: Own, *, mirror: str) -> tuple[tuple[str, ...], ...]:
    """Return the commands that make a builder, one a node; the last one boots them all.

    `mirror` is an image that takes the place of the nodes' own, or empty.
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
        argv += command_line.each("--driver-opt", node.driver_opts)
        files = own.certificates.get(index, {})
        argv += command_line.each(
            "--driver-opt",
            (csv_attributes.quoted(f"{kind}={path}") for kind, path in files.items()),
        )
        # The last one counts.
        argv += command_line.maybe("--driver-opt", f"image={mirror}" if mirror else "")
        argv += command_line.maybe("--buildkitd-flags", node.flags)
        argv += command_line.maybe("--platform", ",".join(node.platforms))
        argv += command_line.maybe(
            "--buildkitd-config", own.config if builder.driver.starts_daemon else ""
        )
        argv += ["--bootstrap"] if index == len(builder.appended) else []
        commands.append((*argv, node.endpoint) if node.endpoint else tuple(argv))
    return tuple(commands)


def remove(name: str, *, keep_state: bool) -> tuple[str, ...]:
    """Return the arguments that remove a builder with its containers, and with their volumes."""
    return ("rm", "--force", *(["--keep-state"] if keep_state else []), name)


def inspect(name: str, *, bootstrap: bool) -> tuple[str, ...]:
    """Return the arguments that ask for a builder's nodes, which are started for it or not."""
    return ("inspect", *(["--bootstrap"] if bootstrap else []), name)
