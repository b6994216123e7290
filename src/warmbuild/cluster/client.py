"""Calls the API of a cluster: bounded in time and size, and by whom buildx calls it."""

from __future__ import annotations

import base64
import json
import os
import posixpath
import pwd
import time
from typing import TYPE_CHECKING, Final

from warmbuild import process, retries, untrusted_json
from warmbuild.cache import probe
from warmbuild.cluster import kubeconfig
from warmbuild.errors import EngineError
from warmbuild.files import read_text
from warmbuild.frozen import frozen
from warmbuild.process import LateError
from warmbuild.registry import exchange
from warmbuild.registry.exchange import Request, SilentError, UntrustedError
from warmbuild.registry.transports import Transport
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.cluster.kubeconfig import Access, Pem
    from warmbuild.registry.exchange import Reply

# How long an answer may take, in seconds, and what an outage may: of a server that has answered
# before, and of one that has not.
_CONNECT: Final = 5.0
_ANSWER: Final = 10.0
_OUTAGE: Final = 30.0
_FIRST: Final = 8.0
_PAUSE: Final = 0.5
# How long a plugin may take for a token, in seconds; it may ask a cloud.
_PLUGIN: Final = 30.0
_UNAUTHORIZED: Final = 401
_REDIRECTS: Final = range(300, 400)
# Where a pod finds the address of its cluster.
_HOST: Final = "KUBERNETES_SERVICE_HOST"
_PORT: Final = "KUBERNETES_SERVICE_PORT"
_JSON: Final = "application/json"
_MERGE: Final = "application/strategic-merge-patch+json"


class ForeignError(Exception):
    """Only buildx can reach the cluster; the text says why, as a clause."""


class RefusedError(Exception):
    """The API server refuses a call; the text is what it says."""

    def __init__(self, status: int, text: str) -> None:
        """Take the status of its answer."""
        super().__init__(text)
        self.status = status


@frozen
class Keeping:
    """What a run does with what it learns of a cluster."""

    keep: Callable[[str, bytes], str]  # writes a private file by its name, and returns its path
    hide: Callable[[Sequence[str]], None]  # hides secrets from the log


class Cluster:
    """A cluster as a run reaches it."""

    def __init__(self, access: Access, env: Mapping[str, str], keeping: Keeping) -> None:
        """Take how it is reached, and the environment of its plugin."""
        self.namespace = access.namespace
        self._access, self._env, self._token = access, env, ""
        self._hide = keeping.hide
        self._has_answered = False

        def path(pem: Pem, name: str) -> str:
            return keeping.keep(name, pem.content) if pem.content else pem.path

        authority = path(access.authority, "cluster-ca.pem")
        verify: bool | str = (authority or True) if access.verifies else False
        self._session = exchange.session(Transport(verify=verify), access.server)
        if access.certificate and access.key:
            pair = (path(access.certificate, "cluster.pem"), path(access.key, "cluster.key"))
            self._session.cert = pair
        self._hide(access.secrets)

    def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        """Return the answer to a call, which is tried again for half a minute if there is none.

        Raises RefusedError, EngineError if the server does not answer or does not know the
        account, and ForeignError.
        """
        if self._access.foreign:
            raise ForeignError(f"the kubeconfig has {self._access.foreign}")
        end = time.monotonic() + (_OUTAGE if self._has_answered else _FIRST)
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
        if reply.status in _REDIRECTS:
            raise UntrustedError("redirects to another address, which is not followed")
        try:
            answer = untrusted_json.parsed(reply.body)
        except ValueError as error:
            if reply.is_ok:
                is_large = len(reply.body) > probe.LARGEST
                why = "that is too large" if is_large else "that is no object of JSON"
                raise UntrustedError(f"gives an answer {why}") from error
            answer = {}
        said = excerpt(untrusted_json.text(answer, "message")) or f"status {reply.status}"
        if retries.status_passes(reply.status):
            raise SilentError(f"answers: {said}", passes=True)
        if reply.status == _UNAUTHORIZED:
            raise EngineError(
                f"the API server of the cluster at {self._access.server} does not know this "
                f"account ({said}): {self._credential()} may have expired, or be that of another "
                "cluster. Renew it."
            )
        self._has_answered = True
        if reply.is_ok:
            return answer
        raise RefusedError(reply.status, said)

    def _credential(self) -> str:
        """Name what tells the server who asks, in the order in which it is chosen."""
        access = self._access
        if access.plugin:
            return f"the token that {access.plugin.argv[0]} gives"
        if access.token_path:
            return f"the token in {access.token_path}"
        if access.token:
            return "the token in KUBECONFIG"
        return "the password in KUBECONFIG" if access.user else "the certificate in KUBECONFIG"

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
            # No server of Kubernetes redirects such a call, and another one gets no token.
            is_final=True,
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
                self._hide([self._token])
            return f"Bearer {self._token}"
        found = (read_text(access.token_path) or "").strip() if access.token_path else ""
        if token := found or access.token:
            self._hide([token] if token not in (self._token, access.token) else [])
            self._token = token
            if not kubeconfig.is_token(token):
                raise EngineError(
                    f"{self._credential()} has other characters than tokens have. Write it anew."
                )
            return f"Bearer {token}"
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
            raise EngineError(
                f"{failed}, and ends with exit code {done.code}. Run it by hand to see why."
            )
        try:
            token = kubeconfig.token(done.output)
        except ValueError as error:
            raise EngineError(f"{failed}: {error}.") from error
        if not token:
            raise ForeignError(f"{plugin.argv[0]} gives a certificate")
        return token


def is_known(env: Mapping[str, str]) -> bool:
    """Return whether buildx would find a cluster, which may not be there."""
    return read_text(_path(env)) is not None or _is_pod(env)


def found(env: Mapping[str, str], keeping: Keeping) -> Cluster:
    """Return the cluster that buildx finds; raises EngineError if there is none."""
    path, why = _path(env), ""
    text = read_text(path)
    if text is None:
        why = _unread(env, path)
    else:
        try:
            access = kubeconfig.access(text, os.path.dirname(path))  # noqa: PTH120
            return Cluster(access, env, keeping)
        except ValueError as error:
            why = f"the kubeconfig {path} {error}"
    if _is_pod(env):
        namespace = read_text(f"{kubeconfig.ACCOUNT}/namespace") or ""
        own = kubeconfig.of_pod(env[_HOST], env.get(_PORT, ""), namespace)
        return Cluster(own, env, keeping)
    raise EngineError(
        f"no cluster is known to the driver 'kubernetes': {why}; this is no pod with a service "
        "account either. Set KUBECONFIG to the path of a file that this run can read, or run "
        "warmbuild in a pod whose service account may create pods."
    )


def _is_pod(env: Mapping[str, str]) -> bool:
    has_account = os.path.exists(f"{kubeconfig.ACCOUNT}/token")  # noqa: PTH110 (never raises)
    return bool(env.get(_HOST)) and has_account


def _path(env: Mapping[str, str]) -> str:
    """Return the path of the kubeconfig, which is never one of the checkout by default."""
    if path := env.get("KUBECONFIG"):
        return path
    try:
        # As buildx does (driver/kubernetes/context/load.go).
        home = env.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = "/"
    return posixpath.join(home, ".kube/config")


def _unread(env: Mapping[str, str], path: str) -> str:
    """Return why there is no kubeconfig to read."""
    if not env.get("KUBECONFIG"):
        return "KUBECONFIG is not set, and there is no ~/.kube/config"
    if os.pathsep in path:
        return f"KUBECONFIG names several files, {path}, and buildx takes one"
    return f"KUBECONFIG names {path}, which cannot be read"
