"""The attacks share what the integration tests have: the lab, runs, registries and projects."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from tests.integration import authority
from tests.integration.conftest import (
    _runs,
    auth_proxy,
    auth_registry,
    engine,
    flask,
    github,
    github_cache,
    lab,
    name,
    program,
    project,
    proxy,
    registry,
    repository,
    secured,
    small,
    unused_port,
    warmbuild,
)
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "_runs",
    "auth_proxy",
    "auth_registry",
    "engine",
    "flask",
    "github",
    "github_cache",
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


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = certificates / "server"
    context.load_cert_chain(server / "cert.pem", server / "key.pem")
    return context


@pytest.fixture
def trusted(certificates: Path) -> Transport:
    return Transport(verify=str(certificates / "server" / "ca.pem"))
