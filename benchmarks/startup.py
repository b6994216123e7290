"""How long warmbuild takes to start, against an interpreter that does nothing.

`make bench-startup` runs it; it needs no lab. The commands run in turn, because such machines are
noisy. Modules are compiled before the measurement, as they are in the image. Directories given as
arguments, such as the `src` of another checkout, are measured in addition to this one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS: Final = 20
SOURCES: Final = Path(__file__).resolve().parents[1] / "src"
NOTHING: Final = "python -c pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one run of a command, in seconds."""

    cpu: float
    """User and system time."""
    wall: float


def main() -> None:
    """Time every command in turn, and print medians and their ratio to the bare interpreter."""
    trees = [SOURCES, *map(Path, sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
        commands = {NOTHING: (["-c", "pass"], _environment(SOURCES, directory))}
        for tree in trees:
            name = "" if len(trees) == 1 else f" of {tree}"
            env = _environment(tree, directory)
            commands[f"import warmbuild.cli{name}"] = (["-c", "import warmbuild.cli"], env)
            plan = ["-m", "warmbuild", "plan", "--image", "localhost/x"]
            commands[f"warmbuild plan{name}"] = (plan, env)
        for arguments, env in commands.values():
            _timed(arguments, env)
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, (arguments, env) in commands.items():
                costs[name].append(_timed(arguments, env))
    base = _median(costs[NOTHING])
    for name, measured in costs.items():
        cost = _median(measured)
        print(
            f"{name:<24} CPU {cost.cpu * 1000:5.0f} ms ({cost.cpu / base.cpu:4.1f} times)   "
            f"wall {cost.wall * 1000:5.0f} ms ({cost.wall / base.wall:4.1f} times)"
        )


def _environment(sources: Path, directory: str) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(sources.resolve()), "PYTHONPYCACHEPREFIX": directory}


def _timed(arguments: Sequence[str], env: Mapping[str, str]) -> Cost:
    begun = time.perf_counter()
    child = subprocess.Popen(  # noqa: S603 (a list of arguments, no shell)
        [sys.executable, *arguments], env=dict(env), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(arguments)} ended with exit code {child.returncode}")
    return Cost(cpu=usage.ru_utime + usage.ru_stime, wall=time.perf_counter() - begun)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        cpu=statistics.median(cost.cpu for cost in costs),
        wall=statistics.median(cost.wall for cost in costs),
    )


if __name__ == "__main__":
    main()
