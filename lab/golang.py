"""Build buildx and BuildKit from their Go modules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab import versions
from lab.commands import run
from lab.layout import SOURCES, Layout, make_once, recipe_key

if TYPE_CHECKING:
    from collections.abc import Sequence

# The go command fetches this toolchain itself when the machine has another one.
ENVIRONMENT = {"GOTOOLCHAIN": f"go{versions.GO}", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
BUILDX_MODULE = "github.com/docker/buildx"
BUILDKIT_MODULE = "github.com/moby/buildkit"
BUILDKIT_SOURCES = SOURCES / "buildkit"


def goroot() -> Path:
    """Return the directory of the pinned Go toolchain, fetched when it is not there."""
    return Path(run(["go", "env", "GOROOT"], extra=ENVIRONMENT).strip())


def build_buildx(layout: Layout) -> Path:
    """Return the path of the static program `buildx`, in a directory of its own."""
    module = f"{BUILDX_MODULE}/cmd/buildx@v{versions.BUILDX}"
    flags = _flags(BUILDX_MODULE, versions.BUILDX)

    def make(directory: Path) -> None:
        run(["go", "install", *flags, module], extra={**ENVIRONMENT, "GOBIN": str(directory)})

    key = recipe_key(versions.GO, module, *flags)
    return make_once(layout.root / "buildx" / key, make) / "buildx"


def build_buildkit(layout: Layout) -> Path:
    """Return the directory with the static programs `buildkitd` and `buildctl`.

    `go install` refuses BuildKit (`exclude` in its go.mod); as tools of our own module it builds.
    """
    flags = _flags(BUILDKIT_MODULE, versions.BUILDKIT)
    sums = (BUILDKIT_SOURCES / "go.sum").read_bytes()

    def make(directory: Path) -> None:
        command = ["go", "build", *flags, "-o", f"{directory}/", "tool"]
        run(command, cwd=BUILDKIT_SOURCES, extra=ENVIRONMENT)

    return make_once(layout.root / "buildkit" / recipe_key(versions.GO, sums, *flags), make)


def _flags(module: str, version: str) -> Sequence[str]:
    return ("-trimpath", "-ldflags", f"-s -w -X {module}/version.Version=v{version}")
