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
    from warmbuild.plan.build_plan import BuildPlan


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
    known = {
        host: registries.transports.get(host) or transports.default(host)
        for host in logins.hosts(registries, decided)
        if transports.is_private(host)
    }
    far = sorted(client.unreached(known))
    if not far:
        return registries
    name, builder = made.up(), decided[0].builder
    named = " and ".join(far)
    try:
        inside = network.of(builder, name, engine_calls.address(env))
    except EngineError as error:
        why = f"it cannot be reached from here, and the builder cannot be asked for it: {error}"
        log.warning(
            f"the registry {named} cannot be reached from here, and not through the builder: "
            f"{error}. So neither the login nor the caches are checked before BuildKit uses them"
        )
        return replace(registries, unasked=dict.fromkeys(far, why))
    log.line(f"the registry {named} cannot be reached from here; it is asked through the builder")
    ways = {
        host: replace(
            known[host],
            connect=partial(inside.connect, *transports.server(host, known[host].scheme)),
        )
        for host in far
    }
    return replace(registries, transports={**registries.transports, **ways})
