"""The files of a checkout as git writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
# What the recorded indexes hold, but for a link and a submodule.
TRACKED = {"README.md": 0o644, "dir/sub/z.py": 0o644, "dir/sub/ü.txt": 0o644, "run.sh": 0o755}


def record(root: Path, version: str) -> None:
    shutil.copyfile(DATA / f"git-2.39.5-{version}.index", root / ".git" / "index")
