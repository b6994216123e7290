"""The faults share what the integration tests have: the lab, runs, registries and projects."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.faults.engines import engine_behind
from tests.integration.conftest import (
    SMALL,
    Warmbuild,
    _runs,
    auth_proxy,
    auth_registry,
    engine,
    github,
    lab,
    name,
    program,
    project,
    proxy,
    registry,
    repository,
    running,
    secured,
    small,
    unused_port,
    warmbuild,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from tests.faults.engines import Engine
    from tests.integration.conftest import Lab

__all__ = [
    "_runs",
    "auth_proxy",
    "auth_registry",
    "engine",
    "github",
    "lab",
    "name",
    "program",
    "project",
    "proxy",
    "registry",
    "repository",
    "secured",
    "small",
    "unused_port",
    "warmbuild",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak", "builds with random faults")
    group.addoption("--seed", type=int, default=secrets.randbelow(10**6), help="of the faults")
    group.addoption("--minutes", type=float, default=30.0, help="how long the soak lasts")


@pytest.fixture
def daemon(lab: Lab, tmp_path: Path) -> Iterator[Engine]:
    """Have a proxy before the engine that fails as it is told to."""
    # The path of a socket has at most 107 characters.
    with engine_behind(tmp_path.parent / "e.sock", lab.engine_socket) as found:
        yield found


@pytest.fixture(scope="module")
def together(
    lab: Lab,
    engine: docker.DockerClient,
    tmp_path_factory: pytest.TempPathFactory,
    _runs: list[Warmbuild],
) -> Iterator[Warmbuild]:
    """Start the runs of all cases of a module that wait at the same time; see `at_once`."""
    with running(lab, engine, tmp_path_factory.mktemp("together"), _runs) as runs:
        yield runs


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a small project for all of them."""
    return written(tmp_path_factory.mktemp("small"), SMALL)
