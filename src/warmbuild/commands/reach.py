"""How a run reaches its registries: those that this machine does not reach, through the builder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from warmbuild.builder import engine_calls, network
from warmbuild.commands import logins
from warmbuild.errors import EngineError
from warmbuild.registry import client, transports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.builder.boot import Made
    from warmbuild.commands.logins import Registries
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan
    from warmbuild.registry.transports import Transport


def routed(
    registries: Registries,
    decided: Sequence[BuildPlan],
    made: Made,
    env: Mapping[str, str],
    log: Log,
) -> Registries:
    """Return the registries with the way to those that only the builder may reach.

    Only what may be another server in the builder's network is asked there, such as a service of
    the job at `localhost`. If the builder cannot be entered, such a registry is not asked at all.
    """
    known = _private(registries, decided)
    far = sorted(client.unreached(known))
    if not far:
        return registries
    name, builder = made.up(), decided[0].builder
    kind = "registry" if len(far) == 1 else "registries"
    what = f"the {kind} {' and '.join(far)} cannot be reached from here"
    try:
        inside = network.of(builder, name, engine_calls.address(env))
    except EngineError as error:
        log.warning(
            f"{what}, and not through the builder: {error}. So BuildKit is the first to use the "
            "login and the caches there"
        )
        return replace(registries, unasked=frozenset(far))
    log.line(f"{what}; asking through the builder{_own_loopback(builder, far)}")
    ways = {
        host: replace(
            known[host],
            connect=partial(inside.connect, *transports.server(host, known[host].scheme)),
        )
        for host in far
    }
    return replace(registries, transports={**registries.transports, **ways})


def far(registries: Registries, decided: Sequence[BuildPlan]) -> Sequence[str]:
    """Return the hosts of registries that only a builder may reach."""
    return sorted(client.unreached(_private(registries, decided)))


def _private(registries: Registries, decided: Sequence[BuildPlan]) -> Mapping[str, Transport]:
    return {
        host: registries.transports.get(host) or transports.default(host)
        for host in logins.hosts(registries, decided)
        if transports.is_private(host)
    }


def _own_loopback(builder: BuilderPlan, hosts: Sequence[str]) -> str:
    """Return what keeps a builder from this engine's loopback interface, or an empty text."""
    is_apart = builder.is_fresh and not any("network=host" in opt for opt in builder.driver_opts)
    if not (is_apart and any(map(transports.is_loopback, hosts))):
        return ""
    return ", which has a localhost of its own; set driver-opts: network=host if it is there"
