"""Every file for a CI system is valid by that system's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORKFLOWS = [".github/workflows/ci.yml", ".github/workflows/release.yml"]


def test_every_workflow_is_checked(root: Path) -> None:
    found = (root / ".github/workflows").iterdir()
    assert sorted(str(path.relative_to(root)) for path in found) == WORKFLOWS


def test_action(run: Callable[..., str]) -> None:
    run("check-jsonschema", "--builtin-schema=vendor.github-actions", "action.yml")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow(name: str, run: Callable[..., str]) -> None:
    run("check-jsonschema", "--builtin-schema=vendor.github-workflows", name)


def test_action_validator(action_validator: Path, run: Callable[..., str]) -> None:
    """For action.yml alone: `make lint` has actionlint, which knows newer permissions."""
    run(action_validator, "action.yml")


@pytest.mark.parametrize("name", [".gitlab-ci.yml", "gitlab-component/.gitlab-ci.yml"])
def test_gitlab(name: str, root: Path, check_gitlab: Callable[[Path], str]) -> None:
    check_gitlab(root / name)


def test_renovate(run: Callable[..., str]) -> None:
    run("check-jsonschema", "--builtin-schema=vendor.renovate", ".github/renovate.json")
