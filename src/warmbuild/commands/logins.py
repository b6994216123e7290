"""The registries of a run and their logins: completed, checked, kept for later steps."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.errors import RegistryError
from warmbuild.files import read_text
from warmbuild.frozen import frozen
from warmbuild.refs import Reference
from warmbuild.registry import client, docker_config, scopes
from warmbuild.registry.client import PROBE, Patience, Registry
from warmbuild.registry.keyring import Keyring
from warmbuild.registry.transports import Transport, transports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.inputs.logins import Login
    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan

    Say = Callable[[str], object]


@frozen
class Registries:
    """Creates clients of registries, with this run's login or the user's own."""

    keyring: Keyring
    transports: Mapping[str, Transport]  # by host
    retry_timeout: float  # seconds to try again what a push needs
    unasked: frozenset[str] = frozenset()  # hosts that only BuildKit may reach

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

    def places(self, ref: Reference) -> Iterator[Reference]:
        """Yield where BuildKit looks for an image: in the mirrors of its registry first."""
        known = self.transports.get(ref.host)
        for mirror in known.mirrors if known else ():
            host, _, path = mirror.partition("/")
            yield replace(ref, host=host, path=f"{path}/{ref.path}".lstrip("/"))
        yield ref


def registries(
    inputs: Inputs, env: Mapping[str, str], decided: Sequence[BuildPlan], say: Say, warn: Say
) -> Registries:
    """Return the registries of a run, with complete logins; report what was assumed or is gone."""
    # A plan may be made where the configuration file does not exist.
    config = inputs.buildkitd_config_inline or read_text(inputs.buildkitd_config) or ""
    keyring = Keyring(inputs.logins, env)
    keyring.fill({ref.host for ref in _pushed(decided)}, warn)
    for login in keyring.own:
        if login.is_assumed:
            say(f"no username is given for {login}, so {login.username!r} is used")
    for fault in docker_config.faults(env):
        warn(fault)
    for host, program in keyring.gone.items():
        stored = f"the login for {host}" if host else "logins"
        warn(
            f"{stored} of the Docker configuration cannot be used: {program} is not installed here"
        )
    retry_timeout = inputs.retry_timeout.total_seconds()
    return Registries(keyring=keyring, transports=transports(config), retry_timeout=retry_timeout)


def check(registries: Registries, decided: Sequence[BuildPlan], log: Log) -> None:
    """Raise RegistryError for every login that cannot push the images.

    Other logins that are refused are warnings. The probe tests the logins of caches.
    """
    failures: list[str] = []
    checked: list[Login] = []
    for ref in _pushed(decided):
        if ref.host in registries.unasked:
            continue
        try:
            _check_push(registries, ref, checked, log.line)
        except RegistryError as error:
            failures.append(str(error))
    if failures:
        raise RegistryError("\n".join(failures))
    done = _asked(decided) | registries.unasked
    for login in registries.keyring.own:
        if login in checked or login.host in done or login.is_known or login.helper:
            continue
        try:
            registry = registries.client(login.host, log.line)
            registry.check_login(scopes.token_scope(login.scope), "a login for it is given")
        except RegistryError as error:
            log.warning(str(error))


def hosts(registries: Registries, decided: Sequence[BuildPlan]) -> set[str]:
    """Return the registries that a run asks, but none that a file of untrusted code names."""
    own = [one for one in decided if not (one.name and one.run.trust.is_untrusted)]
    given = {login.host for login in registries.keyring.own if not login.is_known}
    return given | {ref.host for ref in _pushed(own)} | _asked(own)


def leave(keyring: Keyring, env: Mapping[str, str], warn: Say) -> None:
    """Keep the given logins in the user's configuration, for later steps."""
    given = [login for login in keyring.own if not login.is_known]
    for failure in docker_config.leave(env, given):
        warn(f"logout is false, but a login cannot be kept for later steps: {failure}")


def _pushed(decided: Sequence[BuildPlan]) -> tuple[Reference, ...]:
    """Return the repositories that the plans push to."""
    pushed = (refs.parse(tag) for one in decided if one.push for tag in one.tags)
    return tuple(dict.fromkeys(replace(tag, tag="", digest="") for tag in pushed))


def _asked(decided: Sequence[BuildPlan]) -> set[str]:
    """Return the registries that are asked for caches."""
    places = (place for one in decided for place in one.cache.asked)
    return {place.host for place in places if isinstance(place, Reference)}


def _check_push(registries: Registries, ref: Reference, checked: list[Login], say: Say) -> None:
    """Raise RegistryError if the login for a repository is refused or unavailable."""
    keyring, scope = registries.keyring, f"repository:{ref.path}:pull,push"
    login = keyring.scoped(ref.host, scope)
    if not login:
        scope, login = "", keyring.login(ref.host)
    if not login and (program := keyring.gone.get(docker_config.server(ref.host))):
        raise RegistryError(
            f"the image is pushed to {ref.host}, whose login is stored in {program}, which is not "
            "installed here. Install it, or give username and password."
        )
    if login in keyring.own and login not in checked:
        checked.append(login)
        retry = registries.retry_timeout
        patience = replace(client.LOGIN, total=client.LOGIN.total + retry, retry=retry)
        registries.client(ref.host, say, patience=patience).check_login(scope)
