"""Reads what buildx prints about itself and about builders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

# The first with `--progress=rawjson` as one event a line (docker/buildx#2358).
OLDEST: Final = (0, 15, 0)
_PULLING: Final = re.compile(r"^#\d+ pulling image (\S+)", re.MULTILINE)
_DRIVER_OPTION: Final = re.compile(r'(?<!\S)([^\s="]+)="([^"]*)"')
_VERSION: Final = re.compile(r"\bv?([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")


@frozen
class Boot:
    """What `buildx create --bootstrap` says it did."""

    up: bool
    image: str  # the image that it pulled or tried to pull, or empty
    local: bool  # whether buildx used the engine's copy after a failed pull; it prints no reason
    container: bool  # whether it created a container
    error: str
    output: str

    @property
    def unpulled(self) -> bool:
        """Whether the boot failed because the image could not be pulled."""
        return bool(self.image) and not self.up and not self.container


@frozen
class Running:
    """A node of a builder; the names are those of docker/setup-buildx-action.

    `chosen` are the platforms that the user set for it; it may serve more.
    """

    name: str
    endpoint: str
    driver_opts: tuple[str, ...]
    status: str
    flags: str
    buildkit: str
    platforms: tuple[str, ...]
    chosen: tuple[str, ...] = ()

    @property
    def meant_for(self) -> tuple[str, ...]:
        """The platforms that the user set, or else all that the node serves."""
        return self.chosen or self.platforms


@frozen
class Inspected:
    """A builder as `buildx inspect` prints it."""

    name: str = ""
    driver: str = ""
    nodes: tuple[Running, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms of all nodes, each once."""
        return tuple(dict.fromkeys(one for node in self.nodes for one in node.platforms))

    @property
    def meant_for(self) -> tuple[str, ...]:
        """The platforms that the nodes are meant for, each once."""
        return tuple(dict.fromkeys(one for node in self.nodes for one in node.meant_for))


def inspected(text: str) -> Inspected:
    """Read the output of `inspect`: fields of the builder, then of each node from its Name on."""
    head, _, rest = text.partition("\nNodes:\n")
    found = dict(map(_field, head.splitlines()))
    nodes: list[dict[str, str]] = []
    for name, value in map(_field, rest.splitlines()):
        if name == "Name":
            nodes.append({})
        if nodes:
            nodes[-1].setdefault(name, value)
    return Inspected(
        name=found.get("Name", ""),
        driver=found.get("Driver", ""),
        nodes=tuple(map(_running, nodes)),
    )


def _field(line: str) -> tuple[str, str]:
    # An indented line belongs to a list that nothing here reads; its name stays indented.
    name, _, value = line.partition(":")
    return name, value.strip()


def _running(fields: Mapping[str, str]) -> Running:
    options = _DRIVER_OPTION.findall(fields.get("Driver Options", ""))
    platforms = [one.strip() for one in fields.get("Platforms", "").split(",") if one.strip()]
    return Running(
        name=fields["Name"],
        endpoint=fields.get("Endpoint", ""),
        driver_opts=tuple(f"{name}={text}" for name, text in options),
        status=fields.get("Status", ""),
        flags=fields.get("BuildKit daemon flags", ""),
        buildkit=fields.get("BuildKit version", ""),
        platforms=tuple(one.removesuffix("*") for one in platforms),
        # A star marks a platform that the user set.
        chosen=tuple(one.removesuffix("*") for one in platforms if one.endswith("*")),
    )


def error(output: str) -> str:
    """Return the last error that buildx printed, or an empty text."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""


def boot(output: str, *, up: bool) -> Boot:
    """Read the output of `create --bootstrap`."""
    pulling = _PULLING.search(output)
    return Boot(
        up=up,
        image=pulling[1] if pulling else "",
        local="using local image " in output,
        container="creating container " in output,
        error=error(output).removeprefix("Error response from daemon: "),
        output=output,
    )


def version(text: str) -> tuple[int, int, int] | None:
    """Read the output of `buildx version`, `github.com/docker/buildx v0.38.2 1a2b3c`."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
