"""The jobs with which docker/login-action tests itself, with warmbuild in its place.

A test has the name of a job, and its first line says what the job asserts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import docker
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry
    from tests.integration.peers.conftest import Step


@pytest.fixture
def login(lab: Lab) -> dict[str, str]:
    return {"registry": lab.auth_registry, "username": lab.username, "password": lab.password}


def test_stop_docker(
    uses: Step,
    auth_registry: Registry,
    secured: str,
    small: Path,
    login: dict[str, str],
    tmp_path: Path,
) -> None:
    """No engine is needed to log in."""
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "DOCKER_CONFIG": str(tmp_path)}
    ended = uses.where(**nowhere)(
        small, image=secured, plan_only="true", probe="true", logout="false", **login
    )
    assert ended.warnings == []
    assert auth_registry.asked(secured, "GET") or auth_registry.asked(secured, "HEAD")


def test_dind(
    uses: Step, lab: Lab, secured: str, small: Path, login: dict[str, str], tmp_path: Path
) -> None:
    """A later step pulls with the login that was left to it."""
    place = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    uses.where(**place)(small, context=".", image=secured, push="true", logout="false", **login)
    client = docker.DockerClient(base_url=lab.env["DOCKER_HOST"])
    with client.api:
        client.api.reload_config(str(tmp_path / "docker" / "config.json"))
        pulled = client.images.pull(secured, tag="main")
        try:
            assert f"{secured}:main" in pulled.tags
        finally:
            client.images.remove(f"{secured}:main")


def test_registry_auth_dup(uses: Step, secured: str, small: Path, login: dict[str, str]) -> None:
    """The job logs in to one registry twice, which is green."""
    logins = json.dumps([login | {"password": "wrong"}, login])
    ended = uses(small, context=".", image=secured, registry_auth=logins, push="true")
    assert "registry-auth has several logins for" in ended.log


def test_registry_auth_exclusive(
    uses: Step, secured: str, small: Path, login: dict[str, str]
) -> None:
    """One login and a list of them are red."""
    logins = json.dumps([login])
    ended = uses.fail(small, context=".", image=secured, registry_auth=logins, **login)
    assert ended.code == 2
    assert "registry-auth" in ended.log
