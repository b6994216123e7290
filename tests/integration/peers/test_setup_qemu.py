"""The jobs with which docker/setup-qemu-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Arm64
    from tests.integration.peers.conftest import Step

BOTH = {"platforms": "linux/amd64,linux/arm64", "qemu_platforms": "all"}


@pytest.fixture
def machine(project: Callable[..., Path], arm64: Arm64) -> Path:
    return project(f"FROM {arm64.image}\nRUN uname -m\n")


def test_error(uses: Step, machine: Path, tmp_path: Path) -> None:
    """Without an engine the step is red."""
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ended = uses.where(**nowhere).fail(machine, context=".", builder="", push="false", **BOTH)
    assert ended.code == 3


@pytest.mark.parametrize("value", ["true", "false"])
def test_cache_image(value: str, *, uses: Step, machine: Path) -> None:
    """The platforms are there, however the image that installs them is kept."""
    ended = uses(machine, context=".", push="false", cache_image=value, **BOTH)
    assert {"linux/amd64", "linux/arm64"} <= set(ended.outputs["platforms"].split(","))
