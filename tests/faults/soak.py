"""Builds with random faults, for half an hour: `make soak`, or `make soak OPTIONS="--seed 7"`.

Each round starts some runs at once, does something to them, and looks at how they end: an image is
whole or the run is red, no run lasts longer than its limits allow, none shows a traceback, and none
takes more than 64 MB of memory. What a killed run leaves, a later one collects. At the end nothing
is left. The seed is printed first, and repeats the faults, though not their moments.
"""

from __future__ import annotations

import random
import re
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.faults.case import MEMORY
from tests.faults.doors import door_to

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.faults.doors import Door
    from tests.faults.engines import Engine
    from tests.integration.conftest import Ended, Lab, Registry, Run, Warmbuild

# Seconds that a run may take, whatever happens to it.
LIMIT: Final = 150.0
ENDS: Final = {0, 3, 4, 5, 129, 130, 131, 143, -signal.SIGKILL}
DOCKERFILE: Final = """\
FROM busybox:1.37
RUN cat /proc/sys/kernel/random/uuid > /once
COPY source.txt /
RUN sleep {seconds}; head -c {size} /dev/urandom > /large
"""


@dataclass(slots=True)
class Soak:
    """The lab of a soak, with its doors, and what was seen."""

    warmbuild: Warmbuild
    registry: Registry
    door: Door
    daemon: Engine
    random: random.Random
    places: list[Path] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    peak: int = 0
    killed: set[str] = field(default_factory=set)

    def round(self, number: int) -> None:
        """Start some runs, do something to them, and check how they end."""
        count = self.random.choice([1, 1, 2, 4])
        fault = self.random.choice(FAULTS)
        say(f"round {number}: {count} runs, {fault.__name__}")
        runs = [self._start(number, at) for at in range(count)]
        moment = time.monotonic() + self.random.uniform(0.0, 6.0)
        done = False
        while any(run.process.poll() is None for run in runs):
            if not done and time.monotonic() > moment:
                hit = self.random.choice(runs)
                while hit.process.poll() is None and not hit.has_begun:
                    time.sleep(0.01)
                fault(self, hit)
                done = True
            time.sleep(0.05)
        for run in runs:
            self._check(run.end(LIMIT), run)

    def _start(self, number: int, at: int) -> Run:
        place = Path(tempfile.mkdtemp(dir=self.warmbuild.directory, prefix="project-"))
        self.places.append(place)
        text = DOCKERFILE.format(seconds=self.random.choice([0, 1, 3]), size=2_000_000)
        (place / "Dockerfile").write_text(text)
        (place / "source.txt").write_text(f"{number}")
        return self.warmbuild.start(
            place,
            branch=self.random.choice(["main", "x", "y"]),
            image=f"{self.door.host}/soak-{at}",
            extra={"DOCKER_HOST": self.daemon.host},
            retry_timeout="20s",
        )

    def _check(self, ended: Ended, run: Run) -> None:
        self.ends[ended.code] = self.ends.get(ended.code, 0) + 1
        self.peak = max(self.peak, ended.memory)
        assert ended.code in ENDS, ended.log
        assert "this is a bug" not in ended.log, ended.log
        assert ended.seconds < LIMIT, ended.log
        assert ended.memory < MEMORY, f"{ended.memory} bytes\n{ended.log}"
        if ended.code == 0:
            path = re.search(r"^output|\bsoak-\d", ended.log)
            assert path, ended.log
            self.registry.check_image(f"{self.registry.host}/{path[0]}@{ended.outputs['digest']}")
        if ended.code == -signal.SIGKILL and run.builder:
            self.killed.add(run.builder)


def nothing(_soak: Soak, _run: Run) -> None:
    """Leave them alone."""


def terminate(_soak: Soak, run: Run) -> None:
    run.process.send_signal(signal.SIGTERM)


def interrupt_twice(_soak: Soak, run: Run) -> None:
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.1)


def kill(_soak: Soak, run: Run) -> None:
    run.process.send_signal(signal.SIGKILL)


def restart_registry(soak: Soak, _run: Run) -> None:
    soak.door.shut_for(soak.random.choice([1, 3, 8]))


def restart_engine(soak: Soak, _run: Run) -> None:
    soak.daemon.vanish()
    time.sleep(1.0)
    soak.daemon.appear()


FAULTS: Final[tuple[Callable[[Soak, Run], None], ...]] = (
    nothing,
    terminate,
    interrupt_twice,
    kill,
    restart_registry,
    restart_engine,
)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def test_builds_with_random_faults(
    warmbuild: Warmbuild,
    registry: Registry,
    daemon: Engine,
    lab: Lab,
    pytestconfig: pytest.Config,
) -> None:
    seed, minutes = pytestconfig.getoption("seed"), pytestconfig.getoption("minutes")
    say(f"seed {seed}")
    with door_to(lab.registry) as door:
        soak = Soak(
            warmbuild=warmbuild,
            registry=registry,
            door=door,
            daemon=daemon,
            random=random.Random(seed),  # noqa: S311 (to be repeated)
        )
        end, number = time.monotonic() + minutes * 60, 0
        while time.monotonic() < end:
            number += 1
            soak.round(number)
        # One more run collects what killed ones have left.
        (soak.places[-1] / "Dockerfile").write_text("FROM busybox:1.37\nRUN sleep 5\n")
        warmbuild.succeed(soak.places[-1], image=f"{door.host}/soak", cache="off")
    say(f"{number} rounds; exit codes {soak.ends}; peak {soak.peak / 1024**2:.0f} MB")
