"""Explains which steps a build would run and why, by the records beside caches.

It starts nothing except buildx, which reads bake and compose files, and a builder if these are in a
repository. It contacts nothing else except the registry, or what else keeps the caches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warmbuild.builder import environment, private_directory
from warmbuild.commands import caches, explaining, images, linked_copy, logins, recording
from warmbuild.mounts import Mounts
from warmbuild.record.explanation import Explanation
from warmbuild.report import explanations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.commands.recording import Known
    from warmbuild.commands.run import Run
    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


def explain(run: Run, *, against: str, as_json: bool) -> None:
    """Print what becomes of each step, and why.

    The files here are compared with the records that a build here would read or, if `against` names
    a branch, with the record of its cache. If the inputs name a branch too, its last build takes
    the place of the files here.
    """
    log, of = run.log, run.inputs.branch if against else ""
    branches = tuple(filter(None, (of, against)))
    if branches:
        run = replace(run, inputs=_reading(run.inputs, branches))
    wanted = images.images(run, Mounts())
    decided = [_without_others(one, branches) for one in images.decide(wanted)]
    known = _known(run, decided)
    told = {one.decided.name: explaining.explanation(one, of, against) for one in known}
    found = [told.get(one.name) or _unknown(one) for one in decided if not one.linked]
    if as_json:
        log.document(explanations.as_json(found, log.redact))
    else:
        log.answer(explanations.text(found))


def _reading(inputs: Inputs, branches: tuple[str, ...]) -> Inputs:
    """Return inputs with which a run reads the caches of these branches, whatever others have."""
    return replace(inputs, cache_fallback=branches, cache_import="union", cache_max_age=None)


def _without_others(decided: BuildPlan, branches: tuple[str, ...]) -> BuildPlan:
    """Return a plan that reads the caches of these branches alone, if there are any."""
    cache = decided.cache
    read = tuple(item for item in cache.read if not branches or item.branch in branches)
    return replace(decided, cache=replace(cache, read=read))


def _known(run: Run, decided: Sequence[BuildPlan]) -> Sequence[Known]:
    """Return what is known of builds, as they would know it themselves."""
    env, log, trust = run.env, run.log, run.context.trust
    registries = logins.registries(run.inputs, env, decided, log.line, log.warning)
    log.hide(login.password for login in registries.keyring.own)
    secrets = {secret.id: secret for one in decided for secret in one.secrets}
    own = registries.keyring.own
    with private_directory.private(env, own, tuple(secrets.values()), trust) as private:
        child = environment.environment(env, private)
        child = environment.of_building(child, trust, images.variables(decided))
        settled = caches.settled(decided, registries)
        if run.inputs.link:
            settled = [
                linked_copy.linked(one, private, number, child)
                for number, one in enumerate(settled)
            ]
        return recording.known(settled, registries, child)


def _unknown(decided: BuildPlan) -> Explanation:
    """Return what is said of a build that reads and writes no cache."""
    notes = (*decided.cache.notes, *decided.warnings)
    return Explanation(name=decided.name, subject=explaining.FILES, notes=notes)
