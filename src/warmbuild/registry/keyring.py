"""Who this run is at a registry: its own logins first, then the user's, helpers included."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild.errors import InputError, RegistryError
from warmbuild.registry import aws, credential_helpers, docker_config, scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from warmbuild.inputs.logins import Login


class Keyring:
    """The logins of a run; a helper is asked once for a registry."""

    def __init__(self, own: Sequence[Login], env: Mapping[str, str]) -> None:
        """Take the logins that were given; nothing is read before it is needed."""
        self.own = tuple(own)
        self._env = env
        self._config, self.gone = docker_config.usable(docker_config.read_config(env), env)
        self._scoped = docker_config.read_scoped(env)
        self._known: dict[tuple[str, str], Login | RegistryError | None] = {}
        self._lock = threading.Lock()

    def fill(self, needed: Collection[str], warn: Callable[[str], object]) -> None:
        """Get the tokens that AWS has to give.

        Raises RegistryError where it gives none for a host that is needed, and InputError where
        there is nothing to ask it with.
        """
        if not any(login.is_ecr for login in self.own):
            return
        filled: list[Login] = []
        for login in self.own:
            if not login.is_ecr:
                filled.append(login)
                continue
            try:
                filled += aws.tokens(login, self._env)
            except InputError:
                if not login.username and docker_config.helper(self._config, login.host):
                    continue
                raise
            except RegistryError as error:
                if login.host in needed:
                    raise
                warn(str(error))
        self.own = tuple(filled)

    def login(self, host: str) -> Login | None:
        """Return the login for a registry; raises RegistryError where a helper fails."""
        return self._find(host, "")

    def scoped(self, host: str, scope: str) -> Login | None:
        """Return the login for a token of a scope, where there is one of its own."""
        own = {login.scope for login in self.own if login.host == host}
        found = scopes.nearest_scope({*own, *self._scoped.get(host, {})}, scope)
        return self._find(host, found) if found else None

    def _find(self, host: str, scope: str) -> Login | None:
        for login in self.own:
            if (login.host, login.scope) == (host, scope) and not login.helper:
                return login
        with self._lock:
            if (host, scope) not in self._known:
                self._known[host, scope] = self._users(host, scope)
            found = self._known[host, scope]
        if isinstance(found, RegistryError):
            raise found
        return found

    def _users(self, host: str, scope: str) -> Login | RegistryError | None:
        """Return what the user's own configuration has."""
        config = self._scoped[host][scope] if scope else self._config
        helped = [login for login in self.own if login.helper and login.host == host]
        config = docker_config.merged(config, [login for login in helped if login.scope == scope])
        if not docker_config.has_logins(config):
            return None
        try:
            found = credential_helpers.credential(config, host)
        except RegistryError as error:
            return error
        return found and replace(found, scope=scope)
