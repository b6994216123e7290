from __future__ import annotations

import base64
import json
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.foreign import shapes
from warmbuild.builder import private_directory
from warmbuild.errors import EngineError, RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.inputs.values import Secret
from warmbuild.registry import credential_helpers, docker_config
from warmbuild.trust import FORK, LOCAL, TRUSTED, Trust

LOGIN = Login(host="r.io", username="me", password='it\'s "pa:ss" $HOME')
AUTH = base64.b64encode(b'me:it\'s "pa:ss" $HOME').decode()


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return {"HOME": str(tmp_path / "home")}


def write_config(env: dict[str, str], text: str) -> Path:
    directory = Path(env["HOME"], ".docker")
    directory.mkdir(parents=True)
    path = directory / "config.json"
    path.write_text(text)
    return path


def test_a_login_is_laid_over_the_users_configuration() -> None:
    config = {"auths": {"x.io": {"auth": "eA=="}}, "credsStore": "desktop", "currentContext": "c"}
    assert docker_config.merged(config, [LOGIN]) == {
        "auths": {"x.io": {"auth": "eA=="}, "r.io": {"auth": AUTH}},
        "credHelpers": {"r.io": ""},
        "credsStore": "desktop",
        "currentContext": "c",
    }


def test_docker_hub_goes_by_another_name() -> None:
    login = Login(host="docker.io", username="me", password="x")
    assert "https://index.docker.io/v1/" in str(docker_config.merged({}, [login])["auths"])


def test_without_a_login_the_configuration_is_the_users() -> None:
    config = {"credHelpers": {"r.io": "ecr"}}
    assert docker_config.merged(config, []) == config
    assert docker_config.merged({}, []) == {}


def test_the_environment_may_hold_logins_too(env: dict[str, str]) -> None:
    write_config(env, '{"auths": {"a.io": {"auth": "YQ=="}}, "credsStore": "desktop"}')
    env["DOCKER_AUTH_CONFIG"] = '{"auths": {"b.io": {"auth": "Yg=="}}}'
    assert docker_config.read_config(env) == {
        "auths": {"a.io": {"auth": "YQ=="}, "b.io": {"auth": "Yg=="}},
        "credHelpers": {"b.io": ""},
        "credsStore": "desktop",
    }


@pytest.mark.parametrize("text", ["", "[]", "{", '"text"'])
def test_a_configuration_that_cannot_be_read_is_empty(env: dict[str, str], text: str) -> None:
    write_config(env, text)
    env["DOCKER_AUTH_CONFIG"] = text
    assert docker_config.read_config(env) == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [({}, False), ({"auths": {}}, False), ({"credsStore": "x"}, True), ({"auths": {"a": 1}}, True)],
)
def test_whether_there_may_be_logins(config: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    assert docker_config.has_logins(config) is expected


def test_the_private_directory_is_nobody_elses_and_goes(env: dict[str, str]) -> None:
    path = write_config(env, '{"currentContext": "c"}')
    (path.parent / "contexts" / "meta" / "m").mkdir(parents=True)
    (path.parent / "contexts" / "meta" / "m" / "meta.json").write_text('{"Name": "c"}')
    (path.parent / "buildx" / "instances").mkdir(parents=True)
    (path.parent / "buildx" / "instances" / "mine").write_text("{}")
    (path.parent / "buildx" / "buildkitd.default.toml").write_text("debug = true")
    secrets = [Secret(id="A", value=" one\ntwo "), Secret(id="B", path="/b")]
    with private_directory.private(env, [LOGIN], secrets) as private:
        assert stat.S_IMODE(private.root.stat().st_mode) == 0o700
        written = private.docker_config / "config.json"
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert json.loads(written.read_text()) == {
            "currentContext": "c",
            "auths": {"r.io": {"auth": AUTH}},
            "credHelpers": {"r.io": ""},
        }
        assert (private.docker_config / "contexts/meta/m/meta.json").is_file()
        assert (private.buildx_config / "instances/mine").is_file()
        assert (private.buildx_config / "buildkitd.default.toml").read_text() == "debug = true"
        assert private.secret("A").read_bytes() == b" one\ntwo "
        assert stat.S_IMODE(private.secret("A").stat().st_mode) == 0o600
        assert not private.secret("B").exists()
        assert private.file("iid").parent == private.root
    assert not private.root.exists()
    assert path.read_text() == '{"currentContext": "c"}'


def test_the_private_directory_goes_after_an_error(env: dict[str, str]) -> None:
    with (
        pytest.raises(RuntimeError, match="boom"),
        private_directory.private(env, [LOGIN], []) as private,
    ):
        raise RuntimeError("boom")
    assert not private.root.exists()


def test_a_temporary_directory_that_cannot_be_written(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
    with (
        pytest.raises(
            EngineError,
            match="the temporary directory /no/such/directory cannot be written: No such file",
        ),
        private_directory.private(env, [], []),
    ):
        pass


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"auths": {"r.io": {"auth": AUTH}}}, LOGIN, id="an entry"),
        pytest.param({"auths": {"https://r.io/v2/": {"auth": AUTH}}}, LOGIN, id="by address"),
        pytest.param(
            {"auths": {"r.io": {"identitytoken": "t"}}},
            Login(host="r.io", username="<token>", password="t"),
            id="an identity token",
        ),
        pytest.param({"auths": {"x.io": {"auth": AUTH}}}, None, id="another registry's"),
        pytest.param({"auths": {"r.io": {}}}, None, id="an entry that a store has"),
        pytest.param({"auths": {"r.io": {"auth": "%%%"}}}, None, id="an entry that is broken"),
    ],
)
def test_the_sdk_finds_a_credential(config: dict[str, object], expected: Login | None) -> None:
    assert credential_helpers.credential(config, "r.io") == expected


def test_a_helper_that_fails_says_so() -> None:
    with pytest.raises(RegistryError) as raised:
        credential_helpers.credential({"credHelpers": {"r.io": "no-such-helper"}}, "r.io")
    assert str(raised.value) == (
        "the credential helper that the Docker configuration names for r.io fails: "
        "docker-credential-no-such-helper is not installed. Fix the helper, "
        "or give username and password."
    )


AUTHS = ("auths", "credHelpers", "credsStore", "r.io", "auth", "username", "password")
ENTRIES = shapes([*AUTHS, "identitytoken", "IdentityToken", "https://index.docker.io/v1/"])


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(AUTHS), ENTRIES) | ENTRIES)
def test_every_configuration_of_a_user_is_read(config: object) -> None:
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": "", "DOCKER_AUTH_CONFIG": json.dumps(config)}
        write_config(env, json.dumps(config))
        found, _ = docker_config.usable(docker_config.read_config(env), env)
        assert docker_config.merged(found, [LOGIN])["auths"]
        for host in ("r.io", "docker.io"):
            docker_config.helper(found, host)
            with suppress(RegistryError):
                login = credential_helpers.credential(found, host)
                assert login is None or (login.username and isinstance(login.password, str))


@given(st.text() | st.text('{}[]:,"a', max_size=30))
def test_every_text_is_a_configuration(text: str) -> None:
    env = {"HOME": "/nowhere", "DOCKER_AUTH_CONFIG": text}
    assert isinstance(docker_config.read_config(env), dict)


def write_context(env: dict[str, str], name: str) -> None:
    meta = Path(env["HOME"], ".docker", "contexts", "meta", name)
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name}))


def test_contexts_are_known_by_the_names_in_their_files(env: dict[str, str]) -> None:
    assert docker_config.contexts(env) == ("default",)
    for name in ("rootless", "dind"):
        write_context(env, name)
    (Path(env["HOME"]) / ".docker/contexts/meta/dind/meta.json").write_text("[]")
    assert docker_config.contexts(env) == ("default", "rootless")


@pytest.mark.parametrize(
    ("text", "has_context", "more", "said"),
    [
        pytest.param("foo_bar", False, {}, "is no JSON object, so it is ignored", id="malformed"),
        pytest.param("[]", False, {}, "is no JSON object, so it is ignored", id="a list"),
        pytest.param("", False, {}, "", id="empty"),
        pytest.param("{}", False, {}, "", id="nothing in it"),
        pytest.param('{"auths": {}}', False, {}, "", id="in order"),
        pytest.param(
            '{"currentContext": "c"}',
            False,
            {},
            "names the context 'c', which is not beside it, so the default one is used",
            id="a context that is not there",
        ),
        pytest.param('{"currentContext": "c"}', True, {}, "", id="a context that is there"),
        pytest.param(
            '{"currentContext": "c"}', False, {"DOCKER_HOST": "tcp://h"}, "", id="no matter: a host"
        ),
        pytest.param(
            '{"currentContext": "c"}',
            False,
            {"DOCKER_CONTEXT": "d"},
            "",
            id="no matter: another context",
        ),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(
    env: dict[str, str], text: str, more: dict[str, str], said: str, *, has_context: bool
) -> None:
    path = write_config(env, text)
    if has_context:
        write_context(env, "c")
    expected = [f"the Docker configuration {path} {said}"] if said else []
    assert list(docker_config.faults(env | more)) == expected
    assert ("currentContext" in docker_config.read_config(env)) == has_context


def test_a_configuration_that_is_not_there_is_in_order(env: dict[str, str]) -> None:
    assert list(docker_config.faults(env)) == []


def test_a_configuration_that_cannot_be_read_is_said(env: dict[str, str]) -> None:
    path = write_config(env, "")
    path.unlink()
    path.mkdir()
    said = f"the Docker configuration {path} cannot be read, so it is ignored"
    assert list(docker_config.faults(env)) == [said]


PROXIES = {"proxies": {"default": {"httpProxy": "http://me:hunter%212@p:1", "noProxy": "a.b"}}}


@pytest.mark.parametrize(
    ("config", "passwords"),
    [
        pytest.param(PROXIES, ["hunter%212", "hunter!2"], id="a password"),
        pytest.param({"proxies": {"tcp://h": {"httpProxy": "http://p:1"}}}, [], id="no password"),
        pytest.param({"proxies": {"default": "x"}}, [], id="malformed"),
        pytest.param({"proxies": []}, [], id="no object"),
        pytest.param({}, [], id="none"),
    ],
)
def test_the_passwords_of_proxies(config: dict[str, object], passwords: list[str]) -> None:
    config = {"auths": {}, **config}
    assert list(docker_config.proxy_passwords(config)) == passwords
    left = {"auths": {}} if passwords else config
    assert docker_config.without_proxies(config) == left


@pytest.mark.parametrize(("trust", "expected"), [(TRUSTED, PROXIES), (LOCAL, PROXIES), (FORK, {})])
def test_untrusted_code_gets_no_proxy_with_a_password(
    env: dict[str, str], trust: Trust, expected: dict[str, object]
) -> None:
    write_config(env, json.dumps(PROXIES))
    with private_directory.private(env, [], [], trust) as private:
        assert json.loads((private.docker_config / "config.json").read_text()) == expected
