"""Records of builds: read beside the caches of a run, compared with it, and written again."""

from __future__ import annotations

import os
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import __version__, refs, signals, stores
from warmbuild.builder import engine_calls
from warmbuild.cache import directory
from warmbuild.cache.probe import Found
from warmbuild.commands import material, reproducing
from warmbuild.errors import EngineError, RegistryError
from warmbuild.frozen import frozen
from warmbuild.record import changed_files, forecasts, predicting, ran, record
from warmbuild.record.predicting import Compared, Fate, Forecast
from warmbuild.record.record import Record
from warmbuild.refs import Reference
from warmbuild.registry import client, docker_config

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.cache.cache_plan import CachePlan, CacheRef, Place
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.material import Material
    from warmbuild.image.layers import Step
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuilderPlan, BuildPlan
    from warmbuild.record.gains import Gain
    from warmbuild.record.recipe import Recipe
    from warmbuild.registry.client import Registry

# Seconds that the records of a run are waited for.
_PATIENCE: Final = 6.0
# Bytes.
_SALT: Final = 16


@frozen
class Beside:
    """What lies beside a cache that a run reads or writes."""

    ref: CacheRef
    record: Record | None = None
    why: str = ""  # why there is none that can be used, as a clause

    @property
    def describes(self) -> bool:
        """Whether the record is about the cache that it lies beside."""
        found = self.ref.found
        return self.record is not None and (found is None or self.record.cache == found.digest)


@frozen
class Known:
    """What is known of a build before it begins."""

    decided: BuildPlan
    material: Material
    read: tuple[Beside, ...] = ()  # beside the caches that are read, near before far
    own: Record | None = None  # of the last build of the branch
    images: Mapping[str, str] = field(default_factory=dict)  # digests, by reference
    renews: bool = False  # whether its record is written even if nothing has changed
    gains: Mapping[str, Gain] = field(default_factory=dict)  # of steps with cache mounts

    def compared(self, done: Outcome | None = None) -> tuple[Compared, ...]:
        """Return the build beside each record of a cache that it reads.

        After the build, its own digests of images count.
        """
        used = (one.record for one in self.read if one.record and one.describes)
        return tuple(Compared(record=one, now=self.recipe(one, done)) for one in used)

    def is_of(self, known: Record, done: Outcome | None = None) -> bool:
        """Return whether a record is of a build of the same, with nothing unknown."""
        return bool(known.key) and known.key == self.recipe(known, done).key

    def same(self, done: Outcome) -> Record | None:
        """Return the record of a build of the same, that of the branch first; None without one."""
        found = (self.own, *(one.record for one in self.read))
        return next((one for one in found if one and self.is_of(one, done)), None)

    def recipe(self, known: Record, done: Outcome | None = None) -> Recipe:
        """Return what is built, so that it can be compared with a record."""
        images = {**self.images, **(done.images if done else {})}
        return self.material.recipe(images, known.salt)

    @property
    def unknown(self) -> str:
        """Why it is not known what is built; empty if every part is known."""
        return self.material.recipe(self.images, b"").unknown

    @property
    def ignored(self) -> Collection[str]:
        """The stages that no cache is used for."""
        stages = self.material.stages
        filters = {name.lower() for name in self.decided.no_cache_filters}
        return [name for name in stages if self.decided.no_cache or name in filters]

    @property
    def forecast(self) -> tuple[Forecast, ...]:
        """What becomes of the steps, as far as records tell."""
        decided, compared = self.decided, self.compared()
        cache = decided.cache
        is_whole = len(compared) == len(cache.read) and not cache.sources
        if is_whole and decided.builder.is_fresh and not compared:
            steps = self.material.recipe(self.images, b"").steps
            return tuple(Forecast(step=step, fate=Fate.RUNS) for step in steps)
        return predicting.forecast(
            compared,
            ignored=self.ignored,
            is_complete=is_whole and decided.builder.is_fresh,
            is_least=cache.mode == "min" or cache.backend.lies_in_image,
        )


def known(
    decided: Sequence[BuildPlan], registries: Registries, env: Mapping[str, str]
) -> Sequence[Known]:
    """Read what builds are made of, and what lies beside their caches.

    `env` is the environment of buildx. A build without a cache has nothing to be compared with, and
    nothing here fails a run.
    """
    recorded = [
        one for one in decided if one.cache.backend.store and (one.cache.read or one.cache.write)
    ]
    found = _records([one.cache for one in recorded], registries, env)
    native = _platform(recorded[0].builder, env) if recorded else ""
    materials = [material.read(one, env, native) for one in recorded]
    named = {image for made in materials for image in made.images}
    if any(one.run.trust.is_untrusted for one in recorded):
        # A stranger's file may name any server; it names only what a build of others was made of.
        own = (one.record.images for one in found.values() if one.record)
        named &= {image for images in own for image in images}
    images = _digests(named, registries)
    return [
        Known(
            decided=one,
            material=made,
            read=tuple(
                replace(found[_place(one.cache, item)], ref=item) for item in one.cache.read
            ),
            own=next((found[_place(one.cache, item)].record for item in _own(one)), None),
            images=images if _asks_registries(one) else {},
        )
        for one, made in zip(recorded, materials, strict=True)
    ]


def say_forecast(builds: Sequence[Known], say: Callable[[str], object]) -> None:
    """Say which steps will run, and about how long."""
    for one in builds:
        of = f"{one.decided.name}: " if one.decided.name else ""
        for text in forecasts.lines(one.forecast):
            say(f"{of}{text}")


def unpacks_nothing(builds: Sequence[Known], decided: Sequence[BuildPlan]) -> bool:
    """Return whether builds are foreseen to take every step from a cache, and only push."""
    fates = {step.fate for one in builds for step in one.forecast}
    is_pushed = all(one.push and not (one.load or one.outputs) for one in decided)
    return is_pushed and len(builds) == len(decided) and fates == {Fate.CACHED}


def keep(
    builds: Sequence[Known],
    outcome: Outcome,
    registries: Registries,
    env: Mapping[str, str],
    log: Log,
) -> Outcome:
    """Write the records of builds beside their caches; return the outcome with what has changed.

    Where nothing has, the record of the last build stays.
    """
    done = {one.name: one for one in (*outcome.targets, outcome)}
    changed: dict[str, bool] = {}
    for one in builds:
        target = done.get(one.decided.name)
        if target is None:
            continue
        target = replace(target, builder=outcome.builder)
        changed[target.name] = _is_changed(one, target)
        cache = one.decided.cache
        made = reproducing.steps(one.decided, target, _clients(registries))
        if earlier := one.same(target):
            reproducing.say_differences(target.name, made, earlier, log)
        is_there = target.cache_written or not target.cache_error
        is_new = target.cache_written or changed[target.name] or one.renews
        if cache.write and is_there and (is_new or _is_elsewhere(one)):
            try:
                _write(one, target, made, registries, env)
            except RegistryError as error:
                log.line(str(error))
    return _told(outcome, changed)


def hand_on(
    one: Known, made: Record, registries: Registries, env: Mapping[str, str], log: Log
) -> None:
    """Write the record of another branch's build beside the cache that this branch has of it."""
    cache, run = one.decided.cache, one.decided.run
    of = _clients(registries)
    if cache.write is None:
        return
    own = replace(
        made, branch=run.branch, commit=run.commit, cache=_digest_of_cache(cache.write.ref, of)
    )
    try:
        _store(cache, own, of, env)
    except RegistryError as error:
        log.line(str(error))


def _clients(registries: Registries) -> Callable[[str], Registry]:
    """Return what makes clients that ask once, and say nothing of what others have said."""
    return partial(registries.client, say=lambda _: None, patience=client.BRIEF)


def _told(outcome: Outcome, changed: Mapping[str, bool]) -> Outcome:
    if not outcome.targets:
        return replace(outcome, changed=changed.get(outcome.name, True))
    targets = tuple(replace(one, changed=changed.get(one.name, True)) for one in outcome.targets)
    return replace(outcome, targets=targets, changed=any(one.changed for one in targets))


def _is_elsewhere(one: Known) -> bool:
    """Return whether an image was pushed to a repository that the record does not name."""
    known = one.own.image.repositories if one.own else ()
    return one.decided.push and not set(_repositories(one.decided)) <= set(known)


def _is_changed(one: Known, done: Outcome) -> bool:
    """Return whether an image may differ from that of the last build of its branch."""
    is_same = one.own is not None and one.is_of(one.own, done)
    return not (is_same and all(step.cached for step in done.steps))


def _write(
    one: Known,
    done: Outcome,
    layers: Sequence[Step],
    registries: Registries,
    env: Mapping[str, str],
) -> None:
    """Write the record of a build beside its cache; raises RegistryError if that fails."""
    decided, write = one.decided, one.decided.cache.write
    if write is None:
        return
    of = _clients(registries)
    salt, images = _salt(one), {**one.images, **done.images}
    made = one.material.recipe(images, salt)
    # A base image may have steps of its own, and its tag may have moved as the build began.
    has_more = ran.has_more(done.steps, made)
    is_known = not has_more and done.images.keys() >= set(one.material.images)
    run = decided.run
    content = one.material.given.content
    new = Record(
        salt=salt,
        made=datetime.now(UTC),
        recipe=made,
        ran=ran.ran(done.steps, made, one.compared(done)),
        files=record.marks(content) if content else {},
        cache=_digest_of_cache(write.ref, of),
        key=made.key if is_known else "",
        image=record.Image(
            digest=done.digest,
            repositories=_repositories(decided) if decided.push else (),
            layers=tuple(step.digest for step in layers if not step.is_empty),
        ),
        images=images,
        mode=decided.cache.mode,
        ignored=changed_files.kept(one.material.ignored),
        stage=decided.stage,
        platforms=decided.platforms,
        branch=run.branch,
        commit=run.commit,
        versions={"warmbuild": __version__, "buildkit": _buildkit(done)},
        gains=one.gains,
    )
    _store(decided.cache, new, of, env)


def _salt(one: Known) -> bytes:
    """Return the salt of a new record.

    It is that of the record that it follows, so that records of branches can be compared.
    """
    known = [one.own, *(beside.record for beside in one.read)]
    return next(
        (found.salt for found in known if found and len(found.salt) == _SALT), os.urandom(_SALT)
    )


def _store(
    cache: CachePlan, new: Record, of: Callable[[str], Registry], env: Mapping[str, str]
) -> None:
    packed = record.packed(new)
    if packed is None:
        raise RegistryError("no record of the build is written: it would have more than 1 MiB")
    if cache.write:
        stores.write(cache, cache.write.ref, env, of, packed)


def _buildkit(done: Outcome) -> str:
    """Return the version of BuildKit on the first node; empty if the builder does not tell it."""
    return next((node.buildkit for node in done.builder.nodes), "")


def _repositories(decided: BuildPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(refs.parse(tag).repository for tag in decided.tags))


def _digest_of_cache(place: Place, of: Callable[[str], Registry]) -> str:
    """Return the digest of the cache's manifest; empty if its backend does not tell it."""
    if isinstance(place, Reference):
        return of(place.host).digest(place)
    answer = directory.answer(place)
    return answer.digest if isinstance(answer, Found) else ""


def _own(decided: BuildPlan) -> Sequence[CacheRef]:
    """Return the caches of the run's own branch; the cache that it writes is the first."""
    cache, branch = decided.cache, decided.run.branch
    written = [cache.write] if cache.write else []
    return [*written, *(item for item in cache.read if branch and item.branch == branch)]


def _place(cache: CachePlan, item: CacheRef) -> tuple[str, Place]:
    ref = item.ref
    return cache.backend.name, replace(ref, digest="") if isinstance(ref, Reference) else ref


def _records(
    caches: Sequence[CachePlan], registries: Registries, env: Mapping[str, str]
) -> Mapping[tuple[str, Place], Beside]:
    """Return what lies beside each cache that is read or written."""
    wanted = {
        _place(cache, item): (cache, item)
        for cache in caches
        for item in (*cache.read, *([cache.write] if cache.write else []))
    }
    of = _clients(registries)

    def one(cache: CachePlan, item: CacheRef, place: Place) -> Beside:
        if isinstance(place, Reference) and place.host in registries.unasked:
            return Beside(ref=item, why="only BuildKit may reach the registry")
        try:
            content = stores.read(cache, place, env, of)
            if content is None:
                return Beside(ref=item, why="no record lies beside it")
            return Beside(ref=item, record=record.unpacked(content))
        except (RegistryError, ValueError) as error:
            return Beside(ref=item, why=f"its record cannot be used: {error}")

    jobs = {key: partial(one, *both, key[1]) for key, both in wanted.items()}
    late = {
        key: Beside(ref=item, why="its record was not read in time")
        for key, (_, item) in wanted.items()
    }
    return {**late, **signals.at_once(jobs, _PATIENCE)}


def _digests(named: Collection[str], registries: Registries) -> Mapping[str, str]:
    """Return the digests that images have at the moment, as far as their registries tell."""
    of = _clients(registries)

    def one(ref: Reference) -> str:
        places = (place for place in registries.places(ref) if place.host not in registries.unasked)
        found = (of(place.host).digest(place) for place in places)
        return next(filter(None, found), "")

    jobs = {name: partial(one, refs.parse(name)) for name in named}
    found = signals.at_once(jobs, client.BRIEF.total)
    return {name: digest for name, digest in found.items() if digest}


def _asks_registries(decided: BuildPlan) -> bool:
    """Return whether base images come from registries, and not from the engine's own images."""
    builder = decided.builder
    is_engines = builder.driver.is_engines_own or builder.name == docker_config.DEFAULT_CONTEXT
    return decided.pull or not is_engines


def _platform(builder: BuilderPlan, env: Mapping[str, str]) -> str:
    """Return the platform of a builder of this run's engine; empty for any other builder."""
    is_of_engine = builder.driver.runs_on_engine and not (builder.name or builder.endpoint)
    at = engine_calls.address(env) if is_of_engine and not builder.appended else None
    try:
        return engine_calls.platform(at) if at else ""
    except EngineError:
        return ""
