"""Looks for what is kept of the cache mounts of a run, and says what is left out."""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import signals, sizes
from warmbuild.cache import directory, kept_mounts, probe
from warmbuild.cache.kept_mounts import Carriage, Kept
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.project import cache_mount
from warmbuild.record import gains
from warmbuild.record.predicting import Fate
from warmbuild.registry import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.recording import Known
    from warmbuild.project.cache_mount import CacheMount
    from warmbuild.record.gains import Gain
    from warmbuild.record.recipe import Step
    from warmbuild.refs import Reference

# Seconds that registries have to say what they keep.
_PATIENCE: Final = 6.0


@frozen
class Mount:
    """A cache mount of a step."""

    mount: CacheMount
    cache: CachePlan  # beside which it is written
    reads: tuple[Place, ...]  # where it may be kept, near before far; empty if no step needs it
    why: str = ""  # why it is not kept, as a clause; empty if it is

    @property
    def name(self) -> str:
        """What it is known by."""
        return self.mount.name

    @property
    def write(self) -> Place | None:
        """Where it is kept for the run's own branch; None if the run writes no cache."""
        home = self.cache.write
        return kept_mounts.place(home.ref, self.name) if home else None


@frozen
class Keeping:
    """The cache mounts of a run, by their names."""

    builds: tuple[Known, ...] = ()
    mounts: Mapping[str, Mount] = field(default_factory=dict)
    found: Mapping[str, Kept] = field(default_factory=dict)  # what is to be restored
    restored: Mapping[str, Kept] = field(default_factory=dict)
    carried: Mapping[str, Carriage] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)  # seconds
    notes: tuple[str, ...] = ()  # why mounts are not kept, or not restored
    warnings: tuple[str, ...] = ()

    @property
    def need(self) -> int:
        """Bytes that the builder's state takes for what is restored."""
        found = self.found.values()
        return sum(one.size + one.stored for one in found) * kept_mounts.UNPACKED


def found(builds: Sequence[Known], registries: Registries) -> Keeping:
    """Return the cache mounts of builds, and what is kept of each mount that a step will need.

    Whoever wrote the Dockerfile decides how many mounts there are, so a run asks for some alone.
    """
    mounts: dict[str, Mount] = {}
    left: dict[str, str] = {}
    notes: list[str] = []
    for one in builds:
        why = _obstacle(one)
        notes += [f"{_of(one)}cache mounts are not kept: {why}"] if why else []
        for mount in () if why else _of_build(one):
            if mount.why:
                left.setdefault(mount.name, f"{mount.mount.identity} is not kept: {mount.why}")
                continue
            known = mounts.setdefault(mount.name, mount)
            reads = dict.fromkeys((*known.reads, *mount.reads))
            mounts[mount.name] = replace(known if known.write else mount, reads=tuple(reads))
    more = list(mounts)[kept_mounts.MOST_MOUNTS :]
    for name in more:
        del mounts[name]
    notes += [kept_mounts.too_many(len(more))] if more else []
    notes += [
        f"the cache mount {text}" for name, text in left.items() if name not in (*mounts, *more)
    ]
    read = {name: one for name, one in mounts.items() if one.reads}
    emptied = read.keys() & set(chain.from_iterable(map(_emptied, builds)))
    asked = {name: partial(_first, read[name], registries) for name in read if name not in emptied}
    answers = signals.at_once(asked, _PATIENCE) if asked else {}
    # In the order of the steps, whoever answers first.
    told = {name: answers.get(name, "its registry did not answer in time") for name in asked}
    kept = {name: one for name, one in told.items() if isinstance(one, Kept)}
    whys = {name: one for name, one in told.items() if isinstance(one, str) and one}
    whys |= dict.fromkeys(emptied, "no-cache-filters names the stage of its step")
    keeping = Keeping(
        builds=tuple(builds),
        mounts=mounts,
        found=kept,
        notes=tuple(notes),
        warnings=tuple(dict.fromkeys(chain.from_iterable(map(_unknown, builds)))),
    )
    return not_restored(keeping, whys)


def say(keeping: Keeping, line: Callable[[str], object], warn: Callable[[str], object]) -> None:
    """Say which mounts are not kept, or not restored, and why."""
    for text in keeping.warnings:
        warn(text)
    for text in keeping.notes:
        line(text)


def say_found(keeping: Keeping, line: Callable[[str], object]) -> None:
    """Say what a build would restore."""
    for name, one in keeping.found.items():
        identity, size = keeping.mounts[name].mount.identity, sizes.shown(one.size)
        line(f"the cache mount {identity} is restored from {one.place}, {size}")


def _of(one: Known) -> str:
    return f"{one.decided.name}: " if one.decided.name else ""


def _is_on(one: Known) -> bool:
    is_off = one.decided.cache.mounts == (cache_mount.OFF,)
    return one.material.has_cache_mounts and not is_off


def _obstacle(one: Known) -> str:
    """Return why no mount of a build is kept, as a clause; empty if it has none, or by choice."""
    decided = one.decided
    if not _is_on(one):
        return ""
    is_fresh = decided.builder.is_fresh and decided.builder.is_one_daemon
    return kept_mounts.obstacle(decided.cache, is_fresh=is_fresh, no_cache=decided.no_cache)


def _steps(one: Known) -> Sequence[Step]:
    """Return the steps with cache mounts."""
    if not _is_on(one):
        return ()
    return [step for step in one.material.recipe(one.images, b"").steps if step.mounts]


def _of_build(one: Known) -> Iterator[Mount]:
    """Yield the mounts of a build, each with why it is not kept, if it is not."""
    cache, known, steps = one.decided.cache, gains_of(one), _steps(one)
    fates = {(was.step.stage, was.step.position): was.fate for was in one.forecast if steps}
    for step in steps:
        lost = gains.why_not(step, known) if cache.mounts == (cache_mount.AUTO,) else ""
        fate = fates.get((step.stage, step.position), Fate.UNKNOWN)
        for mount in step.mounts:
            places = (item.ref for item in cache.read if not item.beside)
            reads = () if fate is Fate.CACHED else places
            yield Mount(
                mount=mount,
                cache=cache,
                reads=tuple(kept_mounts.place(place, mount.name) for place in reads),
                why=kept_mounts.not_kept(mount, cache.mounts) or lost,
            )


def _emptied(one: Known) -> Iterator[str]:
    """Yield the names of mounts that BuildKit empties before a build (detectPrunedCacheID)."""
    found = (step.mounts for step in _steps(one) if step.stage in one.ignored)
    return (mount.name for mount in chain.from_iterable(found))


def _unknown(one: Known) -> Iterator[str]:
    """Yield warnings of IDs that no step has."""
    there = dict.fromkeys(mount.identity for step in _steps(one) for mount in step.mounts)
    return kept_mounts.unknown(one.decided.cache.mounts, tuple(there)) if there else iter(())


def gains_of(one: Known) -> Mapping[str, Gain]:
    """Return what earlier builds measured: the branch's own before others."""
    records = [one.own, *(beside.record for beside in one.read)]
    return next((known.gains for known in records if known), {})


def _first(mount: Mount, registries: Registries) -> Kept | str:
    """Return what is kept of a mount, nearest first; otherwise why there is nothing."""
    for place in mount.reads:
        try:
            manifest = _manifest(place, registries)
            if manifest is not None:
                kept = kept_mounts.read(place, manifest, probe.digest_of(manifest))
                size = max(kept.size, kept.stored)
                why = kept_mounts.too_large(size, mount.cache.mounts_limit)
                return why or _checked(kept, manifest, registries)
        except (RegistryError, ValueError) as error:
            return f"{place}: {error}"
    return ""


def _checked(kept: Kept, manifest: bytes, registries: Registries) -> Kept:
    """Return what is kept unless BuildKit would run what it says, because a stage begins with it.

    Raises ValueError and RegistryError.
    """
    digest = kept_mounts.config(manifest)
    if isinstance(kept.place, str):
        config = directory.blob(kept.place, digest)
    else:
        config = _fetched(kept.place, "blobs", digest, registries) if digest else None
    if config is None or probe.digest_of(config) != digest or kept_mounts.has_triggers(config):
        raise ValueError("it holds no cache mount")
    return kept


def _manifest(place: Place, registries: Registries) -> bytes | None:
    if isinstance(place, str):
        return directory.manifest(place)
    return _fetched(place, "manifests", place.tag, registries)


def _fetched(place: Reference, kind: str, name: str, registries: Registries) -> bytes | None:
    if place.host in registries.unasked:
        raise RegistryError("only BuildKit may reach the registry")
    asked = registries.client(place.host, lambda _: None, patience=client.BRIEF)
    return asked.fetch(place, kind, name)


def carriage(keeping: Keeping, name: str) -> Carriage:
    """Return what has become of a mount so far."""
    return keeping.carried.get(name) or Carriage(mount=keeping.mounts[name].mount)


def not_restored(keeping: Keeping, whys: Mapping[str, str]) -> Keeping:
    """Note why mounts begin empty."""
    carried, notes = dict(keeping.carried), list(keeping.notes)
    for name, why in whys.items():
        text = " ".join(why.split())
        carried[name] = replace(carriage(keeping, name), unrestored=text)
        notes.append(f"the cache mount {carried[name].mount.identity} is not restored: {text}")
    left = {name: one for name, one in keeping.found.items() if name not in whys}
    return replace(keeping, carried=carried, notes=tuple(notes), found=left)
