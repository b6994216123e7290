"""What the contract tests share: the files of this checkout, and the programs that judge them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    # Runs a command in the checkout and returns what it printed; fails where the command does.
    Run = Callable[..., str]

ACTION_VALIDATOR = "0.6.0"


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def read(root: Path) -> Callable[[str], str]:
    """Return the text of a file of the checkout."""
    return lambda name: (root / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def documents(read: Callable[[str], str]) -> Callable[[str], list[dict[str, Any]]]:
    """Return the YAML documents of a file of the checkout."""
    return lambda name: list(yaml.safe_load_all(read(name)))


@pytest.fixture(scope="session")
def run(root: Path) -> Run:
    def command(*argv: str | Path) -> str:
        # Programs that came with this Python are found, also where its environment is not active.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(  # noqa: S603 (each argument is written out in a test)
            argv,
            cwd=root,
            env={**os.environ, "PATH": path, "PYTHONPATH": "src"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return command


@pytest.fixture(scope="session")
def check_gitlab(run: Run) -> Callable[[Path], str]:
    """Check a pipeline with GitLab's own schema."""
    return lambda path: run(
        "check-jsonschema",
        "--builtin-schema=vendor.gitlab-ci",
        "--data-transform=gitlab-ci",
        "--regex-variant=nonunicode",
        path,
    )


@pytest.fixture(scope="session")
def action_validator(run: Run) -> Path:
    """Return the path of @action-validator/cli, which is installed once a machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    prefix = cache / "warmbuild-lab" / "npm" / f"action-validator-{ACTION_VALIDATOR}"
    program = prefix / "node_modules" / ".bin" / "action-validator"
    if not program.exists():
        prefix.mkdir(parents=True, exist_ok=True)
        packages = (f"@action-validator/{part}@{ACTION_VALIDATOR}" for part in ("cli", "core"))
        options = ("--ignore-scripts", "--no-audit", "--no-fund")
        run("npm", "install", *options, "--prefix", prefix, *packages)
    return program
