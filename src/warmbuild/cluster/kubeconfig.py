"""Reads by which address and as whom buildx reaches a cluster, from a file of kubectl.

The format is that of client.authentication.k8s.io and of Kubernetes's `clientcmd/api/v1`. buildx
takes one file, `KUBECONFIG` or `~/.kube/config`, and the service account of its pod without one
(buildx v0.38.2, driver/kubernetes/factory.go).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, untrusted_json
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.inputs import bounded_yaml
else:
    bounded_yaml = lazy.module("warmbuild.inputs.bounded_yaml")

DEFAULT_NAMESPACE: Final = "default"
# Where a pod finds what its service account may use.
ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
# Members that change the way to a cluster, or who asks it.
_OF_CLUSTER: Final = ("proxy-url", "tls-server-name")
_OF_USER: Final = ("auth-provider", "as", "as-uid", "as-groups")
_OF_PLUGIN: Final = ("provideClusterInfo",)


@frozen
class Pem:
    """A certificate or a key: its bytes, or the file that has them."""

    content: bytes = b""
    path: str = ""

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.content or self.path)


@frozen
class Plugin:
    """A command that prints a token, such as that of a cloud."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    version: str  # of the API that it answers by


@frozen
class Access:
    """How a cluster is reached."""

    server: str  # URL
    namespace: str = DEFAULT_NAMESPACE
    authority: Pem = Pem()  # who signs the server's certificate; the machine's own if empty
    verifies: bool = True  # whether that certificate is checked
    token: str = ""
    token_path: str = ""  # a file with a token, which may change
    certificate: Pem = Pem()  # of the client
    key: Pem = Pem()
    user: str = ""
    password: str = ""
    plugin: Plugin | None = None
    foreign: str = ""  # a member that buildx follows and nothing here does

    @property
    def secrets(self) -> Sequence[str]:
        """What no log may show."""
        return (self.token, self.password, self.key.content.decode(errors="replace"))


def access(text: str, directory: str) -> Access:
    """Read a kubeconfig, whose files are relative to its directory; raises ValueError."""
    read = bounded_yaml.read(text)
    if not isinstance(read, dict):
        raise ValueError("is not a kubeconfig")  # noqa: TRY004 (one error for all that is wrong)
    name = untrusted_json.text(read, "current-context")
    if not name:
        raise ValueError("has no current-context")
    context = _named(read, "contexts", name, "context")
    cluster = _named(read, "clusters", untrusted_json.text(context, "cluster"), "cluster")
    server = untrusted_json.text(cluster, "server")
    if not server.startswith(("https://", "http://")):
        raise ValueError(f"has no URL of a server for its context {name}")
    user_name = untrusted_json.text(context, "user")
    user = _named(read, "users", user_name, "user") if user_name else {}
    return Access(
        server=server.rstrip("/"),
        namespace=untrusted_json.text(context, "namespace") or DEFAULT_NAMESPACE,
        authority=_pem(cluster, "certificate-authority", directory),
        verifies=cluster.get("insecure-skip-tls-verify") is not True,
        token=untrusted_json.text(user, "token"),
        token_path=_path(user, "tokenFile", directory),
        certificate=_pem(user, "client-certificate", directory),
        key=_pem(user, "client-key", directory),
        user=untrusted_json.text(user, "username"),
        password=untrusted_json.text(user, "password"),
        plugin=_plugin(untrusted_json.child(user, "exec"), directory),
        foreign=_foreign(cluster, user),
    )


def of_pod(host: str, port: str, namespace: str) -> Access:
    """Return how a pod reaches its cluster, by the variables and files that Kubernetes gives it."""
    name = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{name}:{port}",
        namespace=namespace.strip() or DEFAULT_NAMESPACE,
        authority=Pem(path=f"{ACCOUNT}/ca.crt"),
        token_path=f"{ACCOUNT}/token",
    )


def token(answer: str) -> str:
    """Read what a plugin prints; empty if it gives a certificate; raises ValueError for neither."""
    status = untrusted_json.child(untrusted_json.parsed(answer), "status")
    found = untrusted_json.text(status, "token")
    if found and not is_token(found):
        raise ValueError("what it gives as a token has other characters than tokens have")
    if not found and not untrusted_json.text(status, "clientCertificateData"):
        raise ValueError("its answer has none")
    return found


def is_token(text: str) -> bool:
    """Return whether a text can be sent as a token (RFC 6750, 2.1, and what servers take)."""
    return text.isascii() and text.isprintable() and " " not in text


def _foreign(cluster: Mapping[str, object], user: Mapping[str, object]) -> str:
    plugin = untrusted_json.child(user, "exec")
    members = ((cluster, _OF_CLUSTER), (user, _OF_USER), (plugin, _OF_PLUGIN))
    return next((name for item, names in members for name in names if item.get(name)), "")


def _named(
    read: Mapping[str, object], members: str, name: str, member: str
) -> Mapping[str, object]:
    for one in untrusted_json.children(read, members):
        if untrusted_json.text(one, "name") == name:
            return untrusted_json.child(one, member)
    raise ValueError(f"has no {member} {name!r}")


def _pem(item: Mapping[str, object], name: str, directory: str) -> Pem:
    content = untrusted_json.binary(item.get(f"{name}-data"))
    return Pem(content=content) if content else Pem(path=_path(item, name, directory))


def _path(item: Mapping[str, object], name: str, directory: str) -> str:
    path = untrusted_json.text(item, name)
    return posixpath.join(directory, path) if path else ""


def _plugin(item: Mapping[str, object], directory: str) -> Plugin | None:
    command = untrusted_json.text(item, "command")
    if not command:
        return None
    # A command without a slash is looked for in PATH.
    program = posixpath.join(directory, command) if "/" in command else command
    arguments = [one for one in untrusted_json.items(item, "args") if isinstance(one, str)]
    env = {
        untrusted_json.text(one, "name"): untrusted_json.text(one, "value")
        for one in untrusted_json.children(item, "env")
    }
    return Plugin(
        argv=(program, *arguments), env=env, version=untrusted_json.text(item, "apiVersion")
    )
