from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from warmbuild.commands.clock import Clock
from warmbuild.phases import Phase

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def pass_(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr("warmbuild.commands.clock._begun", lambda: now[0])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_(seconds: float) -> None:
        now[0] += seconds

    return pass_


def test_phases_follow_one_another_without_a_gap(pass_: Callable[[float], None]) -> None:
    clock = Clock()
    pass_(1)
    clock.enter(Phase.PROBE)
    pass_(2)
    assert clock.seconds == 2
    clock.enter(Phase.BUILDX)
    pass_(4)
    found = [(span.phase, span.begun, span.ended) for span in clock.spans()]
    assert found == [
        (Phase.START, 1000, 1001),
        (Phase.PROBE, 1001, 1003),
        (Phase.BUILDX, 1003, 1007),
    ]


def test_what_a_phase_was_may_turn_out_later(pass_: Callable[[float], None]) -> None:
    clock = Clock()
    clock.enter(Phase.PROBE)
    pass_(1)
    clock.enter(Phase.BUILDX)
    clock.was(Phase.BOOT)
    assert [span.phase for span in clock.spans()] == [Phase.START, Phase.BOOT, Phase.BUILDX]


@pytest.mark.processes
def test_a_run_begins_with_its_process() -> None:
    code = (
        "import time; time.sleep(0.5); from warmbuild.commands.clock import Clock; "
        "print(Clock().seconds)"
    )
    begun = time.monotonic()
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    whole = time.monotonic() - begun
    # The kernel counts in hundredths of a second.
    assert 0.5 <= float(said.stdout) <= whole + 0.02
