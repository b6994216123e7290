"""The caches of a run: asked for, merged into one, and kept as older generations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from warmbuild import refs
from warmbuild.cache import directory, merging, probe, problems, records, settling
from warmbuild.cache.probe import Answer, Found, Silent, Unasked
from warmbuild.cache.problems import Kind, Problem
from warmbuild.errors import RegistryError
from warmbuild.plan import making
from warmbuild.refs import Reference
from warmbuild.registry import client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.commands.logins import Registries
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan


def settled(
    decided: Sequence[BuildPlan], registries: Registries, notes: Sequence[str] = ()
) -> Sequence[BuildPlan]:
    """Ask for the caches of all plans at once, and keep the usable ones; retries become notes."""
    asked = dict.fromkeys(place for one in decided for place in one.cache.asked)
    answers: dict[Place, Answer] = {
        place: directory.answer(place) for place in asked if isinstance(place, str)
    }
    references = [place for place in asked if isinstance(place, Reference)]
    answers |= {ref: Unasked() for ref in references if ref.host in registries.unasked}
    references = [ref for ref in references if ref not in answers]
    retried: list[str] = []
    found = client.ask(references, partial(registries.client, say=retried.append))
    answers.update(found.items())
    now = datetime.now(UTC)
    caches = [settling.settle(one.cache, answers, now) for one in decided]
    later = dict.fromkeys(retried)
    silent = {ref.host: known.reason for ref, known in found.items() if isinstance(known, Silent)}
    return [
        making.with_cache(
            replace(one, problems=(*one.problems, *problems.advice(_unpushable(one, silent)))),
            replace(cache, notes=(*notes, *cache.notes, *later)),
        )
        for one, cache in zip(decided, caches, strict=True)
    ]


def _unpushable(plan: BuildPlan, silent: Mapping[str, str]) -> Iterator[str]:
    """Yield which pushes may fail; `silent` has the reasons, by registry."""
    for tag in plan.tags if plan.push else ():
        if why := silent.get(refs.parse(tag).host):
            yield f"the push of {tag} may fail: {why}"


def merged(decided: BuildPlan, registries: Registries, log: Log) -> BuildPlan:
    """Merge the caches that a plan reads, if that is possible."""
    if not settling.must_be_one(decided.cache):
        return decided
    return making.with_cache(decided, _as_one(decided.cache, registries, log))


def unmerged(decided: BuildPlan) -> BuildPlan:
    """Return a plan for other tools, which cannot merge caches as `build` does."""
    if not settling.must_be_one(decided.cache):
        return decided
    cache = settling.unmerged(decided.cache, "only the command build merges caches")
    return replace(decided, cache=cache)


def kept(cache: CachePlan, registries: Registries, log: Log) -> bool:
    """Write the cache that was read under the ref that is written; return False on failure."""
    home, found = cache.write.ref if cache.write else "", [read.found for read in cache.read]
    if not isinstance(home, Reference):
        return False
    there = registries.client(home.host, log.line)
    try:
        if len(found) > 1:
            one = merging.merge(filter(None, found))
            there.write(home, one)
            found = [Found(one.digest, manifest=one.manifest, media_type=merging.MANIFEST_TYPE)]
        for whole in filter(None, found):
            there.retag(home, whole)
    except (RegistryError, ValueError) as error:
        log.line(str(error))
        return False
    return True


def have_lost(written: Sequence[CachePlan], registries: Registries, log: Log) -> Sequence[bool]:
    """Return of each cache whether BuildKit left the result of a step out as it wrote it."""
    homes = [_home(cache, registries) for cache in written]
    known = client.ask(filter(None, homes), partial(registries.client, say=log.line))
    answers = [known[home] if home else None for home in homes]
    return [
        isinstance(answer, Found) and _lacks_results(cache, answer)
        for cache, answer in zip(written, answers, strict=True)
    ]


def _home(cache: CachePlan, registries: Registries) -> Reference | None:
    """Return where a cache with the results of all steps is, if its registry may be asked."""
    home = cache.write.ref if cache.write and cache.mode == "max" else ""
    return home if isinstance(home, Reference) and home.host not in registries.unasked else None


def _lacks_results(cache: CachePlan, written: Found) -> bool:
    read = [one for read in cache.read if read.found for one in read.found.records]
    return records.loses_results(records.joined(written.records), records.joined(read))


def keep_history(
    decided: Sequence[BuildPlan], outcome: Outcome, registries: Registries, log: Log
) -> Outcome:
    """Tag the previous generations of the caches that were written."""
    written = {one.name for one in (*outcome.targets, outcome) if one.cache_written}
    lost = [
        Problem(kind=Kind.HISTORY, text=text)
        for one in decided
        if one.name in written and one.cache.history
        for text in _kept(one.cache, registries, log)
    ]
    return replace(outcome, problems=(*outcome.problems, *lost))


def _as_one(cache: CachePlan, registries: Registries, log: Log) -> CachePlan:
    home = cache.write.ref if cache.write else ""
    if not isinstance(home, Reference):
        return settling.unmerged(
            cache, "several caches have to be merged, and this run cannot write that"
        )
    try:
        one = merging.merge(read.found for read in cache.read if read.found)
        if max(len(one.config), len(one.manifest)) > probe.LARGEST:
            return settling.unmerged(cache, "together they exceed the size that BuildKit reads")
        written = registries.client(home.host, log.line).write(home, one)
    except (RegistryError, ValueError) as error:
        return settling.unmerged(cache, f"several caches have to be merged, which failed: {error}")
    return replace(cache, merged=written)


def _kept(cache: CachePlan, registries: Registries, log: Log) -> Sequence[str]:
    """Tag the generations before the one that was written; return the failures."""
    write = cache.write
    if write is None or not isinstance(write.ref, Reference):
        return ()
    of = partial(registries.client, say=log.line)
    written = client.ask([write.ref], of)[write.ref]
    if not isinstance(written, Found):
        return ()
    lost: list[str] = []
    for ref, found in settling.shifted(cache, written):
        try:
            of(ref.host).retag(ref, found)
            log.line(f"kept the previous generation as {ref}")
        except RegistryError as error:
            log.warning(str(error))
            lost.append(str(error))
    return lost
