from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.cluster import kubeconfig
from warmbuild.cluster.kubeconfig import Access, Pem, Plugin

PEM = b"-----BEGIN CERTIFICATE-----\n"
DATA = base64.b64encode(PEM).decode()


def config(**parts: dict[str, Any]) -> str:
    """Return a kubeconfig of one cluster and one user, with these members."""
    cluster = {"server": "https://k8s:6443", **parts.get("cluster", {})}
    context = {"cluster": "c", "user": "u", **parts.get("context", {})}
    whole = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": context}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": parts.get("user", {})}],
    }
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        pytest.param({}, {}, id="nobody"),
        pytest.param({"cluster": {"server": "http://k/"}}, {"server": "http://k"}, id="a slash"),
        pytest.param({"context": {"namespace": "ci"}}, {"namespace": "ci"}, id="a namespace"),
        pytest.param({"user": {"token": "t"}}, {"token": "t"}, id="a token"),
        pytest.param({"user": {"token": 5}}, {}, id="a token that is none"),
        pytest.param(
            {"user": {"token": "t", "tokenFile": "run/t"}},
            {"token": "t", "token_path": "/etc/kube/run/t"},
            id="a file with a token",
        ),
        pytest.param(
            {"user": {"username": "me", "password": "p"}},
            {"user": "me", "password": "p"},
            id="a password",
        ),
        pytest.param(
            {"cluster": {"certificate-authority": "ca.crt"}},
            {"authority": Pem(path="/etc/kube/ca.crt")},
            id="a relative authority",
        ),
        pytest.param(
            {"cluster": {"certificate-authority": "/ca.crt", "certificate-authority-data": DATA}},
            {"authority": Pem(content=PEM)},
            id="an authority in the file wins",
        ),
        pytest.param(
            {"user": {"client-certificate": "me.crt", "client-key-data": DATA}},
            {"certificate": Pem(path="/etc/kube/me.crt"), "key": Pem(content=PEM)},
            id="a certificate",
        ),
        pytest.param(
            {"cluster": {"insecure-skip-tls-verify": True}}, {"verifies": False}, id="unverified"
        ),
        pytest.param(
            {"cluster": {"insecure-skip-tls-verify": "true"}}, {}, id="a text does not switch off"
        ),
        pytest.param(
            {"cluster": {"proxy-url": "http://p"}}, {"foreign": "proxy-url"}, id="a proxy"
        ),
        pytest.param(
            {"cluster": {"tls-server-name": "k"}}, {"foreign": "tls-server-name"}, id="a TLS name"
        ),
        pytest.param(
            {"user": {"auth-provider": {"name": "oidc"}}}, {"foreign": "auth-provider"}, id="legacy"
        ),
        pytest.param({"user": {"as": "root"}}, {"foreign": "as"}, id="as somebody else"),
    ],
)
def test_what_a_kubeconfig_says(parts: dict[str, Any], found: dict[str, Any]) -> None:
    read = kubeconfig.access(config(**parts), "/etc/kube")
    assert read == Access(**{"server": "https://k8s:6443", **found})


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
@pytest.mark.parametrize(
    ("command", "program"), [("aws", "aws"), ("./aws", "/etc/kube/./aws"), ("/bin/aws", "/bin/aws")]
)
def test_a_plugin_is_looked_for_in_path_or_beside_the_file(
    version: str, command: str, program: str
) -> None:
    api = f"client.authentication.k8s.io/{version}"
    env = [{"name": "AWS_PROFILE", "value": "ci"}]
    plugin = {"apiVersion": api, "command": command, "args": ["eks", 5, "get-token"], "env": env}
    read = kubeconfig.access(config(user={"exec": plugin}), "/etc/kube")
    argv = (program, "eks", "get-token")
    assert read.plugin == Plugin(argv=argv, env={"AWS_PROFILE": "ci"}, version=api)
    assert read.foreign == ""


def test_a_plugin_that_asks_for_the_cluster_is_left_to_buildx() -> None:
    plugin = {"command": "login", "provideClusterInfo": True}
    read = kubeconfig.access(config(user={"exec": plugin}), "/")
    assert read.foreign == "provideClusterInfo"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a kubeconfig"),
        ("[]", "is not a kubeconfig"),
        ("a: [", "is not YAML, at line 1, column 5"),
        ("[" * 200, "is nested too deeply"),
        ("{}", "has no current-context"),
        (json.dumps({"current-context": "x"}), "has no context 'x'"),
        (config(context={"cluster": "other"}), "has no cluster 'other'"),
        (config(context={"user": "other"}), "has no user 'other'"),
        (config(cluster={"server": "k8s:6443"}), "has no URL of a server for its context x"),
    ],
)
def test_what_is_no_kubeconfig_is_told_without_its_text(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        kubeconfig.access(text, "/")


@given(st.recursive(st.none() | st.text() | st.integers(), lambda one: st.lists(one) | one))
def test_members_of_any_shape_are_read_or_refused(value: object) -> None:
    for member in ("cluster", "context"):
        try:
            kubeconfig.access(config(**{member: {"cluster": value, "server": value}}), "/")
        except ValueError as error:
            assert str(error)  # noqa: PT017 (either is fine)
    read = kubeconfig.access(config(user={"token": value, "exec": value, "client-key": value}), "/")
    assert isinstance(read.token, str)


def test_secrets_are_all_that_lets_somebody_in() -> None:
    user = {"token": "t", "password": "p", "client-key-data": DATA}
    read = kubeconfig.access(config(user=user), "/")
    assert set(read.secrets) == {"t", "p", PEM.decode()}


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_reaches_its_cluster_by_its_account(host: str, server: str) -> None:
    read = kubeconfig.of_pod(host, "443", "ci\n")
    assert (read.server, read.namespace) == (server, "ci")
    assert read.token_path == f"{kubeconfig.ACCOUNT}/token"
    assert read.authority == Pem(path=f"{kubeconfig.ACCOUNT}/ca.crt")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"status": {"token": "abc"}}', "abc"),
        # Nothing here presents a certificate that changes.
        ('{"status": {"clientCertificateData": "x", "clientKeyData": "y"}}', ""),
    ],
)
def test_the_token_of_a_plugin(answer: str, found: str) -> None:
    assert kubeconfig.token(answer) == found


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "Expecting value"),
        ("[]", "it is no JSON object"),
        ("{}", "its answer has none"),
        ('{"status": {"token": ["a"]}}', "its answer has none"),
        ('{"status": {"token": "a\\nX: y"}}', "other characters than tokens have"),
        ('{"status": {"token": "é"}}', "other characters than tokens have"),
        ('{"a":' * 5000, "nested too deeply|Expecting"),
    ],
)
def test_what_is_no_token_of_a_plugin(answer: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        kubeconfig.token(answer)
