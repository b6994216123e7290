"""An all-cached rebuild on a fresh builder: warmbuild against the bare commands, as a ratio.

`make bench` runs it on the lab. Both sides build `examples/flask` with the same flags, push it,
and write their cache to separate refs. The sides run in pairs, in alternating order, because such
machines are noisy. The start of a container is not counted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import bare

ROUNDS = 7
REPOSITORY = f"{bare.REGISTRY}/bench/flask"


def main() -> None:
    """Warm both caches, then time both sides and print medians and ratio."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
        sides = {"warmbuild": with_warmbuild, "bare": with_bare_commands}
        for side in sides.values():
            side(Path(directory))
        times: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(ROUNDS):
            order = list(sides) if number % 2 else list(reversed(sides))
            for name in order:
                begun = time.perf_counter()
                sides[name](Path(directory))
                times[name].append(time.perf_counter() - begun)
    for name, seconds in times.items():
        shown = " ".join(f"{value:.2f}" for value in sorted(seconds))
        print(f"{name:<10} median {statistics.median(seconds):.2f} s of {shown}")
    ours, theirs = (statistics.median(seconds) for seconds in times.values())
    pairs = zip(*times.values(), strict=True)
    print(f"ratio of medians {ours / theirs:.2f}")
    print(f"median of ratios {statistics.median(one / other for one, other in pairs):.2f}")


def with_warmbuild(directory: Path) -> None:
    """Build as a CI job on the branch `ours` does."""
    inputs = {
        "IMAGE": REPOSITORY,
        "TAGS": "ours",
        "CONTEXT": bare.CONTEXT,
        "DRIVER_OPTS": f"{bare.IMAGE}\nnetwork=host",
        "BUILDKITD_CONFIG": bare.CONFIG,
        "SUMMARY_FILE": str(directory / "summary.md"),
    }
    gitlab = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "ours",
        "CI_DEFAULT_BRANCH": "ours",
    }
    given = {f"INPUT_{name}": value for name, value in inputs.items()}
    bare.must([sys.executable, "-m", "warmbuild", "build"], gitlab | given)


def with_bare_commands(directory: Path) -> None:
    """Build with three commands."""
    bare.create("bench-bare", directory)
    done = bare.build("bench-bare", directory, REPOSITORY, "bare")
    bare.remove("bench-bare", directory)
    if done.returncode:
        sys.exit(done.stdout)


if __name__ == "__main__":
    main()
