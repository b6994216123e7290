"""Build programs from their Go modules."""

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
REGISTRY_MODULE = "github.com/distribution/distribution/v3"
VERSITYGW_MODULE = "github.com/versity/versitygw"
ACT_MODULE = "github.com/nektos/act"
GHA_SOURCES = SOURCES / "gha"
KUBERNETES_SOURCES = SOURCES / "kubernetes"
OTELCOL_SOURCES = SOURCES / "otelcol"
ACTIONLINT_SOURCES = SOURCES / "actionlint"


def goroot() -> Path:
    """Return the directory of the pinned Go toolchain, fetched when it is not there."""
    return Path(run(["go", "env", "GOROOT"], extra=ENVIRONMENT).strip())


def build_buildx(layout: Layout) -> Path:
    """Return the path of the static program `buildx`, in a directory of its own."""
    module = f"{BUILDX_MODULE}/cmd/buildx@v{versions.BUILDX}"
    return _install(layout.root / "buildx", module, _flags(BUILDX_MODULE, versions.BUILDX))


def build_buildkit(layout: Layout) -> Path:
    """Return the directory with the static programs `buildkitd` and `buildctl`.

    `go install` refuses BuildKit (`exclude` in its go.mod); as tools of our own module it builds.
    """
    flags = _flags(BUILDKIT_MODULE, versions.BUILDKIT)
    return _build_tools(layout, BUILDKIT_SOURCES, flags)


def build_registry(layout: Layout) -> Path:
    """Return the path of the program `registry`."""
    module = f"{REGISTRY_MODULE}/cmd/registry@v{versions.REGISTRY}"
    flag = f"-s -w -X {REGISTRY_MODULE}/version.version=v{versions.REGISTRY}"
    return _install(layout.root / "registry", module, ("-trimpath", "-ldflags", flag))


def build_versitygw(layout: Layout) -> Path:
    """Return the path of the program `versitygw`."""
    module = f"{VERSITYGW_MODULE}/cmd/versitygw@v{versions.VERSITYGW}"
    return _install(layout.root / "versitygw", module, _flags(VERSITYGW_MODULE, versions.VERSITYGW))


def build_act(layout: Layout) -> Path:
    """Return the path of the program `act`; it has its version from a file."""
    module = f"{ACT_MODULE}@v{versions.ACT}"
    return _install(layout.root / "act", module, ("-trimpath", "-ldflags", "-s -w"))


def build_gha(layout: Layout) -> Path:
    """Return the path of the program `gha`, of a module of our own around a package of act."""
    return _build_own(layout, GHA_SOURCES)


def build_otelcol(layout: Layout) -> Path:
    """Return the path of the program `otelcol`, of a module of our own: it takes a minute or two.

    Its published modules are parts, of which every user makes a collector.
    """
    return _build_own(layout, OTELCOL_SOURCES)


def build_kubernetes(layout: Layout) -> Path:
    """Return the directory with the programs of a cluster and of its nodes: it takes minutes."""
    version = f"k8s.io/component-base/version.gitVersion=v{versions.KUBERNETES}"
    flags = ("-trimpath", "-ldflags", f"-s -w -X {version}")
    return _build_tools(layout, KUBERNETES_SOURCES, flags)


def build_actionlint(layout: Layout) -> Path:
    """Return the path of the program `actionlint`, a tool of a module of our own.

    Its packages of pip fetch a program while they install, or have a stranger's.
    """
    return _build_tools(layout, ACTIONLINT_SOURCES, ("-trimpath",)) / "actionlint"


def _build_own(layout: Layout, sources: Path) -> Path:
    """Return the path of the program of a module of our own, which has the module's name."""
    files = [path.read_bytes() for path in sorted(sources.iterdir())]

    def make(directory: Path) -> None:
        command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{directory}/", "."]
        run(command, cwd=sources, extra=ENVIRONMENT)

    return make_once(layout.root / sources.name / recipe_key(versions.GO, *files), make) / (
        sources.name
    )


def _build_tools(layout: Layout, sources: Path, flags: Sequence[str]) -> Path:
    """Return a directory with the tools that a module names, each as its go.sum has it."""
    sums = (sources / "go.sum").read_bytes()

    def make(directory: Path) -> None:
        command = ["go", "build", *flags, "-o", f"{directory}/", "tool"]
        run(command, cwd=sources, extra=ENVIRONMENT)

    return make_once(layout.root / sources.name / recipe_key(versions.GO, sums, *flags), make)


def _install(parent: Path, module: str, flags: Sequence[str]) -> Path:
    """Return the path of a module's program, in a directory of its own; `parent` has its name."""

    def make(directory: Path) -> None:
        run(["go", "install", *flags, module], extra={**ENVIRONMENT, "GOBIN": str(directory)})

    return make_once(parent / recipe_key(versions.GO, module, *flags), make) / parent.name


def _flags(module: str, version: str) -> Sequence[str]:
    return ("-trimpath", "-ldflags", f"-s -w -X {module}/version.Version=v{version}")
