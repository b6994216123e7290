"""An all-cached rebuild on a fresh builder: warmbuild against the bare commands, as a ratio.

`make bench` runs it on the lab. Both sides build `examples/flask` with the same flags, push it,
and write their cache, each to a ref of its own; a run of one is followed by a run of the other,
in alternating order, for this kind of machine is noisy. A container's start is not counted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
CONTEXT = "examples/flask"
REPOSITORY = f"{os.environ['WARMBUILD_LAB_REGISTRY']}/bench/flask"
IMAGE = f"image={os.environ['WARMBUILD_LAB_BUILDKIT_IMAGE']}"
CONFIG = os.environ["WARMBUILD_LAB_BUILDKITD_CONFIG"]
ATTRIBUTES = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"


def main() -> None:
    """Warm both caches, then time both sides and print medians and ratio."""
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
        sides = {"warmbuild": with_warmbuild, "bare": with_bare_commands}
        for run in sides.values():
            run(Path(directory))
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
    medians = [statistics.median(seconds) for seconds in times.values()]
    pairs = zip(*times.values(), strict=True)
    print(f"ratio of medians {medians[0] / medians[1]:.2f}")
    print(f"median of ratios {statistics.median(ours / bare for ours, bare in pairs):.2f}")


def with_warmbuild(directory: Path) -> None:
    """Build as a CI job on the branch `ours` would."""
    inputs = {
        "IMAGE": REPOSITORY,
        "TAGS": "ours",
        "CONTEXT": CONTEXT,
        "DRIVER_OPTS": f"{IMAGE}\nnetwork=host",
        "BUILDKITD_CONFIG": CONFIG,
        "SUMMARY_FILE": str(directory / "summary.md"),
    }
    gitlab = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "push",
        "CI_COMMIT_BRANCH": "ours",
        "CI_DEFAULT_BRANCH": "ours",
    }
    environment = os.environ | gitlab | {f"INPUT_{key}": value for key, value in inputs.items()}
    _run([sys.executable, "-m", "warmbuild", "build"], environment)


def with_bare_commands(directory: Path) -> None:
    """Build with what a careful user would write by hand: three commands."""
    builder, cache = "bench-bare", f"{REPOSITORY}:cache-bare"
    create = ["buildx", "create", "--name", builder, "--driver", "docker-container"]
    create += ["--driver-opt", IMAGE, "--driver-opt", "network=host", "--buildkitd-config", CONFIG]
    build = ["buildx", "build", "--builder", builder]
    build += ["--cache-from", f"type=registry,ref={cache}"]
    build += ["--cache-to", f"type=registry,ref={cache},{ATTRIBUTES}"]
    build += ["--iidfile", str(directory / "iid"), "--metadata-file", str(directory / "metadata")]
    build += ["--tag", f"{REPOSITORY}:bare", "--push", CONTEXT]
    for argv in (create, build, ["buildx", "rm", builder]):
        _run(argv, os.environ | {"BUILDX_CONFIG": str(directory / "buildx")})


def _run(argv: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        argv,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout)


if __name__ == "__main__":
    main()
