"""A registry that gives tokens: a token server, and a guard before a registry that takes them.

It follows the "Docker Registry v2 authentication" documents, so BuildKit, buildx and warmbuild go
through the whole flow; behind the guard is the lab's plain registry.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.integration.faults import Proxy, _Connection, served

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.faults import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in, and what for."""

    password: str
    actions: frozenset[str] = frozenset({"pull", "push"})


@dataclass(slots=True)
class TokenRegistry(Proxy):
    """The registry; `granted` are the user and the scope of each token that it gave."""

    users: dict[str, User] = field(default_factory=dict)
    granted: list[tuple[str, str]] = field(default_factory=list)
    _tokens: dict[str, set[str]] = field(default_factory=dict)

    def take(self, method: str, path: str) -> Act:
        """Let a request pass that has a token for it."""
        act = super(TokenRegistry, self).take(method, path)

        def guarded(connection: _Connection) -> None:
            if urlsplit(path).path == "/token":
                (self._give if act is _Connection.forward else act)(connection)
            elif needed := self._missing(connection):
                self._refuse(connection, needed)
            else:
                act(connection)

        return guarded

    def _give(self, connection: _Connection) -> None:
        connection.drain()
        if connection.command != "GET":
            reply(connection, 404, {})
            return
        _, _, pair = connection.headers.get("Authorization", "").partition(" ")
        name, _, password = base64.b64decode(pair).decode().partition(":")
        user = self.users.get(name)
        if user is None or user.password != password:
            reply(connection, 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who is it"}]})
            return
        granted: set[str] = set()
        for scope in parse_qs(urlsplit(connection.path).query).get("scope", []):
            for one in scope.split(" "):
                _, path, actions = one.split(":")
                granted |= {f"{path}:{action}" for action in set(actions.split(",")) & user.actions}
                self.granted.append((name, one))
        token = secrets.token_hex(8)
        self._tokens[token] = granted
        reply(connection, 200, {"token": token, "expires_in": 300})

    def _missing(self, connection: _Connection) -> str:
        """Return the scope of the token that a request lacks; `any` where any token would do."""
        _, _, token = connection.headers.get("Authorization", "").partition(" ")
        found = re.match(r"/v2/(.+?)/(?:manifests|blobs|tags)/", connection.path)
        if not found:
            return "" if token in self._tokens else "any"
        action = "pull" if connection.command in {"GET", "HEAD"} else "push"
        if f"{found[1]}:{action}" in self._tokens.get(token, set()):
            return ""
        return f"repository:{found[1]}:{'pull' if action == 'pull' else 'pull,push'}"

    def _refuse(self, connection: _Connection, needed: str) -> None:
        connection.drain()
        challenge = f'Bearer realm="http://{self.host}/token",service="lab"'
        challenge += "" if needed == "any" else f',scope="{needed}"'
        said = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        reply(connection, 401, said, ("WWW-Authenticate", challenge))


def reply(
    connection: _Connection, status: int, said: Mapping[str, object], *headers: tuple[str, str]
) -> None:
    body = json.dumps(said).encode()
    connection.reply(status, [("Content-Type", "application/json"), *headers], [body], len(body))


@contextmanager
def token_registry(upstream: str, users: dict[str, User]) -> Iterator[TokenRegistry]:
    """Have such a registry before the one at the host `upstream`."""
    with served(lambda host: TokenRegistry(host, upstream, users=users)) as registry:
        yield registry
