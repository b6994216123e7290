"""Reads what builds the image: buildx, the builder with its driver and nodes, emulation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild.drivers import DRIVERS
from warmbuild.inputs import nodes
from warmbuild.inputs.reading import TRUE
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from warmbuild.drivers import Driver
    from warmbuild.inputs.nodes import Node
    from warmbuild.inputs.reading import Reader

_BUILDX_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
# What docker/setup-buildx-action has, and has no meaning in a run of its own.
_IDLE: Final = ("use", "install", "cache-binary")


def driver(reader: Reader) -> Driver:
    """Return the driver; an unknown one is reported, and the default stands for it."""
    return DRIVERS.get(reader.choice("driver"), DRIVERS[BY_NAME["driver"].default])


def check(reader: Reader, driver: Driver) -> None:
    """Find what does not go with the builder's driver, or with one another."""
    for name in driver.unsupported:
        if reader.text(name) != BY_NAME[name].default:
            reader.bad(name, f"is of no use to the driver {driver.name}.")
    if why_not := nodes.misfit(driver, reader.text("endpoint")):
        reader.bad("endpoint", why_not)
    if reader.text("buildkitd-config") and reader.text("buildkitd-config-inline"):
        reader.bad("buildkitd-config-inline", "is given, and buildkitd-config too; give one.")
    if reader.text("keep-state") in TRUE and not (reader.text("builder") or reader.text("name")):
        reader.bad("keep-state", "needs a name: the next run finds the state by it.")


def name(reader: Reader) -> str:
    """Return the builder's name; it has two inputs."""
    own, other = reader.checked("builder"), reader.checked("name")
    if other and own not in ("", other):
        reader.bad("name", f"{reader.shown('name')} is given, and builder: {own}; give one.")
    return own or other


def version(reader: Reader) -> str:
    """Return the version that buildx has to have; empty for any."""
    value = reader.text("version")
    if value in ("", "latest"):
        return ""
    if not _BUILDX_VERSION.fullmatch(value):
        reader.bad(
            "version",
            f"{reader.shown('version')} is no version such as 0.36.1, and nothing is downloaded "
            "or built.",
        )
    return value.removeprefix("v")


def appended(reader: Reader, driver: Driver) -> tuple[Node, ...]:
    """Return the further nodes of the builder."""
    if not reader.text("append") or "append" in driver.unsupported:
        return ()
    return nodes.read(reader.values["append"], driver, lambda text: reader.bad("append", text))


def idle(reader: Reader) -> tuple[str, ...]:
    """Return the inputs that are given and do nothing."""
    return tuple(name for name in _IDLE if reader.maybe(name) is not None)
