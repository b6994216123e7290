"""Two variants of an input against each other, over the most frequent builds of CI, as a ratio.

`make bench-variants` runs it on the lab: for each example a cold build, then in alternating order
rebuilds on fresh builders, every second rebuild with a changed source. `VARIANTS` defines the
variants; each variant has its own branch in one repository.
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import bare

ROUNDS: Final = 6
EXAMPLES: Final = {"flask": "app/__init__.py", "go-server": "main.go"}
KINDS: Final = ("cold", "edit", "same")
VARIANTS: Final = {
    "after": {"CACHE_EXPORT": "after"},
    "with": {"CACHE_EXPORT": "with"},
    "zstd": {"CACHE_OPTIONS": "compression=zstd"},
    "reproducible": {"REPRODUCIBLE": "true"},
}


def main() -> None:
    """Print the median of each kind of build, by variant."""
    for example, source in EXAMPLES.items():
        repository = f"{bare.REGISTRY}/bench-{secrets.token_hex(4)}/{example}"
        with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
            place = Path(directory, "project")
            shutil.copytree(Path("examples", example), place)
            times: dict[tuple[str, str], list[float]] = {
                (kind, name): [] for kind in KINDS for name in VARIANTS
            }
            for number in range(ROUNDS + 1):
                shift = number % len(VARIANTS)
                order = list(VARIANTS)[shift:] + list(VARIANTS)[:shift]
                text = (place / source).read_text()
                comment = "#" if source.endswith(".py") else "//"
                (place / source).write_text(f"{text}{comment} edit {number}\n")
                for kind in ("cold",) if number == 0 else ("edit", "same"):
                    for name in order:
                        times[kind, name].append(_seconds(name, place, repository))
        for kind in KINDS:
            medians = {name: statistics.median(times[kind, name]) for name in VARIANTS}
            first = next(iter(medians.values()))
            shown = [f"{name} {took:.2f} s ({took / first:.2f})" for name, took in medians.items()]
            print(f"{example:<10} {kind:<5} {', '.join(shown)}", flush=True)


def _seconds(name: str, place: Path, repository: str) -> float:
    """Return how long a CI job takes to build on the branch of a variant."""
    inputs = {
        "IMAGE": repository,
        "CONTEXT": str(place),
        "DRIVER_OPTS": f"{bare.IMAGE}\nnetwork=host",
        "BUILDKITD_CONFIG": bare.CONFIG,
        "SUMMARY_FILE": str(place.parent / "summary.md"),
        **VARIANTS[name],
    }
    branch = {"CI_COMMIT_BRANCH": name, "CI_DEFAULT_BRANCH": name}
    env = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push", **branch}
    env |= {f"INPUT_{key}": value for key, value in inputs.items()}
    begun = time.perf_counter()
    done = bare.run([sys.executable, "-m", "warmbuild", "build"], env)
    if done.returncode:
        sys.exit(done.stdout)
    return time.perf_counter() - begun


if __name__ == "__main__":
    os.environ.pop("INPUT_IMAGE", None)
    main()
