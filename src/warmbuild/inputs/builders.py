"""Reads what builds the image: buildx, the builder with its driver and nodes, emulation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import platforms
from warmbuild.drivers import DRIVERS
from warmbuild.inputs import nodes
from warmbuild.inputs.reading import TRUE
from warmbuild.inputs.table import BY_NAME

if TYPE_CHECKING:
    from warmbuild.drivers import Driver
    from warmbuild.inputs.nodes import Node
    from warmbuild.inputs.reading import Reader

_BUILDER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_BUILDX_VERSION: Final = re.compile(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
# What docker/setup-buildx-action has, and has no meaning in a run of its own.
_IDLE: Final = ("use", "install", "cache-binary")


def driver(reader: Reader) -> Driver:
    """Return the driver; an unknown one is reported, and the default stands for it."""
    return DRIVERS.get(reader.choice("driver"), DRIVERS[BY_NAME["driver"].default])


def check(reader: Reader, driver: Driver) -> None:
    """Find what is no builder's name, and what does not go with the builder's driver."""
    for name in ("builder", "name"):
        if reader.text(name) and not _BUILDER.fullmatch(reader.text(name)):
            reader.bad(
                name,
                f"{reader.shown(name)} is not a builder's name; it begins with a letter, "
                "and letters, digits and . _ - follow.",
            )
    if reader.text("name") and reader.text("builder") not in ("", reader.text("name")):
        text = f"{reader.shown('name')} is given, and builder: {reader.text('builder')}; give one."
        reader.bad("name", text)
    for name in driver.unsupported:
        if reader.text(name) != BY_NAME[name].default:
            reader.bad(name, f"is of no use to the driver {driver.name}.")
    if why_not := nodes.misfit(driver, reader.text("endpoint")):
        reader.bad("endpoint", why_not)
    if reader.text("buildkitd-config") and reader.text("buildkitd-config-inline"):
        reader.bad("buildkitd-config-inline", "is given, and buildkitd-config too; give one.")
    if reader.text("keep-state") in TRUE and not name_of(reader):
        reader.bad("keep-state", "needs a name: the next run finds the state by it.")


def name_of(reader: Reader) -> str:
    """Return the builder's name; it has two inputs."""
    return reader.text("builder") or reader.text("name")


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


def image_mirrors(reader: Reader) -> tuple[str, ...]:
    """Return the BuildKit images to try."""
    items = reader.items("buildkit-image-mirrors")
    for item in items:
        reader.reference("buildkit-image-mirrors", item)
    return items


def idle(reader: Reader) -> tuple[str, ...]:
    """Return the inputs that are given and do nothing."""
    return tuple(name for name in _IDLE if reader.maybe(name) is not None)


def emulated(reader: Reader) -> tuple[str, ...]:
    """Return the platforms to emulate."""
    items = reader.items("qemu-platforms")
    for item in items:
        if not platforms.is_platform(item):
            reader.bad(
                "qemu-platforms",
                f"{item!r} is no platform; use a processor or os/arch, such as arm64, or all.",
            )
    return items


def emulator_image(reader: Reader) -> str:
    """Return the image that has the emulators."""
    name = reader.text("qemu-image")
    reader.reference("qemu-image", name)
    return name
