"""Calls the API of a cluster: bounded in time and size, and by whom buildx calls it."""

from __future__ import annotations

import base64
import json
import os
import posixpath
import time
from typing import TYPE_CHECKING, Final

from warmbuild import process, untrusted_json
from warmbuild.cluster import kubeconfig
from warmbuild.errors import EngineError
from warmbuild.files import read_text
from warmbuild.process import LateError
from warmbuild.registry import exchange
from warmbuild.registry.exchange import Request, SilentError, UntrustedError
from warmbuild.registry.transports import Transport
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from warmbuild.cluster.kubeconfig import Access, Pem
    from warmbuild.registry.exchange import Reply

# How long an answer may take, and what an outage may take in all, in seconds.
_CONNECT: Final = 5.0
_ANSWER: Final = 10.0
_OUTAGE: Final = 30.0
_PAUSE: Final = 0.5
# How long a plugin may take for a token, in seconds; it may ask a cloud.
_PLUGIN: Final = 30.0
_UNAUTHORIZED: Final = 401
# Where a pod finds the address of its cluster.
_HOST: Final = "KUBERNETES_SERVICE_HOST"
_PORT: Final = "KUBERNETES_SERVICE_PORT"
_JSON: Final = "application/json"
_MERGE: Final = "application/strategic-merge-patch+json"


class RefusedError(Exception):
    """The API server refuses a call; the text is what it says."""

    def __init__(self, status: int, text: str) -> None:
        """Take the status of its answer."""
        super().__init__(text)
        self.status = status


class Cluster:
    """A cluster as a run reaches it."""

    def __init__(
        self,
        access: Access,
        env: Mapping[str, str],
        keep: Callable[[str, bytes], str],
    ) -> None:
        """Take how it is reached, the environment of its plugin, and what writes a private file.

        `keep` takes the name and the content of a file, and returns its path.
        """
        self.namespace = access.namespace
        self._access, self._env, self._token = access, env, ""
        self._session = _session(access, keep)

    def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        """Return the answer to a call, which is tried again for half a minute if there is none.

        Raises RefusedError, and EngineError if the server does not answer.
        """
        end = time.monotonic() + _OUTAGE
        while True:
            try:
                return self._called(method, path, body)
            except (SilentError, UntrustedError) as error:
                passes = isinstance(error, SilentError) and error.passes
                if not passes or time.monotonic() > end:
                    raise EngineError(
                        f"the API server of the cluster at {self._access.server} {error}. Check "
                        "KUBECONFIG, and that this machine reaches the server."
                    ) from error
            time.sleep(_PAUSE)

    def _called(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> Mapping[str, object]:
        reply = self._asked(method, path, body, renews=False)
        if reply.status == _UNAUTHORIZED and self._access.plugin:
            reply = self._asked(method, path, body, renews=True)
        try:
            answer = untrusted_json.parsed(reply.body)
        except ValueError as error:
            if reply.is_ok:
                raise UntrustedError("gives an answer that is no object of JSON") from error
            answer = {}
        if reply.is_ok:
            return answer
        said = excerpt(untrusted_json.text(answer, "message"))
        raise RefusedError(reply.status, said or f"status {reply.status}")

    def _asked(
        self, method: str, path: str, body: Mapping[str, object] | None, *, renews: bool
    ) -> Reply:
        content_type = _MERGE if method == "PATCH" else _JSON
        request = Request(
            method=method,
            url=f"{self._access.server}{path}",
            headers={"Accept": _JSON, "Content-Type": content_type},
            authorization=self._authorization(renews=renews),
            content=b"" if body is None else json.dumps(body).encode(),
        )
        left = _ANSWER + _CONNECT
        return exchange.exchange(
            self._session, request, connect=_CONNECT, answer=_ANSWER, left=left
        )

    def _authorization(self, *, renews: bool) -> str:
        access = self._access
        if access.plugin:
            if renews or not self._token:
                self._token = self._ask_plugin()
            return f"Bearer {self._token}"
        found = (read_text(access.token_path) or "").strip() if access.token_path else ""
        if found or access.token:
            return f"Bearer {found or access.token}"
        if access.user:
            pair = f"{access.user}:{access.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return ""

    def _ask_plugin(self) -> str:
        plugin = self._access.plugin
        assert plugin is not None  # noqa: S101 (for mypy: asked only if there is one)
        told = {"apiVersion": plugin.version, "kind": "ExecCredential"}
        asked = json.dumps({**told, "spec": {"interactive": False}})
        env = {**self._env, **plugin.env, "KUBERNETES_EXEC_INFO": asked}
        failed = f"{plugin.argv[0]}, which the kubeconfig names, gives no token"
        try:
            done = process.answered(plugin.argv, env, b"", patience=_PLUGIN)
        except LateError as error:
            raise EngineError(f"{failed} within {_PLUGIN:.0f} s.") from error
        except OSError as error:
            raise EngineError(
                f"{failed}, because it cannot be started: {error.strerror}. Add it to the image in "
                "which warmbuild runs, or use the token of a service account."
            ) from error
        if done.code:
            raise EngineError(f"{failed}, and ends with exit code {done.code}.")
        try:
            return kubeconfig.token(done.output)
        except ValueError as error:
            raise EngineError(f"{failed}: {error}.") from error


def is_known(env: Mapping[str, str]) -> bool:
    """Return whether buildx would find a cluster, which may not be there."""
    path = env.get("KUBECONFIG") or posixpath.join(env.get("HOME", ""), ".kube/config")
    return read_text(path) is not None or (bool(env.get(_HOST)) and _has_account())


def found(env: Mapping[str, str], keep: Callable[[str, bytes], str]) -> Cluster:
    """Return the cluster that buildx finds; raises EngineError if there is none."""
    path = env.get("KUBECONFIG") or posixpath.join(env.get("HOME", ""), ".kube/config")
    text = read_text(path)
    host, port = env.get(_HOST, ""), env.get(_PORT, "")
    if text is None and host and _has_account():
        namespace = read_text(f"{kubeconfig.ACCOUNT}/namespace") or ""
        return Cluster(kubeconfig.of_pod(host, port, namespace), env, keep)
    if text is None:
        where = f"KUBECONFIG names {path}, which cannot be read"
        if not env.get("KUBECONFIG"):
            where = "KUBECONFIG is not set, and there is no ~/.kube/config"
        raise EngineError(
            f"no cluster is known to the driver 'kubernetes': {where}; this is no pod with a "
            "service account either. Set KUBECONFIG to the path of a file that this run can read, "
            "or run warmbuild in a pod whose service account may create pods."
        )
    try:
        access = kubeconfig.access(text, os.path.dirname(path))  # noqa: PTH120
    except ValueError as error:
        raise EngineError(f"the kubeconfig {path} {error}.") from error
    return Cluster(access, env, keep)


def _has_account() -> bool:
    return os.path.exists(f"{kubeconfig.ACCOUNT}/token")  # noqa: PTH110 (never raises)


def _session(access: Access, keep: Callable[[str, bytes], str]) -> requests.Session:
    def path(pem: Pem, name: str) -> str:
        return keep(name, pem.content) if pem.content else pem.path

    authority = path(access.authority, "cluster-ca.pem")
    verify: bool | str = (authority or True) if access.verifies else False
    session = exchange.session(Transport(verify=verify), access.server)
    if access.certificate and access.key:
        session.cert = (path(access.certificate, "cluster.pem"), path(access.key, "cluster.key"))
    return session
