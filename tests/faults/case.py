"""What is asserted alike for each fault.

A run ends in time, with the right exit code, and names the culprit; its image is whole or not
there; its outputs say what is true; and it leaves nothing.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from tests.integration.conftest import Ended, Registry

T = TypeVar("T")

# Seconds that a run may take for what is not a wait for somebody else; the machines are slow.
AT_ONCE = 10.0
# The most memory that a run itself may take, in bytes, with the measuring of its coverage.
MEMORY = 64 * 1024**2
BUG = "this is a bug in warmbuild"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How a run with a fault has to end."""

    code: int
    said: str = ""  # a regular expression that the log has a match of
    not_said: tuple[str, ...] = ()  # texts that the log has not
    seconds: float = AT_ONCE
    memory: int = MEMORY
    written: bool | None = None  # whether its cache is written; None is either
    outputs: dict[str, str] = field(default_factory=dict)

    def check(self, ended: Ended, registry: Registry | None = None, image: str = "") -> None:
        """Fail unless a run has ended so."""
        assert ended.code == self.code, ended.log
        assert BUG not in ended.log, ended.log
        assert re.search(self.said, ended.log), ended.log
        for text in self.not_said:
            assert text not in ended.log
        assert ended.seconds < self.seconds, ended.log
        assert ended.memory < self.memory
        if self.code:
            assert re.search(r"^(::error .*::|error: )", ended.log, re.MULTILINE), ended.log
        if registry and image:
            self._check_image(ended, registry, image)
        if self.written is not None:
            assert bool(ended.outputs.get("cache-written")) is self.written, ended.log
        for name, value in self.outputs.items():
            assert ended.outputs[name] == value

    def _check_image(self, ended: Ended, registry: Registry, image: str) -> None:
        if self.code in {0, 6}:
            assert registry.digest(image) == ended.outputs["digest"]
            registry.check_image(image)
        elif self.code != 3:
            assert image.rpartition(":")[2] not in registry.tags(image.rpartition(":")[0])


@contextmanager
def at_once(
    one: Callable[[T], Ended], given: Iterable[T], *, most: int = 16
) -> Iterator[Mapping[T, Future[Ended]]]:
    """Have a run for each case at the same time: cases that wait for a limit wait together."""
    with ThreadPoolExecutor(most) as pool:
        yield {case: pool.submit(one, case) for case in given}
