from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild import builder
from warmbuild.credentials import Private

if TYPE_CHECKING:
    from pathlib import Path

HERE = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Return the directory that a docker-in-docker service shares; it is empty while it boots."""
    path = tmp_path / "certs"
    path.mkdir()
    return path


def engine_of(tmp_path: Path, **env: str) -> dict[str, str]:
    found = builder.environment(env, Private(root=tmp_path / "private"))
    return {name: found[name] for name in HERE if name in found}


def test_a_service_that_shares_certificates_is_the_engine(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "_SOCKET", str(tmp_path / "none.sock"))
    assert engine_of(tmp_path, DOCKER_TLS_CERTDIR=str(certificates)) == {
        "DOCKER_HOST": "tcp://docker:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(certificates / "client"),
    }


@pytest.mark.parametrize("reason", ["a socket", "a host of the user's own", "no certificates"])
def test_else_the_engine_is_where_it_always_is(
    tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    socket = tmp_path / "docker.sock"
    monkeypatch.setattr(builder, "_SOCKET", str(socket))
    env = {"DOCKER_TLS_CERTDIR": str(certificates)}
    if reason == "a socket":
        socket.touch()
    elif reason == "a host of the user's own":
        env["DOCKER_HOST"] = "tcp://there:2375"
    else:
        env["DOCKER_TLS_CERTDIR"] = str(tmp_path / "nowhere")
    own = {"DOCKER_HOST": env["DOCKER_HOST"]} if "DOCKER_HOST" in env else {}
    assert engine_of(tmp_path, **env) == own


def test_certificates_are_the_users_where_nobody_says(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://there:2376", "DOCKER_TLS_VERIFY": "1", "HOME": "/somewhere"}
    assert engine_of(tmp_path, **env)["DOCKER_CERT_PATH"] == "/somewhere/.docker"


def test_buildx_gets_no_inputs_and_the_runs_own_configuration(tmp_path: Path) -> None:
    private = Private(root=tmp_path)
    given = {"INPUT_PASSWORD": "x", "DOCKER_AUTH_CONFIG": "{}", "NPM_TOKEN": "y", "PATH": "/none"}
    assert builder.environment(given, private) == {
        "NPM_TOKEN": "y",
        "PATH": "/none",
        # There is no git on this PATH, and buildx would warn of it.
        "BUILDX_GIT_INFO": "false",
        "DOCKER_CONFIG": str(private.docker_config),
        "BUILDX_CONFIG": str(private.buildx_config),
    }
