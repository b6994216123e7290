"""This run's logins before the user's own, and what a credential helper makes of it."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warmbuild.builder import private_directory
from warmbuild.errors import InputError, RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.registry import aws, docker_config
from warmbuild.registry.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Callable

PUSH = "repository:me/app:pull,push"
PULL = "repository:me/app:pull"


def login(username: str, scope: str = "", host: str = "r.io") -> Login:
    return Login(host=host, username=username, password="x", scope=scope)


def auth(username: str) -> dict[str, object]:
    return {"auths": {"r.io": {"auth": base64.b64encode(f"{username}:x".encode()).decode()}}}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}",
    }


@pytest.fixture
def helper(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a credential helper as a script."""

    def write(name: str, script: str) -> None:
        path = Path(env["PATH"].partition(os.pathsep)[0]) / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", env["PATH"])

    return write


def configure(env: dict[str, str], config: dict[str, object], folder: str = "") -> Path:
    path = Path(env["DOCKER_CONFIG"], folder, "config.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


class TestOrder:
    """Which login is used for what."""

    def test_ones_own_first(self, env: dict[str, str]) -> None:
        configure(env, auth("user"))
        assert Keyring([login("own")], env).login("r.io") == login("own")
        assert Keyring([login("own", host="x.io")], env).login("r.io") == login("user")
        assert Keyring([login("own", "@push")], env).login("r.io") == login("user")
        assert Keyring([], env).login("x.io") is None

    def test_a_scope_first(self, env: dict[str, str]) -> None:
        keyring = Keyring([login("all"), login("push", "@push")], env)
        assert keyring.scoped("r.io", PUSH) == login("push", "@push")
        assert keyring.scoped("r.io", PULL) is None
        assert keyring.scoped("x.io", PUSH) is None

    def test_the_users_scopes_are_read_too(self, env: dict[str, str]) -> None:
        configure(env, auth("user"), "buildx/config/r.io/me/app@push")
        configure(env, auth("any"), "buildx/config/r.io@pull")
        keyring = Keyring([login("own", "me/app")], env)
        assert keyring.scoped("r.io", PUSH) == login("user", "me/app@push")
        assert keyring.scoped("r.io", PULL) == login("own", "me/app")
        assert keyring.scoped("r.io", "repository:x:pull") == login("any", "@pull")

    def test_buildx_sees_the_same(self, env: dict[str, str]) -> None:
        configure(env, auth("user"), "buildx/config/r.io/me/app@push")
        configure(env, auth("any"), "buildx/config/r.io@pull")
        own = [login("all"), login("own", "me/app@push"), login("hub", "a", "docker.io")]
        with private_directory.private(env, own, []) as private:
            found = {
                str(path.parent.relative_to(private.root)): json.loads(path.read_text())
                for path in private.root.rglob("config.json")
            }
            modes = {stat.S_IMODE(path.stat().st_mode) for path in private.root.rglob("*.json")}
        helpers = {"credHelpers": {"r.io": ""}}
        hub = "https://index.docker.io/v1/"
        assert found == {
            "docker": auth("all") | helpers,
            "buildx/config/r.io/me/app@push": auth("own") | helpers,
            "buildx/config/r.io@pull": auth("any"),
            "buildx/config/registry-1.docker.io/a": {
                "auths": {hub: {"auth": base64.b64encode(b"hub:x").decode()}},
                "credHelpers": {hub: ""},
            },
        }
        assert 0o600 in modes


@pytest.mark.processes
class TestHelpers:
    """Programs of the user, which may be anything."""

    def test_it_is_asked_once(
        self, env: dict[str, str], helper: Callable[[str, str], None], tmp_path: Path
    ) -> None:
        answer = '{"ServerURL": "r.io", "Username": "me", "Secret": "x"}'
        helper("fine", f"echo >> {tmp_path}/calls; echo '{answer}'")
        configure(env, {"credHelpers": {"r.io": "fine"}})
        keyring = Keyring([], env)
        assert keyring.login("r.io") == keyring.login("r.io") == login("me")
        assert (tmp_path / "calls").read_text() == "\n"

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            (
                "echo the vault is shut; exit 1",
                'docker-credential-odd says "the vault is shut"',
            ),
            (
                """echo '{"Username": "me", "Secret": "hunter2"}'; exit 1""",
                'docker-credential-odd says "',
            ),
            ("echo hello", "its answer is not JSON"),
            ("echo '{}'", "its answer contains no login"),
            ("echo '[]'", "its answer contains no login"),
        ],
    )
    def test_one_that_fails(
        self, script: str, said: str, env: dict[str, str], helper: Callable[[str, str], None]
    ) -> None:
        helper("odd", script)
        configure(env, {"credsStore": "odd"})
        keyring = Keyring([], env)
        for _ in range(2):
            with pytest.raises(RegistryError) as raised:
                keyring.login("r.io")
            assert str(raised.value) == (
                "the credential helper that the Docker configuration names for r.io fails: "
                f"{said}. Fix the helper, or give username and password."
            )

    def test_one_that_has_nothing(
        self, env: dict[str, str], helper: Callable[[str, str], None]
    ) -> None:
        helper("empty", "echo credentials not found in native keychain; exit 1")
        configure(env, {"credsStore": "empty"})
        assert Keyring([], env).login("r.io") is None

    def test_those_that_are_gone_are_left_out(
        self, env: dict[str, str], helper: Callable[[str, str], None]
    ) -> None:
        helper("fine", "exit 1")
        helpers = {"a.io": "fine", "b.io": "gone", "c.io": ""}
        configure(env, {"credsStore": "lost", "credHelpers": helpers, "psFormat": "x"} | auth("me"))
        keyring = Keyring([], env)
        assert keyring.gone == {
            "b.io": "docker-credential-gone",
            "": "docker-credential-lost",
        }
        assert keyring.login("r.io") == login("me")
        assert keyring.login("b.io") is None
        with private_directory.private(env, [], []) as private:
            found = json.loads((private.docker_config / "config.json").read_text())
        assert found == auth("me") | {
            "credHelpers": {"a.io": "fine", "c.io": ""},
            "psFormat": "x",
        }


ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OF_AWS = Login(host=ECR, username="", password="", is_ecr=True)


class TestTokensOfAws:
    """Without boto3; test_aws.py is about the rest."""

    @pytest.fixture(autouse=True)
    def _no_boto(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)

    @pytest.mark.processes
    def test_the_helper_of_aws_answers(
        self, env: dict[str, str], helper: Callable[[str, str], None]
    ) -> None:
        helper(
            "ecr-login", f"""echo '{{"ServerURL": "{ECR}", "Username": "AWS", "Secret": "t"}}'"""
        )
        keyring = Keyring([OF_AWS, login("me")], env)
        keyring.fill([], pytest.fail)
        assert keyring.login(ECR) == Login(host=ECR, username="AWS", password="t")
        with private_directory.private(env, keyring.own, []) as private:
            found = json.loads((private.docker_config / "config.json").read_text())
        assert found == auth("me") | {"credHelpers": {ECR: "ecr-login", "r.io": ""}}

    def test_the_users_own_helper_is_left_to_it(
        self, env: dict[str, str], helper: Callable[[str, str], None]
    ) -> None:
        helper("mine", "exit 1")
        configure(env, {"credHelpers": {ECR: "mine"}})
        keyring = Keyring([OF_AWS], env)
        keyring.fill([], pytest.fail)
        assert keyring.own == ()

    def test_there_is_nothing(self, env: dict[str, str]) -> None:
        with pytest.raises(InputError, match="which boto3 would get"):
            Keyring([OF_AWS], env).fill([], pytest.fail)


class TestTokensThatAreRefused:
    """What AWS says no to."""

    @pytest.fixture(autouse=True)
    def _refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: object) -> None:
            raise RegistryError("AWS gives no token")

        monkeypatch.setattr(aws, "tokens", refuse)

    def test_where_they_are_needed(self, env: dict[str, str]) -> None:
        with pytest.raises(RegistryError, match="AWS gives no token"):
            Keyring([OF_AWS], env).fill([ECR], pytest.fail)

    def test_where_they_are_not(self, env: dict[str, str]) -> None:
        heard: list[str] = []
        keyring = Keyring([OF_AWS, login("me")], env)
        keyring.fill(["r.io"], heard.append)
        assert heard == ["AWS gives no token"]
        assert keyring.own == (login("me"),)


class TestLeaving:
    """What is left of logins where logout is false."""

    def test_a_file_is_made(self, env: dict[str, str]) -> None:
        own = [login("me"), login("push", "me/app@push")]
        assert docker_config.leave(env, own) == []
        directory = Path(env["DOCKER_CONFIG"])
        found = {
            str(path.relative_to(directory)): json.loads(path.read_text())
            for path in directory.rglob("*")
            if path.is_file()
        }
        assert found == {
            "config.json": auth("me"),
            "buildx/config/r.io/me/app@push/config.json": auth("push"),
        }
        modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*.json")}
        assert modes == {0o600}

    def test_what_is_there_stays(self, env: dict[str, str], tmp_path: Path) -> None:
        real = tmp_path / "real.json"
        path = configure(env, {})
        path.unlink()
        path.symlink_to(real)
        config = {"auths": {"a.io": {"auth": "x"}}, "credHelpers": {"a.io": "b"}, "psFormat": "p"}
        real.write_text(json.dumps(config))
        assert docker_config.leave(env, [login("me")]) == []
        assert path.is_symlink()
        assert json.loads(real.read_text()) == {
            "auths": {"a.io": {"auth": "x"}} | auth("me")["auths"],  # type: ignore[operator]
            "credHelpers": {"a.io": "b", "r.io": ""},
            "psFormat": "p",
        }

    @pytest.mark.processes
    def test_a_helper_keeps_it(
        self, env: dict[str, str], helper: Callable[[str, str], None], tmp_path: Path
    ) -> None:
        helper("keeper", f'echo "$1" > {tmp_path}/asked; cat >> {tmp_path}/asked')
        config = configure(env, {"credsStore": "keeper"})
        before = config.read_text()
        assert docker_config.leave(env, [login("me", host="docker.io")]) == []
        verb, _, said = (tmp_path / "asked").read_text().partition("\n")
        assert verb == "store"
        assert json.loads(said) == {
            "ServerURL": "https://index.docker.io/v1/",
            "Username": "me",
            "Secret": "x",
        }
        assert config.read_text() == before

    def test_what_cannot_be_left(self, env: dict[str, str]) -> None:
        path = configure(env, {})
        path.write_text("{ not JSON")
        assert docker_config.leave(env, [login("me")]) == [f"{path} is not a Docker configuration"]
        assert path.read_text() == "{ not JSON"
        path.write_text('{"credsStore": "lost"}')
        (said,) = docker_config.leave(env, [login("me")])
        assert "docker-credential-lost is not installed" in said
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("a file")
        (said,) = docker_config.leave(env, [login("me")])
        assert said.endswith(": File exists")
