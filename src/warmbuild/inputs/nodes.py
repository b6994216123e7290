"""The nodes of a builder as they are asked for: the input `append`, platforms, certificates.

As docker/setup-buildx-action has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warmbuild import lazy
from warmbuild.inputs import lists
from warmbuild.platforms import PATTERN

if TYPE_CHECKING:
    # Takes what is wrong, as a sentence about the input that is read.
    from collections.abc import Callable, Mapping

    import yaml

    from warmbuild.drivers import Driver

    Bad = Callable[[str], None]
else:
    yaml = lazy.module("yaml")

_KEYS: Final = ("name", "endpoint", "driver-opts", "buildkitd-flags", "platforms")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_OPTION: Final = re.compile(r"[^=\s]+=.*", re.DOTALL)
_ENDPOINT: Final = re.compile(r"[a-z][a-z0-9+-]*://\S+")
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One BuildKit daemon of a builder; an empty name or endpoint leaves it to buildx."""

    name: str = ""
    endpoint: str = ""
    driver_opts: tuple[str, ...] = ()
    flags: str = ""
    platforms: tuple[str, ...] = ()


def read(text: str, driver: Driver, bad: Bad) -> tuple[Node, ...]:
    """Read the input `append`, a YAML list of nodes; what is wrong goes to `bad`."""
    try:
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        bad(f"is not YAML{f', at line {mark.line + 1}' if mark else ''}.")
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        bad("is no list of nodes; each one begins with a hyphen, such as - endpoint: tcp://…")
        return ()
    return tuple(_node(number, item, driver, bad) for number, item in enumerate(items, start=1))


def _node(number: int, item: Mapping[object, object], driver: Driver, bad: Bad) -> Node:
    for key in item:
        if key not in _KEYS:
            bad(f"node {number} has {key!r}; a node has {', '.join(_KEYS)}.")
    name, endpoint = (_text(item.get(key)) for key in ("name", "endpoint"))
    if name and not _NAME.fullmatch(name):
        bad(f"node {number}: {name!r} is no name of a node.")
    if why_not := misfit(driver, endpoint):
        bad(f"node {number}: endpoint {why_not}")
    opts = _listed(item.get("driver-opts"), lists.raw_lines)
    for opt in opts:
        if not _OPTION.fullmatch(opt):
            bad(f"node {number}: {opt!r} is not of the form name=value.")
    platforms = _listed(item.get("platforms"), lists.words)
    for platform in platforms:
        if not PATTERN.fullmatch(platform):
            bad(f"node {number}: {platform!r} is no platform; use os/arch, such as linux/arm64.")
    flags = _text(item.get("buildkitd-flags"))
    if flags and not driver.starts_daemon:
        bad(f"node {number}: buildkitd-flags is of no use, for its daemon runs already.")
    return Node(name=name, endpoint=endpoint, driver_opts=opts, flags=flags, platforms=platforms)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _listed(value: object, split: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """Return the items of a YAML list, or of a text that lists them as inputs do."""
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return split(_text(value))


def misfit(driver: Driver, endpoint: str) -> str:
    """Say what is wrong with an endpoint for a driver; empty where nothing is."""
    match driver.endpoint:
        case "required" if not endpoint:
            return f"is missing: the driver {driver.name} needs the address of a BuildKit daemon."
        case "required" if not _ENDPOINT.fullmatch(endpoint):
            return (
                f"{endpoint!r} is no address of a BuildKit daemon; use one such as "
                "tcp://HOST:PORT or unix:///path/to/socket."
            )
        case "not supported" if endpoint:
            return f"is of no use to the driver {driver.name}, which has its place already."
    return ""
