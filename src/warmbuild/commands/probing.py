"""What a plan with `probe` asks of the registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmbuild.commands import caches, logins
from warmbuild.registry.registries import registries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.inputs.values import Inputs
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan


def probed(
    decided: Sequence[BuildPlan], inputs: Inputs, env: Mapping[str, str], log: Log
) -> Sequence[BuildPlan]:
    """Return the plans with what the registries hold; what was said of it is noted in them."""
    notes: list[str] = []
    known = registries(inputs, env)
    logins.fill(known.keyring, decided, notes.append, notes.append)
    log.hide(login.password for login in known.keyring.own)
    return [caches.noted(one, notes) for one in caches.settled(decided, known)]


def for_others(decided: Sequence[BuildPlan]) -> Sequence[BuildPlan]:
    """Return plans for others, who cannot put several caches into one as a build does."""
    return [caches.nearest(one) for one in decided]
