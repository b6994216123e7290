"""How often a cold push fails because the export of its cache runs beside it.

`make bench-push` runs it on the lab, with the bare commands: one warm builder pushes to empty
repositories, so that image and cache upload the same blobs at the same time.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import bare

PUSHES = 40


def main() -> None:
    """Push, and print how many pushes and how many exports failed."""
    builder, failed, lost = "bench-push", 0, 0
    with tempfile.TemporaryDirectory(prefix="warmbuild-bench-") as directory:
        state = Path(directory)
        bare.create(builder, state)
        for _ in range(PUSHES):
            repository = f"{bare.REGISTRY}/bench-{secrets.token_hex(4)}/flask"
            done = bare.build(builder, state, repository, "main")
            failed += bool(done.returncode)
            lost += not done.returncode and "error writing" in done.stdout
        bare.remove(builder, state)
    print(f"{failed} of {PUSHES} pushes failed, {lost} more lost their cache")


if __name__ == "__main__":
    main()
