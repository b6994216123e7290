"""Decides where a builder of one run keeps its state: in memory, or on the engine's disk.

A fresh builder unpacks each layer that a step builds upon. On a disk that takes several times as
long as in memory (docs/speed.md), and nothing needs the state after the run. All sizes are bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import sizes
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan

_GB: Final = 1000**3
# The least that a state in memory may grow to.
_LEAST: Final = _GB // 16
# The least if there is no cache, or if the size of the cache is unknown. Few images need more, and
# a build that runs out of memory begins again.
_LEAST_UNKNOWN: Final = 3 * _GB
# Memory that a layer takes, compressed and unpacked, by its compressed size. Layers of Python, Go
# and Node images unpack to 2.5 to 3.5 times that.
_UNPACKED: Final = 5
# The part of the machine's memory below which what is available may not fall.
_RESERVE: Final = 20
# The part of its size from which a state counts as full.
_FULL: Final = 0.95
# What a step prints, or BuildKit, if there is no room or no memory.
_FULL_SIGNS: Final = ("no space left on device", "disk quota exceeded", "errno 28")
_KILLED_SIGNS: Final = (
    *("exit code: 137", "exit code: 135", "signal: killed", "cannot allocate memory"),
    # The daemon itself has ended.
    *("error reading from server", "connection error: desc = ", "transport is closing"),
)


@frozen
class Memory:
    """The memory of this machine at one moment."""

    total: int
    available: int  # What processes can get without swapping
    in_files: int  # What file systems in memory hold


def planned(plans: Sequence[BuildPlan]) -> BuilderPlan:
    """Return the builder of a run; if it reads no cache, the size of its state is unknown."""
    builder = plans[0].builder
    reads = any(plan.cache.read or plan.cache.sources for plan in plans)
    return builder if reads or builder.state != "auto" else replace(builder, state="disk")


def obstacle(plan: BuilderPlan, *, is_near: bool) -> str:
    """Return why a builder's state has to be on disk, or an empty text.

    `is_near` is whether the engine may run on this machine.
    """
    limits = (
        opt.strip('" ').partition("=")[0] for line in plan.driver_opts for opt in line.split(",")
    )
    is_elsewhere = plan.endpoint or not (is_near and plan.driver.has_container)
    reasons = (
        (plan.name, "a builder with a name may be used by others"),
        (not plan.cleanup, "cleanup is off, so the builder stays"),
        (plan.appended, "the builder has several nodes"),
        (is_elsewhere, "the engine is not known to run on this machine"),
        (not {"memory", "memory-swap"}.isdisjoint(limits), "driver-opts limits its memory"),
    )
    return next((why for holds, why in reasons if holds), "")


def share(memory: Memory, promised: Iterable[int]) -> int:
    """Return what one more state may take: half of what is free.

    `promised` are the sizes of other states, which may not have grown to them yet.
    """
    unfilled = max(0, sum(promised) - memory.in_files)
    return max(0, memory.available - unfilled) // 2


def is_overdrawn(memory: Memory, own: int, promised: Iterable[int]) -> bool:
    """Return whether more is promised than there is, which happens to states of the same moment.

    `promised` are the sizes of the others. What is available may have fallen since; the build is
    watched for that.
    """
    return own + sum(promised) > memory.total


def too_small(size: int) -> str:
    """Return why a share is not enough for any state, or an empty text."""
    if size >= _LEAST:
        return ""
    return (
        f"half of the free memory is {sizes.shown(size)}, and a state needs {sizes.shown(_LEAST)}"
    )


def misfit(size: int, wanted: str, need: int | None) -> str:
    """Return why caches do not fit into a state of this size, or an empty text.

    `wanted` is the input builder-state, and `need` what the caches take, None if it is unknown.
    """
    if wanted != "auto":
        return ""
    if need is None:
        if size >= _LEAST_UNKNOWN:
            return ""
        return (
            f"no cache shows how large it will be, and its share of memory is {sizes.shown(size)}"
        )
    if need <= size:
        return ""
    return (
        f"the caches take about {sizes.shown(need)}, and its share of memory is {sizes.shown(size)}"
    )


def need(plans: Sequence[BuildPlan], mounts: int = 0, *, unpacks: bool = True) -> int | None:
    """Return what the caches of a run take unpacked, by their manifests; None if unknown.

    `mounts` is what restored cache mounts take. `unpacks` tells whether any layer will be unpacked.
    """
    if not unpacks:
        return mounts
    layers: dict[str, int] = {}
    for plan in plans:
        for read in plan.cache.read:
            if read.found is None:
                return None
            layers |= read.found.blobs
        if plan.cache.sources:
            return None
    return sum(layers.values()) * _UNPACKED + mounts if layers else None


def is_short(memory: Memory, before: Memory) -> bool:
    """Return whether memory runs out, and the states have grown by enough to matter.

    `before` is the memory when the build began.
    """
    reserve = memory.total // _RESERVE
    return memory.available < reserve and memory.in_files - before.in_files > reserve


def is_full(size: int, grown: int) -> bool:
    """Return whether a state that may take `size` is full; file systems have grown by `grown`."""
    return grown >= size * _FULL


def ran_out(said: Iterable[str], *, was_full: bool) -> str:
    """Return why a failed build lacked room in memory, or an empty text if it did not.

    `said` are its error and the last lines of its step.
    """
    lines = [line.lower() for line in said]
    if was_full or any(sign in line for line in lines for sign in _FULL_SIGNS):
        return "the builder's state does not fit into its share of memory"
    if any(sign in line for line in lines for sign in _KILLED_SIGNS):
        return "a step was killed, perhaps for lack of memory"
    return ""
