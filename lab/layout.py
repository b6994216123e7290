"""Where the lab keeps its files: one directory outside the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).parent
UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The paths of the lab below its root."""

    root: Path

    @property
    def lock(self) -> Path:
        """The file that a running `up` or `down` holds."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """What `up` has made, for `env`; absent while the lab is down."""
        return self.root / "state.json"

    @property
    def logs(self) -> Path:
        """Logs of the engine and the registries, made anew at each start."""
        return self.root / "logs"

    @property
    def engine(self) -> Path:
        """The engine's images, containers and socket."""
        return self.root / "engine"

    @property
    def socket(self) -> Path:
        """The engine's socket."""
        return self.engine / "docker.sock"

    @property
    def path(self) -> Path:
        """A directory for PATH, with `buildx` and the clients in it."""
        return self.root / "bin"

    @property
    def buildkitd_config(self) -> Path:
        """The configuration for builders."""
        return self.root / "buildkitd.toml"

    def service(self, name: str) -> Path:
        """Return the directory of one cache service's content."""
        return self.root / "services" / name

    def registry(self, name: str) -> Path:
        """Return the directory of one registry's configuration and content."""
        return self.root / "registries" / name


def link(layout: Layout, program: Path, name: str) -> None:
    """Put a program on the lab's PATH under a name."""
    unfinished = _unfinished_program(layout, name)
    unfinished.symlink_to(program)
    unfinished.rename(layout.path / name)


def write_program(layout: Layout, name: str, text: str) -> None:
    """Put a script on the lab's PATH."""
    unfinished = _unfinished_program(layout, name)
    unfinished.write_text(text)
    unfinished.chmod(0o755)
    unfinished.rename(layout.path / name)


def _unfinished_program(layout: Layout, name: str) -> Path:
    """Return a free path beside the one of a program that may be in use."""
    layout.path.mkdir(parents=True, exist_ok=True)
    unfinished = layout.path / f".{name}"
    unfinished.unlink(missing_ok=True)
    return unfinished


def find_layout() -> Layout:
    """Read the place of the cache from XDG_CACHE_HOME, like any program that keeps a cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Layout(root=Path(cache) / "warmbuild-lab")


def recipe_key(*parts: str | bytes) -> str:
    """Return a short name for what a part is made from; another recipe gives another name."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:16]


def make_once(directory: Path, make: Callable[[Path], object]) -> Path:
    """Return `directory`; when absent, let `make` fill a temporary one that then takes its name.

    So a killed run leaves nothing that looks finished. Call it with the lab's lock held.
    """
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        for left in directory.parent.glob(f"{UNFINISHED}*"):  # by a killed run
            shutil.rmtree(left)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=directory.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(directory)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return directory
