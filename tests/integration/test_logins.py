"""Several registries, each with a login of its own: passwords, tokens, scopes and helpers."""

from __future__ import annotations

import base64
import json
import os
import shlex
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import ROOT, gitlab
from tests.integration.tokens import TokenRegistry, User, token_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild

ALL = User(password="all of it, $HOME")
READ = User(password="only 'reads'", actions=frozenset({"pull"}))
USERS = {"all": ALL, "read": READ}


@pytest.fixture
def tokens(lab: Lab) -> Iterator[TokenRegistry]:
    with token_registry(lab.registry, USERS) as registry:
        yield registry


@pytest.fixture
def basic(lab: Lab) -> dict[str, str]:
    """Return the login for the registry that takes passwords."""
    return {"registry": lab.auth_registry, "username": lab.username, "password": lab.password}


def login(registry: TokenRegistry, username: str = "all", **more: str) -> dict[str, str]:
    """Return the login for the registry that gives tokens."""
    password = USERS[username].password
    return {"registry": registry.host, "username": username, "password": password} | more


def registry_auth(*logins: Mapping[str, str]) -> str:
    """Return a list of logins; JSON is YAML."""
    return json.dumps(logins)


def check_hidden(ended: Ended, *passwords: str) -> None:
    for password in passwords:
        for text in (ended.log, ended.summary, json.dumps(dict(ended.outputs))):
            assert password not in text


class TestSeveral:
    """Two registries in one build."""

    def test_the_image_by_a_password_and_the_cache_by_a_token(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        auth_registry: Registry,
        registry: Registry,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        build = partial(
            warmbuild.succeed,
            small,
            image=f"{lab.auth_registry}/{name}",
            cache_repository=f"{tokens.host}/{name}",
            registry_auth=registry_auth(basic, login(tokens)),
        )
        first = build()
        second = build()
        auth_registry.check_image(f"{lab.auth_registry}/{name}:main")
        registry.check_cache(f"{registry.host}/{name}:cache-main")
        assert second.executed == []
        assert first.warnings == second.warnings == []
        check_hidden(first, lab.password, ALL.password)
        assert {user for user, _ in tokens.granted} == {"all"}

    def test_the_image_by_a_token_and_the_cache_by_a_password(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        auth_registry: Registry,
        registry: Registry,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        build = partial(
            warmbuild.succeed,
            small,
            image=f"{tokens.host}/{name}",
            cache_repository=f"{lab.auth_registry}/{name}",
            registry_auth=registry_auth(basic, login(tokens)),
        )
        build()
        second = build()
        registry.check_image(f"{registry.host}/{name}:main")
        auth_registry.check_cache(f"{lab.auth_registry}/{name}:cache-main")
        assert second.executed == []
        assert second.warnings == []

    def test_the_jobs_own_login_stays_beside_them(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        auth_registry: Registry,
        tokens: TokenRegistry,
        name: str,
        small: Path,
    ) -> None:
        job = {
            "CI_REGISTRY": lab.auth_registry,
            "CI_REGISTRY_IMAGE": f"{lab.auth_registry}/{name}",
            "CI_REGISTRY_USER": lab.username,
            "CI_REGISTRY_PASSWORD": lab.password,
        }
        ended = warmbuild.succeed(
            small,
            ci=gitlab("main") | job,
            cache_repository=f"{tokens.host}/{name}",
            registry_auth=registry_auth(login(tokens)),
        )
        auth_registry.check_image(f"{lab.auth_registry}/{name}:main")
        assert ended.outputs["cache-written"] == f"{tokens.host}/{name}:cache-main"
        check_hidden(ended, lab.password, ALL.password)

    def test_github_hides_all_of_them(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
        github: Callable[..., dict[str, str]],
    ) -> None:
        ended = warmbuild.succeed(
            small,
            ci=github("push", "github-push.json", "refs/heads/main"),
            image=f"{lab.auth_registry}/{name}",
            cache_repository=f"{tokens.host}/{name}",
            registry_auth=registry_auth(basic, login(tokens)),
        )
        others = [text for _, text in ended.lines if not text.startswith("::add-mask::")]
        for password in (lab.password, ALL.password):
            assert f"::add-mask::{password}" in ended.log
            assert password not in "\n".join(others)

    def test_nothing_is_left_behind(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        scoped = login(tokens, scope=f"{name}@push")
        warmbuild.succeed(
            small,
            image=f"{lab.auth_registry}/{name}\n{tokens.host}/{name}",
            registry_auth=registry_auth(basic, scoped, login(tokens, "read")),
        )
        written = [path for path in warmbuild.directory.rglob("*") if path.is_file()]
        pairs = [f"all:{ALL.password}", f"read:{READ.password}"]
        secrets = [lab.password, lab.basic, ALL.password, READ.password]
        secrets += [base64.b64encode(pair.encode()).decode() for pair in pairs]
        for path in written:
            text = path.read_text(errors="replace")
            assert not any(secret in text for secret in secrets), path
        assert list(warmbuild.home.iterdir()) == []
        assert list(warmbuild.temporary.iterdir()) == []


class TestWrong:
    """One of several is refused."""

    def test_where_the_image_goes(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        ended = warmbuild.build(
            small,
            image=f"{lab.auth_registry}/{name}\n{tokens.host}/{name}",
            registry_auth=registry_auth(basic, login(tokens) | {"password": "not the one"}),
        )
        assert ended.code == 5
        (said,) = ended.errors
        assert said == (
            f"error: the registry {tokens.host} refuses the login of 'all': 401 to GET /v2/ "
            "(UNAUTHORIZED: authentication required). Check username, password and registry."
        )
        check_hidden(ended, "not the one")

    def test_all_of_them_are_named(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        wrong = {"password": "not the one"}
        ended = warmbuild.build(
            small,
            image=f"{lab.auth_registry}/{name}\n{tokens.host}/{name}",
            registry_auth=registry_auth(basic | wrong, login(tokens) | wrong),
        )
        assert ended.code == 5
        assert f"the registry {lab.auth_registry} refuses the login" in ended.log
        assert f"the registry {tokens.host} refuses the login" in ended.log

    def test_where_the_cache_goes(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        registry: Registry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        ended = warmbuild.succeed(
            small,
            image=f"{registry.host}/{name}",
            cache_repository=f"{lab.auth_registry}/{name}",
            registry_auth=registry_auth(basic | {"password": "not the one"}),
        )
        registry.check_image(f"{registry.host}/{name}:main")
        assert ended.warnings
        assert all(lab.auth_registry in warning for warning in ended.warnings)

    def test_where_nothing_goes(
        self, warmbuild: Warmbuild, tokens: TokenRegistry, repository: str, small: Path
    ) -> None:
        ended = warmbuild.succeed(
            small,
            image=repository,
            registry_auth=registry_auth(login(tokens) | {"password": "not the one"}),
        )
        (warning,) = ended.warnings
        assert f"the registry {tokens.host} refuses the login of 'all'" in warning

    def test_a_list_that_cannot_be_read(
        self, warmbuild: Warmbuild, repository: str, small: Path
    ) -> None:
        ended = warmbuild.build(
            small, image=repository, registry_auth="- password: *hunter2\n  username: 'hunter3"
        )
        assert ended.code == 2
        assert "  registry-auth: is not YAML, at line 1, column 13." in ended.log
        check_hidden(ended, "hunter2", "hunter3")


class TestScopes:
    """A login for a part of a registry, in the way of docker/login-action and buildx."""

    def test_one_pushes_and_another_reads(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        tokens: TokenRegistry,
        name: str,
        small: Path,
    ) -> None:
        build = partial(
            warmbuild.succeed,
            small,
            image=f"{tokens.host}/{name}",
            registry_auth=registry_auth(login(tokens, "read"), login(tokens, scope="@push")),
        )
        build()
        second = build()
        registry.check_cache(f"{registry.host}/{name}:cache-main")
        assert second.executed == []
        assert second.warnings == []
        scopes = {(user, scope.rpartition(":")[2]) for user, scope in tokens.granted}
        assert {user for user, actions in scopes if "push" in actions} == {"all"}
        assert {user for user, actions in scopes if actions == "pull"} == {"read"}

    def test_of_one_repository(
        self, warmbuild: Warmbuild, tokens: TokenRegistry, name: str, small: Path
    ) -> None:
        ended = warmbuild.succeed(
            small,
            image=f"{tokens.host}/{name}",
            username="all",
            password=ALL.password,
            scope=name,
        )
        assert ended.outputs["cache-written"]
        assert ended.warnings == []

    def test_of_another_repository(
        self, warmbuild: Warmbuild, tokens: TokenRegistry, name: str, small: Path
    ) -> None:
        logins = registry_auth(login(tokens, scope=f"{name}-other"))
        ended = warmbuild.build(small, image=f"{tokens.host}/{name}", registry_auth=logins)
        assert ended.code == 5
        assert "was not pushed" in ended.log

    def test_where_there_are_no_tokens(
        self, warmbuild: Warmbuild, lab: Lab, basic: dict[str, str], name: str, small: Path
    ) -> None:
        logins = registry_auth(basic | {"scope": "@push"})
        image = f"{lab.auth_registry}/{name}"
        ended = warmbuild.build(small, image=image, registry_auth=logins)
        assert ended.code == 5
        (said,) = ended.errors
        assert said == (
            f"error: the registry {lab.auth_registry} uses no tokens, and a login with a scope "
            "(@push) only gets tokens. Give the login without its scope."
        )


class TestHelpers:
    """The user's own credential helpers."""

    def test_one_for_each_registry(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
        program: Callable[[str, str], dict[str, str]],
    ) -> None:
        program("docker-credential-first", says(basic))
        path = program("docker-credential-second", says(login(tokens)))
        helpers = {lab.auth_registry: "first", tokens.host: "second"}
        build = partial(
            warmbuild.succeed,
            small,
            image=f"{lab.auth_registry}/{name}",
            cache_repository=f"{tokens.host}/{name}",
        )
        extra = path | configured(warmbuild, {"credHelpers": helpers})
        build(extra=extra)
        second = build(extra=extra)
        assert second.executed == []
        assert second.warnings == []

    def test_one_that_fails_where_the_image_goes(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        secured: str,
        small: Path,
        program: Callable[[str, str], dict[str, str]],
    ) -> None:
        path = program("docker-credential-shut", "echo the vault is shut\nexit 1\n")
        extra = path | configured(warmbuild, {"credHelpers": {lab.auth_registry: "shut"}})
        ended = warmbuild.build(small, image=secured, extra=extra)
        assert ended.code == 5
        (said,) = ended.errors
        assert said == (
            "error: the credential helper that the Docker configuration names for "
            f"{lab.auth_registry} fails: docker-credential-shut says "
            '"the vault is shut". Fix the helper, or give username and password.'
        )

    def test_one_that_fails_where_the_cache_goes(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        repository: str,
        secured: str,
        small: Path,
        program: Callable[[str, str], dict[str, str]],
    ) -> None:
        path = program("docker-credential-shut", "echo the vault is shut\nexit 1\n")
        extra = path | configured(warmbuild, {"credHelpers": {lab.auth_registry: "shut"}})
        ended = warmbuild.succeed(small, image=repository, cache_repository=secured, extra=extra)
        assert "the vault is shut" in ended.log
        assert all(lab.auth_registry in warning for warning in ended.warnings)

    def test_one_that_is_not_installed(
        self, warmbuild: Warmbuild, lab: Lab, secured: str, small: Path
    ) -> None:
        extra = configured(warmbuild, {"credHelpers": {lab.auth_registry: "lost"}})
        ended = warmbuild.build(small, image=secured, extra=extra)
        assert ended.code == 5
        (said,) = ended.errors
        assert said == (
            f"error: the image is pushed to {lab.auth_registry}, whose login is stored in "
            "docker-credential-lost, which is not installed here. Install it, or give username and "
            "password."
        )

    def test_a_store_that_is_not_installed_stops_no_build(
        self, warmbuild: Warmbuild, repository: str, small: Path
    ) -> None:
        extra = configured(warmbuild, {"credsStore": "lost"})
        ended = warmbuild.succeed(small, image=repository, extra=extra)
        (said,) = ended.warnings
        assert said == (
            "warning: logins of the Docker configuration cannot be used: docker-credential-lost is "
            "not installed here"
        )


class TestLogout:
    """With `logout: false` a login stays where Docker's clients look for it."""

    def test_another_run_finds_it(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        tokens: TokenRegistry,
        basic: dict[str, str],
        name: str,
        small: Path,
    ) -> None:
        extra = configured(warmbuild, {"psFormat": "table"})
        images = f"{lab.auth_registry}/{name}\n{tokens.host}/{name}"
        build = partial(warmbuild.succeed, small, image=images, extra=extra)
        logins = registry_auth(basic, login(tokens, "read"), login(tokens, scope=f"{name}@push"))
        build(registry_auth=logins, logout="false")
        second = build()
        assert second.executed == []
        directory = Path(extra["DOCKER_CONFIG"])
        config = json.loads((directory / "config.json").read_text())
        assert config["psFormat"] == "table"
        assert set(config["auths"]) == {lab.auth_registry, tokens.host}
        assert (directory / f"buildx/config/{tokens.host}/{name}@push/config.json").is_file()

    def test_a_wrong_one_is_not_left(
        self, warmbuild: Warmbuild, basic: dict[str, str], secured: str, small: Path
    ) -> None:
        extra = configured(warmbuild, {})
        logins = registry_auth(basic | {"password": "not the one"})
        build = partial(warmbuild.build, small, image=secured, extra=extra, logout="false")
        assert build(registry_auth=logins).code == 5
        assert (Path(extra["DOCKER_CONFIG"]) / "config.json").read_text() == "{}"


class TestAmazon:
    """Tokens of AWS for a registry by a name of one's own; a small server stands for AWS."""

    def test_keys_become_a_token(
        self, warmbuild: Warmbuild, lab: Lab, auth_registry: Registry, secured: str, small: Path
    ) -> None:
        with aws(f"{lab.username}:{lab.password}") as (address, asked):
            ended = warmbuild.succeed(
                small,
                image=secured,
                ecr="true",
                username="AKIAEXAMPLE",
                password="the secret key",
                extra={"AWS_ENDPOINT_URL": address, "AWS_REGION": "eu-west-1"},
            )
        auth_registry.check_image(f"{secured}:main")
        auth_registry.check_cache(f"{secured}:cache-main")
        assert len(asked) == 1
        assert "Credential=AKIAEXAMPLE/" in asked[0]
        assert "/eu-west-1/ecr/aws4_request" in asked[0]
        check_hidden(ended, lab.password, "the secret key")

    def test_the_machines_own_keys(
        self, warmbuild: Warmbuild, lab: Lab, secured: str, small: Path
    ) -> None:
        with aws(f"{lab.username}:{lab.password}") as (address, asked):
            warmbuild.succeed(
                small,
                image=secured,
                registry_auth=registry_auth({"registry": lab.auth_registry, "ecr": "true"}),
                extra={
                    "AWS_ENDPOINT_URL": address,
                    "AWS_REGION": "eu-west-1",
                    "AWS_ACCESS_KEY_ID": "AKIAOFMACHINE",
                    "AWS_SECRET_ACCESS_KEY": "a secret key",
                },
            )
        assert "Credential=AKIAOFMACHINE/" in asked[0]

    def test_keys_that_aws_refuses(
        self, warmbuild: Warmbuild, lab: Lab, secured: str, small: Path
    ) -> None:
        with aws("") as (address, _):
            ended = warmbuild.build(
                small,
                image=secured,
                ecr="true",
                username="AKIAEXAMPLE",
                password="the secret key",
                extra={"AWS_ENDPOINT_URL": address, "AWS_REGION": "eu-west-1"},
            )
        assert ended.code == 5
        (error,) = ended.errors
        assert f"AWS gives no token for {lab.auth_registry}: An error occurred" in error
        assert "UnrecognizedClientException" in error

    def test_a_cache_is_not_worth_a_failure(
        self, warmbuild: Warmbuild, lab: Lab, repository: str, secured: str, small: Path
    ) -> None:
        with aws("") as (address, _):
            ended = warmbuild.succeed(
                small,
                image=repository,
                cache_repository=secured,
                registry_auth=registry_auth({"registry": lab.auth_registry, "ecr": "true"}),
                extra={
                    "AWS_ENDPOINT_URL": address,
                    "AWS_REGION": "eu-west-1",
                    "AWS_ACCESS_KEY_ID": "AKIAOFMACHINE",
                    "AWS_SECRET_ACCESS_KEY": "a secret key",
                },
            )
        assert f"AWS gives no token for {lab.auth_registry}" in ended.warnings[0]

    def test_without_boto3_the_helper_of_aws_does(
        self,
        warmbuild: Warmbuild,
        lab: Lab,
        basic: dict[str, str],
        auth_registry: Registry,
        secured: str,
        small: Path,
        tmp_path: Path,
        program: Callable[[str, str], dict[str, str]],
    ) -> None:
        path = program("docker-credential-ecr-login", says(basic))
        ended = warmbuild.succeed(
            small,
            image=secured,
            registry=lab.auth_registry,
            ecr="true",
            extra=path | without_boto3(tmp_path),
        )
        auth_registry.check_image(f"{secured}:main")
        assert ended.warnings == []

    def test_without_both_it_says_what_to_do(
        self, warmbuild: Warmbuild, lab: Lab, secured: str, small: Path, tmp_path: Path
    ) -> None:
        ended = warmbuild.build(small, image=secured, ecr="true", extra=without_boto3(tmp_path))
        assert ended.code == 2
        assert (
            f"  registry: the login for {lab.auth_registry} needs a token from AWS, which boto3 "
            "would get, but boto3 is not installed. Install it" in ended.log
        )


def says(given: Mapping[str, str]) -> str:
    """Return a script of a credential helper for one registry."""
    host = given["registry"]
    answer = {"ServerURL": host, "Username": given["username"], "Secret": given["password"]}
    return (
        'test "$1" = get || exit 1\nread -r host\n'
        f'if test "$host" = {host}; then printf %s {shlex.quote(json.dumps(answer))}; exit; fi\n'
        "echo credentials not found in native keychain\nexit 1\n"
    )


def configured(warmbuild: Warmbuild, config: Mapping[str, object]) -> dict[str, str]:
    """Write a Docker configuration; return the variable that names it."""
    place = warmbuild.directory / "docker"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(place)}


def without_boto3(directory: Path) -> dict[str, str]:
    """Return what keeps a run from finding boto3."""
    place = directory / "modules"
    place.mkdir()
    (place / "boto3.py").write_text("raise ImportError")
    return {"PYTHONPATH": f"{place}{os.pathsep}{ROOT / 'src'}"}


class _Aws(BaseHTTPRequestHandler):
    """Answers GetAuthorizationToken, as the service's JSON protocol has it."""

    pair = ""
    asked: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.headers["Authorization"])
        assert self.headers["X-Amz-Target"].endswith(".GetAuthorizationToken")
        token = base64.b64encode(self.pair.encode()).decode()
        said: dict[str, object] = {"authorizationData": [{"authorizationToken": token}]}
        if not self.pair:
            said = {"__type": "UnrecognizedClientException", "message": "The token is invalid."}
        body = json.dumps(said).encode()
        self.send_response(200 if self.pair else 400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def aws(pair: str) -> Iterator[tuple[str, list[str]]]:
    """Have a server that gives `pair` for a token, or refuses where that is empty."""
    asked: list[str] = []
    handler = type("Handler", (_Aws,), {"pair": pair, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
