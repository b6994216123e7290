"""Several runs at once on one machine, of which some are stopped or killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.faults.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

BEGUN = r"^#\d+ [\d.]+ has begun$"
LEFT = "could not be removed"


def test_four_that_share_a_builder_leave_nothing_and_say_nothing_else(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    name: str,
    small: Path,
) -> None:
    """The last one removes it; no other is blamed for what that one has to do."""
    builder = f"four-{name[-6:]}"
    images = [f"{repository}/{number}" for number in range(4)]
    runs = [warmbuild.start(small, image=one, builder=builder, cache="off") for one in images]
    for run, image in zip(runs, images, strict=True):
        ended = run.end()
        Case(code=0, not_said=(LEFT,), seconds=60).check(ended, registry, f"{image}:main")
        assert ended.warnings == []
    assert warmbuild.remains(builder) == []


def test_some_that_are_stopped_or_killed_do_the_others_no_harm(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    project: Callable[..., Path],
) -> None:
    place = project("FROM busybox:1.37\nRUN echo has begun; sleep 4\n")
    images = [f"{repository}/{number}" for number in range(9)]
    runs = [warmbuild.start(place, image=one, cache="off") for one in images]
    numbers = [signal.SIGTERM, signal.SIGKILL, 0] * 3
    for run, number in zip(runs, numbers, strict=True):
        run.wait_for(BEGUN)
        if number:
            os.kill(run.process.pid, number)
    for run, number, image in zip(runs, numbers, images, strict=True):
        ended = run.end()
        if number == signal.SIGTERM:
            Case(code=143, not_said=(LEFT,), seconds=90).check(ended)
            assert warmbuild.remains(ended.builder) == []
        elif not number:
            Case(code=0, not_said=(LEFT,), seconds=90).check(ended, registry, f"{image}:main")
            assert warmbuild.remains(ended.builder) == []
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN sleep 4\n")
    warmbuild.succeed(small, image=repository, cache="off")
    assert [one for run in runs for one in warmbuild.remains(run.builder)] == []
