"""Keeps the state of a builder of one run in memory while there is room, otherwise on disk.

buildx's driver mounts the volume `buildx_buildkit_<builder>0_state` where the daemon keeps its
state, and uses a volume of that name that exists already: here a file system in memory (tmpfs).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import signals, whole_numbers
from warmbuild.builder import engine_calls, leftovers, owner, state
from warmbuild.builder.state import Memory
from warmbuild.errors import EngineError
from warmbuild.files import read_text

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from warmbuild.builder.engine_calls import Address
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan
    from warmbuild.process import Running

_MEMORY: Final = "/proc/meminfo"
# The limit of this process's own container, by the version of control groups.
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# Identifies the running kernel, also inside a container.
_KERNEL: Final = "/proc/sys/kernel/random/boot_id"
# Runs in the builder's container while this process is connected, however this process ends. Then
# it ends the daemon, which stops at once only at the third signal, and the memory is free.
_WATCH: Final = f"cat {_KERNEL}; cat; kill 1; sleep 1; kill 1; kill 1"
# Seconds between two looks at the memory, and at a container that is to start.
_GLANCE: Final = 0.2
_START_GLANCE: Final = 0.08
# Seconds that the engine may take for a step of what happens here; its disk may be busy.
_PATIENCE: Final = 30.0
# Bytes of what the watch says, and of its file: the kernel refuses to read megabytes of that.
_MOST_SAID: Final = 4096
_UNSEEN: Final = "its container was not seen to start"
# A younger volume may belong to a container that is being created.
_YOUNG: Final = timedelta(minutes=1)


class Guard:
    """What became of the memory while a command ran."""

    def __init__(self, size: int) -> None:
        """Watch a state that may take `size` bytes; 0 is a state on disk."""
        self.ran_short = False  # The command was ended because memory ran out
        self._size, self._grown = size, 0

    @property
    def was_full(self) -> bool:
        """Whether the state has filled its share."""
        return bool(self._size) and state.is_full(self._size, self._grown)

    def sees(self, now: Memory, before: Memory) -> None:
        """Note the memory at one moment; `before` is the memory at the beginning."""
        self._grown = max(self._grown, now.in_files - before.in_files)
        self.ran_short = state.is_short(now, before)


class State:
    """The state of a run's builder: on disk, or in memory once `create` has put it there."""

    def __init__(
        self,
        plan: BuilderPlan,
        name: str,
        at: Address | None,
        log: Log,
        reboot: Callable[[], None],
    ) -> None:
        """Begin on disk; `reboot` boots the builder once its container has been removed."""
        self.size = 0  # Bytes that it may take in memory; 0 on disk
        self._plan, self._name, self._at, self._log, self._reboot = plan, name, at, log, reboot
        self._over = threading.Event()
        self._watching: threading.Thread | None = None
        self._connection: socket.socket | None = None
        self._unwatched = _UNSEEN  # Why nothing watches over the container

    def create(self, *, in_memory: bool = True) -> None:
        """Put the state into memory if the machine has enough; the builder is created after it."""
        self.close()
        self.size = 0
        if self._plan.state == "disk" or not in_memory:
            self._create_on_disk()
            return
        at, is_near = self._at, self._at is not None and self._at.is_near
        why = state.obstacle(self._plan, is_near=is_near)
        memory = None if why else read_memory()
        if at and memory:
            try:
                size = state.share(memory, self._promised(at))
                why = state.too_small(size)
                if not why:
                    self._create_volume(at, size)
            except EngineError as error:
                why = str(error)
        elif not why:
            why = "this machine does not report its memory"
        if why and self._plan.state == "memory":
            self._log.warning(f"the builder's state is on disk, not in memory: {why}")
        if not self.size:
            self._create_on_disk()

    def watch(self) -> None:
        """Watch over the builder's container from its start on, if the state is in memory."""
        self.close()
        if self.size and self._at:
            self._unwatched = _UNSEEN
            self._watching = signals.start_thread(partial(self._connect, self._at))

    def settle(self, need: int | None) -> None:
        """Move the state to disk if the caches do not fit; the builder is up.

        `need` is what they take unpacked, in bytes; None if it is unknown.
        """
        if not self.size or not self._at:
            return
        if self._watching:
            self._watching.join(_PATIENCE)
        why = self._unwatched or state.misfit(self.size, self._plan.state, need)
        memory = read_memory()
        if not why and memory and state.is_overdrawn(memory, self.size, self._promised(self._at)):
            why = "other builders have claimed the memory at the same time"
        if why:
            self.to_disk(why)

    def to_disk(self, why: str) -> None:
        """Remove the builder's container with its state, and boot it with a state on disk."""
        self._log.line(f"the builder {self._name} boots again with its state on disk: {why}")
        if self._at:
            engine_calls.remove_builder(self._at, self._name, patience=_PATIENCE)
        self.close()
        self.size = 0
        self._create_on_disk()
        self._reboot()

    @contextmanager
    def guarded(self, running: Running) -> Iterator[Guard]:
        """Watch the memory while a command runs, and end the command if memory runs out."""
        guard, done = Guard(self.size), threading.Event()
        before = read_memory() if self.size else None

        def look() -> None:
            while before and not done.wait(_GLANCE):
                now = read_memory()
                if now:
                    guard.sees(now, before)
                if guard.ran_short:
                    running.end()
                    return

        thread = signals.start_thread(look)
        try:
            yield guard
        finally:
            done.set()
            thread.join()

    def close(self) -> None:
        """Stop watching over the container, which ends if it is still there."""
        self._over.set()
        if self._watching:
            self._watching.join()
            self._watching = None
        if self._connection:
            self._connection.close()
            self._connection = None
        self._over.clear()

    def _create_volume(self, at: Address, size: int) -> None:
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size}"}
        name, labels = leftovers.volume(self._name), {owner.LABEL: owner.own()}
        engine_calls.create_volume(at, name, options, {leftovers.MEMORY: str(size), **labels})
        self.size = size

    def _create_on_disk(self) -> None:
        """Mark the volume of a builder that this run removes, for the case that it is killed."""
        plan = self._plan
        is_ours = plan.driver.has_container and not plan.endpoint and plan.cleanup
        if self._at and is_ours and not plan.keep_state:
            name, labels = leftovers.volume(self._name), {owner.LABEL: owner.own()}
            # buildx meets the same engine, and says what is wrong with it.
            with suppress(EngineError):
                engine_calls.create_volume(self._at, name, {}, labels)

    def _promised(self, at: Address) -> list[int]:
        """Return what the other states in memory may take whose builders run.

        If the engine does not say, what follows fails or does not need to know.
        """
        own, now = leftovers.volume(self._name), datetime.now(UTC)
        try:
            others = [one for one in engine_calls.volumes(at, leftovers.MEMORY) if one.name != own]
            running = engine_calls.running(at) if others else frozenset()
        except EngineError:
            return []
        return [
            whole_numbers.read(one.labels.get(leftovers.MEMORY, "")) or 0
            for one in others
            if leftovers.container_of(one.name) in running or now - one.created < _YOUNG
        ]

    def _connect(self, at: Address) -> None:
        """Connect to the container once it has started, and check that it runs on this machine."""
        container, deadline = leftovers.container(self._name), time.monotonic() + _PATIENCE
        kernel = (read_text(_KERNEL, _MOST_SAID) or "").strip()
        try:
            while container not in engine_calls.running(at):
                if self._over.wait(_START_GLANCE) or time.monotonic() > deadline:
                    return
            self._connection = engine_calls.attached(at, container, ("sh", "-c", _WATCH))
            said = engine_calls.said(self._connection, most=_MOST_SAID, enough=kernel)
        except EngineError as error:
            self._unwatched = f"nothing would free the memory of a killed run: {error}"
            return
        is_here = kernel and kernel in said
        elsewhere = "the engine runs on another machine, or its image has no shell"
        self._unwatched = "" if is_here else elsewhere


def read_memory() -> Memory | None:
    """Return the memory of this machine; None if it is not Linux."""
    found: dict[str, int] = {}
    for line in (read_text(_MEMORY) or "").splitlines():
        name, _, value = line.partition(":")
        number = value.removesuffix("kB").strip()
        found[name] = int(number) * 1024 if number.isdecimal() else 0
    if not {"MemTotal", "MemAvailable", "Shmem"} <= found.keys():
        return None
    limits = [text.strip() for path in _LIMITS if (text := read_text(path))]
    least = min([found["MemAvailable"], *(int(text) for text in limits if text.isdecimal())])
    return Memory(total=found["MemTotal"], available=least, in_files=found["Shmem"])
