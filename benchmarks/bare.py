"""The bare commands that a careful user would write by hand, for benchmarks to compare with."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REGISTRY: Final = os.environ["WARMBUILD_LAB_REGISTRY"]
IMAGE: Final = f"image={os.environ['WARMBUILD_LAB_BUILDKIT_IMAGE']}"
CONFIG: Final = os.environ["WARMBUILD_LAB_BUILDKITD_CONFIG"]
CONTEXT: Final = "examples/flask"
ATTRIBUTES: Final = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"


def create(name: str, state: Path, *flags: str, config: str = CONFIG) -> None:
    """Create a builder; buildx keeps its description in `state`."""
    argv = ["buildx", "create", "--name", name, "--driver", "docker-container"]
    argv += ["--driver-opt", IMAGE, "--driver-opt", "network=host", "--buildkitd-config", config]
    must([*argv, *flags], {"BUILDX_CONFIG": str(state)})


def build(name: str, state: Path, repository: str, tag: str) -> subprocess.CompletedProcess[str]:
    """Build and push an image, reading and writing the cache `cache-<tag>` beside it."""
    cache = f"type=registry,ref={repository}:cache-{tag}"
    argv = ["buildx", "build", "--builder", name]
    argv += ["--cache-from", cache, "--cache-to", f"{cache},{ATTRIBUTES}"]
    argv += ["--iidfile", str(state / "iid"), "--metadata-file", str(state / "metadata")]
    argv += ["--tag", f"{repository}:{tag}", "--push", CONTEXT]
    return run(argv, {"BUILDX_CONFIG": str(state)})


def remove(name: str, state: Path) -> None:
    """Remove a builder."""
    must(["buildx", "rm", name], {"BUILDX_CONFIG": str(state)})


def run(
    argv: Sequence[str], extra: Mapping[str, str], directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with additional environment variables, and capture its output."""
    return subprocess.run(  # noqa: S603 (a list of arguments, no shell)
        argv,
        cwd=directory,
        env=os.environ | extra,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def must(argv: Sequence[str], extra: Mapping[str, str], directory: Path | None = None) -> None:
    """Run a command, and exit if it fails."""
    done = run(argv, extra, directory)
    if done.returncode:
        sys.exit(done.stdout)
