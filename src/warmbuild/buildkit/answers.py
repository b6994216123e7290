"""What buildx prints of itself and of builders, read back as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# The first with `--progress=rawjson` a line an event (docker/buildx#2358).
OLDEST: Final = (0, 15, 0)
_PULLING: Final = re.compile(r"^#\d+ pulling image (\S+)", re.MULTILINE)
# How `inspect` prints the options of a driver.
_OPTIONS: Final = "Driver Options"
_OPTION: Final = re.compile(r'(\S+?)="([^"]*)"')
_VERSION: Final = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What `buildx create --bootstrap` says it did.

    `image` is what it wanted to pull, and empty where it did not come so far. One that could not
    be pulled is `local` where buildx took the engine's own copy instead, and says no word of why.
    """

    up: bool
    image: str
    local: bool
    container: bool
    error: str
    output: str

    @property
    def unpulled(self) -> bool:
        """Whether the image was all that was missing."""
        return bool(self.image) and not self.up and not self.container


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A node of a builder as buildx finds it; names as docker/setup-buildx-action has them."""

    name: str
    endpoint: str
    driver_opts: tuple[str, ...]
    status: str
    flags: str
    buildkit: str
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A builder as buildx finds it."""

    name: str = ""
    driver: str = ""
    nodes: tuple[Running, ...] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """What its nodes are for, each once."""
        return tuple(dict.fromkeys(one for node in self.nodes for one in node.platforms))


def inspected(text: str) -> Inspected:
    """Read what `inspect` printed: fields of the builder, then those of each node after a Name."""
    head, _, rest = text.partition("\nNodes:\n")
    found = dict(_field(line) for line in head.splitlines())
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
    # What is indented belongs to a list, and is not asked for.
    name, _, value = line.partition(":")
    return name, value.strip()


def _running(fields: Mapping[str, str]) -> Running:
    def value(name: str) -> str:
        return fields.get(name, "")

    # A star marks a platform that was asked for.
    platforms = [one.strip().rstrip("*") for one in value("Platforms").split(",")]
    return Running(
        name=value("Name"),
        endpoint=value("Endpoint"),
        driver_opts=tuple(f"{name}={text}" for name, text in _OPTION.findall(value(_OPTIONS))),
        status=value("Status"),
        flags=value("BuildKit daemon flags"),
        buildkit=value("BuildKit version"),
        platforms=tuple(one for one in platforms if one),
    )


def error(output: str) -> str:
    """Return the last error that buildx printed, or nothing."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""


def boot(output: str, *, up: bool) -> Boot:
    """Read what `create` printed."""
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
    """Read what `buildx version` prints, such as `github.com/docker/buildx v0.36.1 1a2b3c`."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
