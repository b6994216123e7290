"""An all-cached rebuild on a fresh builder: warmbuild against the bare commands, as a ratio.

`make bench` runs it on the lab. The sides build `examples/flask` with the same flags, push it, and
write their cache to separate refs. The third side is warmbuild with `skip-unchanged`, which builds
nothing. They run in turn, in changing order, because such machines are noisy. The start of a
container is not counted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import bare

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
REPOSITORY = f"{bare.REGISTRY}/bench/flask"


def main() -> None:
    """Warm the caches, then time all sides and print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
        sides: dict[str, Callable[[Path], None]] = {
            "warmbuild": with_warmbuild,
            "skipping": partial(with_warmbuild, skips="true"),
            "bare": with_bare_commands,
        }
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
    theirs = times.pop("bare")
    for name, ours in times.items():
        ratio = statistics.median(ours) / statistics.median(theirs)
        pairs = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
        print(f"{name:<10} ratio of medians {ratio:.2f}, median of ratios {pairs:.2f}")


def with_warmbuild(directory: Path, *, skips: str = "false") -> None:
    """Build as a CI job on the branch `ours` does."""
    inputs = {
        "IMAGE": REPOSITORY,
        "TAGS": "ours",
        "CONTEXT": bare.CONTEXT,
        "DRIVER_OPTS": f"{bare.IMAGE}\nnetwork=host",
        "BUILDKITD_CONFIG": bare.CONFIG,
        "SKIP_UNCHANGED": skips,
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
    if skips == "true" and "nothing was built" not in (directory / "summary.md").read_text():
        sys.exit("an unchanged image was built")


def with_bare_commands(directory: Path) -> None:
    """Build with three commands."""
    bare.create("bench-bare", directory)
    done = bare.build("bench-bare", directory, REPOSITORY, "bare")
    bare.remove("bench-bare", directory)
    if done.returncode:
        sys.exit(done.stdout)


if __name__ == "__main__":
    main()
