"""Install programs from npm, as their lock files say."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lab.commands import run
from lab.layout import make_once, recipe_key

if TYPE_CHECKING:
    from pathlib import Path

    from lab.layout import Layout


def install(layout: Layout, sources: Path) -> Path:
    """Return the `node_modules` of what a directory's package.json asks for; no script runs."""
    files = [sources / name for name in ("package.json", "package-lock.json")]

    def make(directory: Path) -> None:
        for file in files:
            shutil.copy(file, directory)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory)

    key = recipe_key(*(file.read_bytes() for file in files))
    return make_once(layout.root / sources.name / key, make) / "node_modules"
