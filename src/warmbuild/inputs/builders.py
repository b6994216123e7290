"""Reads what builds the image: buildx, the builder with its driver and nodes, emulation.

Inputs are those of docker/setup-buildx-action.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from warmbuild import csv_attributes, lazy
from warmbuild.drivers import DRIVERS
from warmbuild.frozen import frozen
from warmbuild.inputs import checks, lists
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.drivers import Driver
    from warmbuild.inputs import bounded_yaml
    from warmbuild.inputs.reading import Reader
else:
    bounded_yaml = lazy.module("warmbuild.inputs.bounded_yaml")

ALL: Final = "all"
# Names of the builders that belong to one run; `warmbuild cleanup` removes them.
OF_A_RUN: Final = re.compile(r"warmbuild-[0-9a-f]{8}")
_BUILDX_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
# Inputs of docker/setup-buildx-action that have no effect here.
_IDLE: Final = ("install", "cache-binary")
_NODE_KEYS: Final = ("name", "endpoint", "driver-opts", "buildkitd-flags", "platforms")
_ENDPOINT: Final = re.compile(r"[a-z][a-z0-9+-]*://\S+")


@frozen
class Node:
    """One BuildKit daemon of a builder; buildx chooses an empty name or endpoint."""

    name: str = ""
    endpoint: str = ""
    driver_opts: tuple[str, ...] = ()
    flags: str = ""
    platforms: tuple[str, ...] = ()


def driver(reader: Reader) -> Driver:
    """Return the driver, or the default if it is unknown."""
    return DRIVERS.get(reader.choice("driver"), DRIVERS[BY_NAME["driver"].default])


def check(reader: Reader, driver: Driver) -> None:
    """Find inputs that conflict with the builder's driver, or with each other.

    What docker/setup-buildx-action takes and ignores is ignored here too, with a warning.
    """
    for name in driver.ignored:
        reader.ignore(name, f"the daemon of driver '{driver.name}' is {driver.daemon}")
    for name in driver.unsupported:
        if reader.is_set(name):
            reader.bad(name, f"is not supported by driver '{driver.name}'.")
    if why_not := _wrong_endpoint(driver, reader.text("endpoint")):
        reader.bad("endpoint", why_not)
    if reader.text("buildkitd-config"):
        reader.ignore("buildkitd-config-inline", "buildkitd-config is set")
    for name in ("buildkitd-config", "buildkitd-config-inline"):
        if driver.is_engines_own and reader.text(name):
            text = "only tells warmbuild how to reach registries: the daemon of driver "
            reader.warn(name, f"{text}'{driver.name}' is {driver.daemon}")
    if not driver.rewrites_times:
        text = f"an export of driver '{driver.name}' keeps the times of files"
        reader.ignore("reproducible", text)
    is_nameless = not (reader.text("builder") or reader.text("name"))
    if is_nameless and "keep-state" not in driver.unsupported:
        text = "the next run finds a state by the name of its builder; set builder"
        reader.ignore("keep-state", text)
    reader.maybe("cache-image")


def name(reader: Reader) -> str:
    """Return the builder's name, which has two inputs."""
    own, alias = reader.checked("builder"), reader.checked("name")
    for row, given in (("builder", own), ("name", alias)):
        if OF_A_RUN.fullmatch(given):
            text = "has the form of warmbuild's own names, whose builders are removed."
            reader.bad(row, f"{reader.shown(row)} {text}")
    if alias and own not in ("", alias):
        text = f"{reader.shown('name')} conflicts with builder: {own}; set only one of them."
        reader.bad("name", text)
    return own or alias


def version(reader: Reader) -> str:
    """Return the required version of buildx; empty accepts any."""
    value = reader.text("version")
    if value in ("", "latest"):
        return ""
    if not _BUILDX_VERSION.fullmatch(value):
        text = "is not a version such as 0.38.2; warmbuild neither downloads nor builds buildx."
        reader.bad("version", f"{reader.shown('version')} {text}")
    return value.removeprefix("v")


def idle(reader: Reader) -> tuple[str, ...]:
    """Return the inputs that are set and have no effect."""
    return tuple(name for name in _IDLE if reader.maybe(name) is not None)


def nodes(reader: Reader, driver: Driver) -> tuple[Node, ...]:
    """Return the additional nodes: the input `append`, a YAML list."""
    if "append" in driver.unsupported:
        return ()
    items = _yaml(reader, "append")
    if items is None:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        text = "is not a list of nodes; begin each node with a hyphen, such as - endpoint: tcp://…"
        reader.bad("append", text)
        return ()
    return _nodes(reader, "append", items, driver)


def untrusted(reader: Reader, driver: Driver) -> tuple[Node, ...]:
    """Return the nodes for runs that are not trusted: `untrusted-builder`, a YAML mapping or list.

    The name of the first node is that of the builder.
    """
    if "untrusted-builder" in driver.ignored:
        return ()
    given = _yaml(reader, "untrusted-builder")
    if given is None:
        return ()
    items: list[Any] = given if isinstance(given, list) else [given]
    if not items or not all(isinstance(item, dict) and item for item in items):
        text = "is neither a node nor a list of nodes; write endpoint: tcp://… or name: …, or begin"
        reader.bad("untrusted-builder", f"{text} each of several nodes with a hyphen.")
        return ()
    found = _nodes(reader, "untrusted-builder", items, driver)
    if OF_A_RUN.fullmatch(found[0].name):
        text = "has the form of warmbuild's own names, whose builders are removed."
        reader.bad("untrusted-builder", f"the name {found[0].name!r} {text}")
    if driver.in_cluster and _is_one_pool(reader, found[0]):
        text = "leads to the pool of trusted runs; give it another name, or another namespace in "
        reader.bad("untrusted-builder", f"{text}driver-opts.")
    return found


def _is_one_pool(reader: Reader, node: Node) -> bool:
    """Return whether a builder of this name would be the one that the other inputs name."""
    name = reader.text("builder") or reader.text("name")
    ours = driver_options(reader.items("driver-opts"))
    other, theirs = node.name or name, driver_options(node.driver_opts) or ours
    # As buildx names its deployments.
    is_same = name.replace("_", "-") == other.replace("_", "-")
    return bool(name) and is_same and ours.get("namespace") == theirs.get("namespace")


def driver_options(driver_opts: Sequence[str]) -> Mapping[str, str]:
    """Return the options of a driver by their names; buildx reads each line as CSV."""
    return dict(pair for line in driver_opts for pair in csv_attributes.pairs(line))


def _yaml(reader: Reader, name: str) -> object:
    """Return what an input holds as YAML; None if it is empty or malformed."""
    if not reader.text(name):
        return None
    try:
        return bounded_yaml.read(reader.values[name])
    except ValueError as error:
        reader.bad(name, f"{error}.")
        return None


def _nodes(
    reader: Reader, name: str, items: Sequence[Mapping[object, object]], driver: Driver
) -> tuple[Node, ...]:
    """Read the nodes that an input lists, and find what is wrong with them."""

    def bad(number: int, text: str) -> None:
        reader.bad(name, f"node {number}{text}")

    return tuple(_node(item, driver, partial(bad, n)) for n, item in enumerate(items, start=1))


def _node(item: Mapping[object, object], driver: Driver, bad: Callable[[str], None]) -> Node:
    for key in item:
        if key not in _NODE_KEYS:
            bad(f" has the unknown key {key!r}; use {', '.join(_NODE_KEYS)}.")
    found = Node(
        name=_text(item.get("name")),
        endpoint=_text(item.get("endpoint")),
        driver_opts=_listed(item.get("driver-opts"), lists.raw_lines),
        flags=_text(item.get("buildkitd-flags")),
        platforms=_listed(item.get("platforms"), lists.words),
    )
    checked = [(found.name, checks.builder)] if found.name else []
    checked += [(opt, checks.pair) for opt in found.driver_opts]
    checked += [(platform, checks.platform) for platform in found.platforms]
    for text, check_of in checked:
        if wrong := check_of(text):
            bad(f": {text!r} {wrong}")
    if why_not := _wrong_endpoint(driver, found.endpoint):
        bad(f": endpoint {why_not}")
    if found.flags and not driver.starts_daemon:
        bad(f": buildkitd-flags is not supported by driver '{driver.name}'.")
    return found


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _listed(value: object, split: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    """Return the items of a YAML list, or of a text that lists them as inputs do."""
    return tuple(map(_text, value)) if isinstance(value, list) else split(_text(value))


def _wrong_endpoint(driver: Driver, endpoint: str) -> str:
    match driver.endpoint:
        case "required" if not endpoint:
            return f"is missing: driver '{driver.name}' needs the address of a BuildKit daemon."
        case "required" if not _ENDPOINT.fullmatch(endpoint):
            return (
                f"{endpoint!r} is not an address of a BuildKit daemon; use tcp://HOST:PORT or "
                "unix:///path/to/socket, for example."
            )
        case "not supported" if endpoint:
            return f"is not supported by driver '{driver.name}', which has an endpoint of its own."
        case _ if endpoint and (wrong := checks.endpoint(endpoint)):
            return f"{endpoint!r} {wrong}"
    return ""
