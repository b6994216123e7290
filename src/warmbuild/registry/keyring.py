"""Finds the login for a registry: the run's own first, then the user's."""

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
    """The logins of a run; a credential helper is asked once for each registry."""

    def __init__(self, own: Sequence[Login], env: Mapping[str, str]) -> None:
        """Take the logins of the inputs, and read the user's Docker configuration."""
        self.own = tuple(own)
        self._env = env
        self._config, self.gone = docker_config.usable(docker_config.read_config(env), env)
        self._scoped = docker_config.read_scoped(env)
        self._known: dict[tuple[str, str], Login | RegistryError | None] = {}
        self._lock = threading.Lock()

    def fill(self, needed: Collection[str], warn: Callable[[str], object]) -> None:
        """Replace AWS keys by the tokens that AWS gives for them.

        Raises RegistryError if AWS gives none for a host that is needed, and InputError if
        nothing is installed that can ask.
        """
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
        """Return the login for a registry; raises RegistryError if a helper fails."""
        return self._find(host, "")

    def scoped(self, host: str, scope: str) -> Login | None:
        """Return the login that is limited to the scope of a token, if any."""
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
        """Return the login of the user's configuration."""
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
