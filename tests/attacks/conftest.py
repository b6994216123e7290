"""The attacks share what the integration tests have: the lab, runs, registries and projects."""

from __future__ import annotations

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
