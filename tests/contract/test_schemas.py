"""Every file for a CI system is valid by that system's own schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORKFLOWS = [".github/workflows/ci.yml", ".github/workflows/release.yml"]
PINNED = re.compile(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def test_every_workflow_is_checked(root: Path) -> None:
    found = (root / ".github/workflows").iterdir()
    assert sorted(str(path.relative_to(root)) for path in found) == WORKFLOWS


def test_action(run: Callable[..., str]) -> None:
    run("check-jsonschema", "--builtin-schema=vendor.github-actions", "action.yml")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow(name: str, run: Callable[..., str]) -> None:
    run("check-jsonschema", "--builtin-schema=vendor.github-workflows", name)


@pytest.mark.parametrize("name", ["action.yml", *WORKFLOWS])
def test_action_validator(name: str, action_validator: Path, run: Callable[..., str]) -> None:
    run(action_validator, name)


@pytest.mark.parametrize("name", [".gitlab-ci.yml", "gitlab-component/.gitlab-ci.yml"])
def test_gitlab(name: str, root: Path, check_gitlab: Callable[[Path], str]) -> None:
    check_gitlab(root / name)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_trusts_nothing_that_can_change(name: str, read: Callable[[str], str]) -> None:
    lines = [line.strip() for line in read(name).splitlines()]
    uses = [line.partition("uses: ")[2] for line in lines if "uses: " in line]
    movable = [text for text in uses if text != "./" and not PINNED.fullmatch(text)]
    assert movable == []
    assert "permissions: {}" in lines
    checkouts = [text for text in uses if text.startswith("actions/checkout@")]
    assert lines.count("persist-credentials: false") == len(checkouts)
