"""A cluster whose API server, kubeconfig or plugin is not as it should be.

Each server here is a true one of this machine, and the client is warmbuild's own.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import ssl
import stat
import time
from dataclasses import dataclass, field
from socket import create_server
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.hostile import Asked, Hostile, answer, head, hostile, in_time
from tests.faults.doors import serve
from tests.integration import authority
from warmbuild.cluster import client
from warmbuild.cluster.client import Cluster, ForeignError, Keeping, RefusedError
from warmbuild.errors import EngineError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

TOKEN = "sesame-of-the-cluster"
OK = b'{"kind": "Status"}'
UNAUTHORIZED = b'{"kind": "Status", "message": "Unauthorized", "code": 401}'
# What servers may do for the tests, in seconds.
SHORT = {"_CONNECT": 0.5, "_ANSWER": 0.5, "_FIRST": 0.2, "_OUTAGE": 1.5, "_PAUSE": 0.05}


@dataclass(kw_only=True)
class Known:
    """What a run knows of a cluster, by a kubeconfig in a directory."""

    directory: Path
    hidden: list[str] = field(default_factory=list)

    def cluster(
        self,
        server: str,
        user: Mapping[str, Any] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> Cluster:
        """Write a kubeconfig, and return the cluster."""
        read = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server, **(members or {})}}],
            "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
        }
        path = self.directory / "kubeconfig"
        path.write_text(json.dumps(read))
        return self.found({"KUBECONFIG": str(path)})

    def found(self, env: dict[str, str]) -> Cluster:
        """Return the cluster of an environment."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.directory), **env}
        return client.found(env, Keeping(keep=self._keep, hide=self._hide))

    def plugin(self, script: str) -> dict[str, Any]:
        """Return a user whose plugin is a shell script."""
        path = self.directory / "plugin"
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        api = "client.authentication.k8s.io/v1beta1"
        return {"exec": {"apiVersion": api, "command": "./plugin", "args": ["get-token"]}}

    def _keep(self, name: str, content: bytes) -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def _hide(self, secrets: Sequence[str]) -> None:
        self.hidden += filter(None, secrets)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in SHORT.items():
        monkeypatch.setattr(client, name, seconds)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Known(directory=tmp_path)


def said(cluster: Cluster) -> str:
    """Return the error of a call, which has no secret."""
    with pytest.raises(EngineError) as caught:
        cluster.call("GET", "/version")
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value.__cause__)
    return str(caught.value)


def once(body: bytes, status: int = 200) -> Callable[[Hostile, Asked], Iterator[bytes]]:
    return lambda _server, _asked: answer(status, body)


def printed(token: str) -> str:
    """Return a script that prints a token as a plugin does."""
    credential = {"kind": "ExecCredential", "status": {"token": token}}
    return f"echo '{json.dumps(credential)}'\n"


class TestAnswers:
    @pytest.mark.parametrize(
        ("body", "why"),
        [
            pytest.param(b"", "gives an answer that is no object of JSON", id="nothing"),
            pytest.param(b"<html>", "gives an answer that is no object of JSON", id="no JSON"),
            pytest.param(b"[]", "gives an answer that is no object of JSON", id="a list"),
            pytest.param(
                b'{"a":' * 500 + b"1" + b"}" * 500, "that is no object of JSON", id="deep"
            ),
            pytest.param(b'{"a":' * 10**5, "that is no object of JSON", id="deeper than Python"),
            pytest.param(
                b'{"a": "' + b"x" * 2**21 + b'"}', "gives an answer that is too large", id="large"
            ),
        ],
    )
    def test_one_that_makes_no_sense_is_told(self, known: Known, body: bytes, why: str) -> None:
        with hostile(once(body)) as server, in_time():
            error = said(known.cluster(f"http://{server.host}"))
        assert why in error
        assert f"the API server of the cluster at http://{server.host} gives" in error
        # A second question would get the same.
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        "pieces",
        [
            pytest.param(lambda: itertools.repeat(b""), id="silence"),
            pytest.param(lambda: itertools.chain([head(200)], itertools.repeat(b" ")), id="a body"),
            pytest.param(
                lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX: "], itertools.repeat(b"a")),
                id="a header",
            ),
        ],
    )
    def test_one_without_an_end_is_not_waited_for(
        self, known: Known, pieces: Callable[[], Iterator[bytes]]
    ) -> None:
        def slowly(server: Hostile, _: Asked) -> Iterator[bytes]:
            return server.every(0.05, pieces())

        with hostile(slowly) as server, in_time():
            assert "does not answer" in said(known.cluster(f"http://{server.host}"))

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, known: Known, status: int) -> None:
        with hostile(once(OK)) as other:

            def leading(_server: Hostile, _asked: Asked) -> Iterator[bytes]:
                return answer(status, location=f"http://{other.host}/version")

            with hostile(leading) as server:
                error = said(known.cluster(f"http://{server.host}"))
        assert "redirects to another address, which is not followed" in error
        assert other.asked == []

    def test_a_refusal_is_told_as_a_part_of_a_line(self, known: Known) -> None:
        message = "pods is forbidden:\n::error::x\x1b[2J" + "y" * 5000
        refusal = once(json.dumps({"message": message}).encode(), 403)
        with hostile(refusal) as server, pytest.raises(RefusedError) as caught:
            known.cluster(f"http://{server.host}").call("GET", "/version")
        assert caught.value.status == 403
        assert str(caught.value).startswith("pods is forbidden: ::error::x [2J")
        assert len(str(caught.value)) == 300

    @pytest.mark.parametrize("status", [429, 500, 503, 504])
    def test_one_that_passes_is_asked_for_again(self, known: Known, status: int) -> None:
        def late(server: Hostile, _: Asked) -> Iterator[bytes]:
            is_late = len(server.asked) > 1
            return answer(200, OK) if is_late else answer(status, b'{"message": "etcd"}')

        with hostile(late) as server:
            assert known.cluster(f"http://{server.host}").call("GET", "/") == {"kind": "Status"}
        assert len(server.asked) == 2

    def test_one_that_stays_away_is_told(self, known: Known) -> None:
        with hostile(once(b'{"message": "etcd has no leader"}', 503)) as server, in_time():
            error = said(known.cluster(f"http://{server.host}"))
        assert "answers: etcd has no leader. Check KUBECONFIG" in error

    def test_a_server_that_has_answered_gets_more_time(self, known: Known) -> None:
        down: list[float] = []

        def leaving(_server: Hostile, _: Asked) -> Iterator[bytes]:
            if down and time.monotonic() < down[0] + 0.8:
                return iter(())
            return answer(200, OK)

        with hostile(leaving) as server:
            cluster = known.cluster(f"http://{server.host}")
            cluster.call("GET", "/")
            down.append(time.monotonic())
            # Longer than one that never has.
            assert cluster.call("GET", "/") == {"kind": "Status"}


class TestTls:
    @pytest.fixture
    def served(self, tmp_path: Path) -> Callable[..., AbstractContextManager[Hostile]]:
        """Return a server with a certificate for an address, so far ahead in time."""

        def make(**of: Any) -> AbstractContextManager[Hostile]:  # noqa: ANN401
            (tmp_path / "tls").mkdir()
            authority.make(tmp_path / "tls", **of)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server = tmp_path / "tls" / "server"
            context.load_cert_chain(server / "cert.pem", server / "key.pem")
            return hostile(once(OK), context)

        return make

    def test_an_authority_of_the_kubeconfig_is_enough(
        self,
        known: Known,
        served: Callable[..., AbstractContextManager[Hostile]],
    ) -> None:
        with served() as server:
            relative = {"certificate-authority": "tls/server/ca.pem"}
            cluster = known.cluster(f"https://{server.host}", members=relative)
            assert cluster.call("GET", "/version") == {"kind": "Status"}
        assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize(
        ("of", "trusts"),
        [
            pytest.param({}, False, id="another authority"),
            pytest.param({"address": "127.0.0.9"}, True, id="another address"),
            pytest.param({"ahead": dt.timedelta(days=1)}, True, id="not valid yet"),
            pytest.param({"ahead": -dt.timedelta(days=1)}, True, id="expired"),
        ],
    )
    def test_a_certificate_that_does_not_match_gets_no_token(
        self,
        known: Known,
        served: Callable[..., AbstractContextManager[Hostile]],
        of: dict[str, Any],
        *,
        trusts: bool,
    ) -> None:
        with served(**of) as server, in_time():
            ca = {"certificate-authority": "tls/server/ca.pem"} if trusts else {}
            error = said(known.cluster(f"https://{server.host}", members=ca))
        assert "has a certificate that is not trusted here" in error
        assert server.asked == []

    def test_a_server_without_tls_is_told(self, known: Known) -> None:
        def plainly(connection: socket.socket) -> None:
            with connection:
                connection.recv(1)
                connection.sendall(head(400))

        with create_server(("127.0.0.1", 0)) as listener:
            serve(listener, plainly)
            error = said(known.cluster(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        assert "does not speak TLS as expected" in error


class TestTokens:
    def test_one_that_has_expired_is_told(self, known: Known) -> None:
        with hostile(once(UNAUTHORIZED, 401)) as server:
            error = said(known.cluster(f"http://{server.host}"))
        assert "does not know this account (Unauthorized): the token in KUBECONFIG may" in error
        assert known.hidden == [TOKEN]

    @pytest.mark.parametrize(
        ("user", "named"),
        [
            ({"username": "me", "password": TOKEN}, "the password in KUBECONFIG"),
            ({}, "the certificate in KUBECONFIG"),
        ],
    )
    def test_what_else_is_not_known_is_told(
        self, known: Known, user: dict[str, str], named: str
    ) -> None:
        with hostile(once(UNAUTHORIZED, 401)) as server:
            assert named in said(known.cluster(f"http://{server.host}", user))

    def test_one_of_a_file_is_read_anew(self, known: Known) -> None:
        file = known.directory / "token"
        file.write_text(f"{TOKEN}-1\n")
        with hostile(once(OK)) as server:
            cluster = known.cluster(f"http://{server.host}", {"tokenFile": "token"})
            cluster.call("GET", "/")
            file.write_text(f"{TOKEN}-2\n")
            cluster.call("GET", "/")
        sent = [one.headers["authorization"] for one in server.asked]
        assert sent == [f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-2"]
        assert known.hidden == [f"{TOKEN}-1", f"{TOKEN}-2"]

    @pytest.mark.parametrize("token", [f"{TOKEN}\r\nX: y", f"{TOKEN} é"])
    def test_one_that_is_none_is_not_sent(self, known: Known, token: str) -> None:
        with hostile(once(OK)) as server:
            error = said(known.cluster(f"http://{server.host}", {"token": token}))
        assert "the token in KUBECONFIG has other characters than tokens have" in error
        assert server.asked == []


class TestPlugins:
    def test_a_token_is_renewed_once_it_is_refused(self, known: Known) -> None:
        count = known.directory / "count"
        script = f"echo x >> {count}\nN=$(wc -l < {count})\n{printed(TOKEN + '-N')}"
        user = known.plugin(script.replace('-N"', "-'$N'\""))

        def renewing(_server: Hostile, asked: Asked) -> Iterator[bytes]:
            is_new = asked.headers["authorization"] == f"Bearer {TOKEN}-2"
            return answer(200, OK) if is_new else answer(401, UNAUTHORIZED)

        with hostile(renewing) as server:
            cluster = known.cluster(f"http://{server.host}", user)
            assert cluster.call("GET", "/") == {"kind": "Status"}
            assert cluster.call("GET", "/") == {"kind": "Status"}
        assert len(server.asked) == 3
        assert known.hidden == [f"{TOKEN}-1", f"{TOKEN}-2"]

    def test_it_is_told_by_which_version_it_is_asked(self, known: Known) -> None:
        seen = known.directory / "seen"
        user = known.plugin(f'echo "$1 $KUBERNETES_EXEC_INFO" > {seen}\n{printed(TOKEN)}')
        with hostile(once(OK)) as server:
            known.cluster(f"http://{server.host}", user).call("GET", "/")
        argument, _, info = seen.read_text().partition(" ")
        assert argument == "get-token"
        assert json.loads(info) == {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }

    @pytest.mark.parametrize(
        ("script", "why"),
        [
            (f"echo {TOKEN}", "gives no token: Expecting value"),
            ("exit 3", "gives no token, and ends with exit code 3. Run it by hand"),
            ("kill -9 $$", "gives no token, and ends with exit code -9"),
            ("echo '{}'", "gives no token: its answer has none"),
            (printed(f"{TOKEN}\\nX: y"), "gives no token: what it gives as a token has other char"),
            ("head -c 3000000 /dev/zero", "gives no token: Expecting value"),
            ("sleep 60", "gives no token within 1 s"),
        ],
    )
    def test_one_that_gives_no_token_is_named(
        self, known: Known, monkeypatch: pytest.MonkeyPatch, script: str, why: str
    ) -> None:
        monkeypatch.setattr(client, "_PLUGIN", 1.0)
        with in_time():
            error = said(known.cluster("http://127.0.0.1:1", known.plugin(script)))
        assert f"{known.directory}/./plugin, which the kubeconfig names, {why}" in error

    def test_one_that_is_not_there_is_named(self, known: Known) -> None:
        user = {"exec": {"command": "no-such-plugin"}}
        error = said(known.cluster("http://127.0.0.1:1", user))
        assert "no-such-plugin, which the kubeconfig names, gives no token" in error
        assert "cannot be started: No such file or directory. Add it to the image" in error

    def test_one_that_gives_a_certificate_is_left_to_buildx(self, known: Known) -> None:
        credential = {"status": {"clientCertificateData": "x", "clientKeyData": "y"}}
        user = known.plugin(f"echo '{json.dumps(credential)}'")
        with pytest.raises(ForeignError, match=r"plugin gives a certificate$"):
            known.cluster("http://127.0.0.1:1", user).call("GET", "/")


class TestKubeconfig:
    @pytest.mark.parametrize("member", ["proxy-url", "tls-server-name"])
    def test_what_only_buildx_follows_is_asked_nothing(self, known: Known, member: str) -> None:
        with hostile(once(OK)) as server:
            cluster = known.cluster(f"http://{server.host}", members={member: "x"})
            with pytest.raises(ForeignError, match=f"^the kubeconfig has {member}$"):
                cluster.call("GET", "/")
        assert server.asked == []

    @pytest.mark.parametrize(
        ("make", "why"),
        [
            (lambda path: path.mkdir(), "cannot be read"),
            (os.mkfifo, "cannot be read"),
            (lambda path: path.write_bytes(b"x" * (64 * 1024**2 + 1)), "cannot be read"),
            (lambda path: path.write_text(f"token: {TOKEN}\n: ["), "is not YAML, at line 2"),
            (lambda path: path.write_text(TOKEN), "is not a kubeconfig"),
            (lambda path: path.write_bytes(b"\xff\x00"), "is not YAML"),
        ],
        ids=["a directory", "a pipe", "too large", "no YAML", "a text", "no UTF-8"],
    )
    def test_a_file_that_is_none_is_told(
        self, known: Known, make: Callable[[Path], object], why: str
    ) -> None:
        path = known.directory / "kubeconfig"
        make(path)
        assert not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size
        with in_time(), pytest.raises(EngineError, match=why) as caught:
            known.found({"KUBECONFIG": str(path)})
        assert TOKEN not in str(caught.value)
        assert "no cluster is known to the driver 'kubernetes'" in str(caught.value)

    def test_several_files_are_told(self, known: Known) -> None:
        with pytest.raises(EngineError, match="names several files, /a:/b, and buildx takes one"):
            known.found({"KUBECONFIG": "/a:/b"})

    def test_without_a_kubeconfig_a_pod_has_its_account(
        self, known: Known, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = known.directory / "account"
        account.mkdir()
        (account / "token").write_text(TOKEN)
        (account / "namespace").write_text("ci\n")
        monkeypatch.setattr("warmbuild.cluster.kubeconfig.ACCOUNT", str(account))
        env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
        for more in ({}, {"KUBECONFIG": "/nowhere"}):
            found = known.found({**env, **more})
            assert found.namespace == "ci"
        (account / "token").unlink()
        with pytest.raises(EngineError, match="this is no pod with a service account either"):
            known.found(env)
