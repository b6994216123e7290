"""The registries of a run, each with its login and its transport."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from warmbuild.errors import RegistryError
from warmbuild.registry.client import PROBE, Patience, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild.registry.keyring import Keyring
    from warmbuild.registry.transports import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """Creates clients of registries, with this run's login or the user's own."""

    keyring: Keyring
    transports: Mapping[str, Transport]  # by host

    def client(
        self, host: str, say: Callable[[str], object], *, patience: Patience = PROBE
    ) -> Registry:
        """Return a client; `say` gets the failure of a credential helper, and every retry."""
        try:
            login = self.keyring.login(host)
        except RegistryError as error:
            say(str(error))
            login = None
        registry = Registry(host, login, self.transports.get(host), patience, say)
        registry.scoped = partial(self.keyring.scoped, host)
        return registry
