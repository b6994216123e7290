"""Tokens of AWS: whom to ask, and what comes of the answer. botocore's Stubber stands for AWS."""

from __future__ import annotations

import base64
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from warmbuild.errors import InputError, RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.registry import aws
from warmbuild.registry.aws import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OTHER = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"
LOGIN = Login(host=HOST, username="AKIA", password="hunter2", is_ecr=True)
ONE = ("123456789012",)


def token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("host", "env", "expected"),
    [
        pytest.param(HOST, {}, Question(region="eu-west-1", accounts=ONE), id="as the host says"),
        pytest.param(
            HOST,
            {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"},
            Question(region="eu-west-1", accounts=ONE),
            id="whatever region the machine is in",
        ),
        pytest.param(
            HOST,
            {"AWS_ACCOUNT_IDS": "210987654321, 123456789012,"},
            Question(region="eu-west-1", accounts=("123456789012", "210987654321")),
            id="several accounts",
        ),
        pytest.param(
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            {},
            Question(region="cn-north-1", accounts=ONE),
            id="China",
        ),
        pytest.param(
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            {},
            Question(region="us-gov-west-1", is_fips=True, accounts=ONE),
            id="GovCloud with FIPS",
        ),
        pytest.param(
            "123456789012.dkr-ecr.eu-west-1.on.aws",
            {},
            Question(region="eu-west-1", is_dual_stack=True, accounts=ONE),
            id="dual stack",
        ),
        pytest.param(
            "public.ecr.aws",
            {"AWS_REGION": "eu-west-1", "AWS_ACCOUNT_IDS": "210987654321"},
            Question(service="ecr-public", region="us-east-1"),
            id="the public registry, which one region knows",
        ),
        pytest.param(
            "images.acme.com",
            {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"},
            Question(region="eu-west-1"),
            id="a name of one's own",
        ),
        pytest.param("images.acme.com", {}, Question(), id="a name and no region"),
    ],
)
def test_whom_to_ask(host: str, env: dict[str, str], expected: Question) -> None:
    assert aws.question(host, env) == expected


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Have AWS give one answer, or refuse; the arguments of the client are returned."""
    asked: list[dict[str, Any]] = []
    stubbers: list[Stubber] = []
    client = boto3.Session.client

    def answer(
        service: str, reply: dict[str, Any] | None, query: dict[str, Any], code: str = ""
    ) -> list[dict[str, Any]]:
        def make(session: boto3.Session, name: str, **options: Any) -> Any:  # noqa: ANN401
            keys = session.get_credentials()
            asked.append({"service": name, "region": options["region_name"], "key": keys})
            made = client(session, name, **options)
            stubber = Stubber(made)
            if code:
                stubber.add_client_error("get_authorization_token", code, "no hunter2 here")
            else:
                stubber.add_response("get_authorization_token", reply, query)
            stubber.activate()
            stubbers.append(stubber)
            return made

        monkeypatch.setattr(boto3.Session, "client", make)
        assert service
        return asked

    yield answer
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


def test_a_private_registry(answers: Callable[..., list[dict[str, Any]]]) -> None:
    reply = {
        "authorizationData": [
            {"authorizationToken": token("AWS:a:b"), "proxyEndpoint": f"https://{HOST}"}
        ]
    }
    asked = answers("ecr", reply, {"registryIds": ["123456789012"]})
    assert aws.tokens(LOGIN, {}) == (Login(host=HOST, username="AWS", password="a:b"),)
    assert [(one["service"], one["region"]) for one in asked] == [("ecr", "eu-west-1")]
    assert (asked[0]["key"].access_key, asked[0]["key"].secret_key) == ("AKIA", "hunter2")


def test_several_accounts_keep_the_form_of_the_host(
    answers: Callable[..., list[dict[str, Any]]],
) -> None:
    reply = {
        "authorizationData": [
            {"authorizationToken": token("AWS:one"), "proxyEndpoint": f"https://{HOST}"},
            {"authorizationToken": token("AWS:two"), "proxyEndpoint": f"https://{OTHER}"},
        ]
    }
    login = replace(LOGIN, host="123456789012.dkr-ecr.eu-west-1.on.aws", scope="@push")
    answers("ecr", reply, {"registryIds": ["123456789012", "210987654321"]})
    assert aws.tokens(login, {"AWS_ACCOUNT_IDS": "210987654321"}) == (
        replace(login, username="AWS", password="one", is_ecr=False),
        Login(
            host="210987654321.dkr-ecr.eu-west-1.on.aws",
            username="AWS",
            password="two",
            scope="@push",
        ),
    )


def test_the_public_registry(answers: Callable[..., list[dict[str, Any]]]) -> None:
    reply = {"authorizationData": {"authorizationToken": token("AWS:p")}}
    asked = answers("ecr-public", reply, {})
    login = replace(LOGIN, host="public.ecr.aws")
    (found,) = aws.tokens(login, {"AWS_REGION": "eu-west-1"})
    assert (found.host, found.username, found.password) == ("public.ecr.aws", "AWS", "p")
    assert [(one["service"], one["region"]) for one in asked] == [("ecr-public", "us-east-1")]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"authorizationData": []}, "its answer contains none"),
        ({}, "its answer contains none"),
        ({"authorizationData": [{"authorizationToken": token("AWS")}]}, "its answer contains none"),
    ],
)
def test_an_answer_without_a_token(
    reply: dict[str, Any], said: str, answers: Callable[..., list[dict[str, Any]]]
) -> None:
    answers("ecr", reply, {"registryIds": ["123456789012"]})
    with pytest.raises(RegistryError) as raised:
        aws.tokens(LOGIN, {})
    assert str(raised.value) == f"AWS gives no token for {HOST}: {said}"


def test_a_refusal(answers: Callable[..., list[dict[str, Any]]]) -> None:
    answers("ecr", None, {}, code="UnrecognizedClientException")
    with pytest.raises(RegistryError) as raised:
        aws.tokens(replace(LOGIN, password="another"), {})
    assert str(raised.value).startswith(
        f"AWS gives no token for {HOST}: An error occurred (UnrecognizedClientException) when "
        "calling the GetAuthorizationToken operation"
    )


def test_no_keys_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(RegistryError) as raised:
        aws.tokens(replace(LOGIN, username="", password=""), {})
    assert str(raised.value) == f"AWS gives no token for {HOST}: Unable to locate credentials"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have the keys of a machine in a file alone, which is returned."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return tmp_path / "credentials"


def test_keys_of_other_sources(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aws.keys() == ("", "", "")
    elsewhere.write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = hunter2\n")
    assert aws.keys() == ("AKIA", "hunter2", "")
    with elsewhere.open("a") as file:
        file.write("aws_session_token = token\n")
    assert aws.keys() == ("AKIA", "hunter2", "token")
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(RegistryError) as raised:
        aws.keys()
    assert str(raised.value) == (
        "AWS's keys cannot be read: The config profile (gone) could not be found"
    )


class TestWithoutBoto:
    """The extra is not installed."""

    @pytest.fixture(autouse=True)
    def _no_boto(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "boto3", None)

    @pytest.fixture
    def helper(self, tmp_path: Path) -> dict[str, str]:
        path = tmp_path / "docker-credential-ecr-login"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return {"PATH": str(tmp_path)}

    def test_the_helper_of_aws_does_as_well(self, helper: dict[str, str]) -> None:
        login = Login(host=HOST, username="", password="", is_ecr=True)
        assert aws.tokens(login, helper) == (
            Login(host=HOST, username="", password="", helper="ecr-login"),
        )

    def test_the_helper_is_not_given_keys(self, helper: dict[str, str]) -> None:
        with pytest.raises(InputError):
            aws.tokens(LOGIN, helper)

    def test_there_are_no_keys(self, elsewhere: Path) -> None:
        elsewhere.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
        assert aws.keys() == ("", "", "")

    def test_there_is_nothing_to_ask_with(self) -> None:
        with pytest.raises(InputError) as raised:
            aws.tokens(LOGIN, {"PATH": "/nowhere"})
        (problem,) = raised.value.problems
        assert problem.name == "registry"
        assert problem.text == (
            f"the login for {HOST} needs a token from AWS, which boto3 would get, but boto3 is not "
            "installed. Install it (the extra ecr of warmbuild) or, if no username is given, "
            "docker-credential-ecr-login; or set username to AWS and password to what aws ecr "
            "get-login-password prints."
        )
