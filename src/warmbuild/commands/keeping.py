"""Keeps cache mounts: restores them before a build, and saves them after it. Fails no run."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import signals, sizes
from warmbuild.build import solve
from warmbuild.builder import tools
from warmbuild.buildkit import builder_commands, mount_solves
from warmbuild.cache import directory, kept_mounts, probe
from warmbuild.cache.kept_mounts import Carriage, Kept
from warmbuild.errors import EngineError, RegistryError
from warmbuild.frozen import frozen
from warmbuild.project import cache_mount
from warmbuild.record import gains, ran, recipe
from warmbuild.record.gains import Gain, Use
from warmbuild.record.predicting import Fate
from warmbuild.refs import Reference
from warmbuild.registry import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.solve import Tool
    from warmbuild.buildkit.mount_solves import Solve
    from warmbuild.cache.cache_plan import CachePlan, Place
    from warmbuild.cache.kept_mounts import Seen
    from warmbuild.commands.logins import Registries
    from warmbuild.commands.recording import Known
    from warmbuild.project.cache_mount import CacheMount
    from warmbuild.record.recipe import Step

# Seconds that registries have to say what they keep.
_PATIENCE: Final = 6.0
# Seconds that a restore may take at most; a step that begins with empty mounts rarely loses more.
_RESTORE: Final = 120.0
# Seconds that a builder has to let go of a mount whose step was ended, and between two looks.
_RELEASE: Final = 10.0
_GLANCE: Final = 0.2
# What a restore may write, by the limit of a mount's content: its archives, and the content.
_WRITTEN: Final = 3
# Bytes that a build of our own may write beside that.
_OWN: Final = 100 * 1000**2


@frozen
class _Mount:
    """A cache mount of a step."""

    mount: CacheMount
    cache: CachePlan  # beside which it is written
    reads: tuple[Place, ...]  # where it may be kept, near before far; empty if nobody needs it
    why: str = ""  # why it is not kept, as a clause; empty if it is

    @property
    def name(self) -> str:
        return self.mount.name

    @property
    def write(self) -> Place | None:
        home = self.cache.write
        return kept_mounts.place(home.ref, self.name) if home else None


@frozen
class Keeping:
    """The cache mounts of a run, by their names."""

    builds: tuple[Known, ...] = ()
    mounts: Mapping[str, _Mount] = field(default_factory=dict)
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
    """Return the cache mounts of builds, and what is kept of those that steps will need."""
    mounts: dict[str, _Mount] = {}
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
    notes += [f"the cache mount {text}" for name, text in left.items() if name not in mounts]
    read = {name: one for name, one in mounts.items() if one.reads}
    emptied = read.keys() & set(chain.from_iterable(map(_emptied, builds)))
    asked = {name: partial(_first, read[name], registries) for name in read if name not in emptied}
    answers = signals.at_once(asked, _PATIENCE) if asked else {}
    kept = {name: one for name, one in answers.items() if isinstance(one, Kept)}
    whys = {name: one for name, one in answers.items() if isinstance(one, str) and one}
    whys |= dict.fromkeys((name for name in asked if name not in answers), "nobody said in time")
    whys |= dict.fromkeys(emptied, "no-cache-filters names the stage of its step")
    keeping = Keeping(
        builds=tuple(builds),
        mounts=mounts,
        found=kept,
        notes=tuple(notes),
        warnings=tuple(dict.fromkeys(chain.from_iterable(map(_unknown, builds)))),
    )
    return _not_restored(keeping, whys)


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
    is_fresh = decided.builder.is_fresh and not decided.builder.appended
    return kept_mounts.obstacle(decided.cache, is_fresh=is_fresh, no_cache=decided.no_cache)


def _steps(one: Known) -> Sequence[Step]:
    """Return the steps with cache mounts."""
    if not _is_on(one):
        return ()
    return [step for step in one.material.recipe(one.images, b"").steps if step.mounts]


def _of_build(one: Known) -> Iterator[_Mount]:
    """Yield the mounts of a build, each with why it is not kept, if it is not."""
    cache, known, steps = one.decided.cache, _gains(one), _steps(one)
    fates = {(was.step.stage, was.step.position): was.fate for was in one.forecast if steps}
    for step in steps:
        lost = gains.why_not(step, known) if cache.mounts == (cache_mount.AUTO,) else ""
        fate = fates.get((step.stage, step.position), Fate.UNKNOWN)
        for mount in step.mounts:
            places = (item.ref for item in cache.read if not item.beside)
            reads = () if fate is Fate.CACHED else places
            yield _Mount(
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


def _gains(one: Known) -> Mapping[str, Gain]:
    """Return what earlier builds measured: the branch's own before others."""
    records = [one.own, *(beside.record for beside in one.read)]
    return next((known.gains for known in records if known), {})


def _first(mount: _Mount, registries: Registries) -> Kept | str:
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


@contextmanager
def restored(keeping: Keeping, tool: Tool) -> Iterator[Keeping]:
    """Restore mounts; unpack the images that steps are upon meanwhile, and while the block runs."""
    if not keeping.found:
        yield keeping
        return
    begun, log = time.monotonic(), tool.log
    pairs = [(keeping.mounts[name].mount, one) for name, one in keeping.found.items()]
    with ExitStack() as stack:
        unpacks: Callable[[], bool] = bool
        if images := _bases(keeping):
            # If that fails, the restore does, too, and says so.
            with suppress(EngineError):
                argv = _argv(mount_solves.unpacking(images, _nonce()), tool)
                unpacks = stack.enter_context(solve.in_background(argv, tool))
        done: dict[str, Kept] = {}
        for some in _by_namespace(pairs):
            limit = sum(keeping.mounts[mount.name].cache.mounts_limit for mount, _ in some)
            made = mount_solves.restoring(some, _nonce())
            why = _solved(made, tool, _WRITTEN * limit, is_shared=unpacks).why
            if why:
                known = len(keeping.notes)
                keeping = _not_restored(keeping, dict.fromkeys(keeping.found, why))
                for text in keeping.notes[known:]:
                    log.line(text)
                _empty(tool)
                done.clear()
                break
            done |= {mount.name: one for mount, one in some}
        seconds = time.monotonic() - begun
        if done:
            size = sizes.shown(sum(one.size for one in done.values()))
            log.line(f"cache mounts: {len(done)} restored, {size}, in {seconds:.1f} s")
        carried = {
            name: replace(_carriage(keeping, name), restored=one.size) for name, one in done.items()
        }
        yield replace(
            keeping,
            restored=done,
            carried={**keeping.carried, **carried},
            cost={name: seconds / len(pairs) for name in keeping.found},
        )


def _empty(tool: Tool) -> None:
    """Remove all cache mounts, because they are not whole; raises EngineError if that fails.

    A step that has just been ended may still hold its own. A builder that does not let go of it, or
    has died, is replaced.
    """
    end = time.monotonic() + _RELEASE
    with suppress(EngineError):
        while time.monotonic() < end:
            done = tool.buildx.run(builder_commands.forget_mounts())
            left = tool.buildx.run(builder_commands.left_mounts())
            if done.code or left.code:
                break
            if not builder_commands.has_mounts(left.output):
                return
            time.sleep(_GLANCE)
    tool.state.to_disk("a part of the cache mounts is in it")


def _bases(keeping: Keeping) -> Sequence[str]:
    """Return the images that steps with restored mounts are upon."""
    needed: dict[str, None] = {}
    for one in keeping.builds:
        made = one.material.recipe(one.images, b"")
        stages = {
            step.stage
            for step in made.steps
            if any(mount.name in keeping.found for mount in step.mounts)
        }
        needed |= dict.fromkeys(recipe.bases(made, stages))
    return tuple(needed)


def _by_namespace(
    pairs: Sequence[tuple[CacheMount, Kept]],
) -> Iterator[Sequence[tuple[CacheMount, Kept]]]:
    for namespace in dict.fromkeys(mount.namespace for mount, _ in pairs):
        yield [pair for pair in pairs if pair[0].namespace == namespace]


def saved(keeping: Keeping, outcome: Outcome, tool: Tool) -> tuple[Outcome, Sequence[Known]]:
    """Save the mounts that steps have changed, within `cache-timeout`.

    Return the outcome with what became of them, and the builds with what is known of their worth.
    """
    if not keeping.mounts:
        return outcome, keeping.builds
    end = time.monotonic() + tool.limits.cache
    done = {one.name: one for one in (outcome.targets or (outcome,))}
    ran_steps = {one.decided.name: _ran(one, done.get(one.decided.name)) for one in keeping.builds}
    changed = _to_save(keeping, list(chain.from_iterable(ran_steps.values())))
    if changed:
        keeping = _saved(keeping, changed, tool, end)
    users = Counter(
        mount.name for found in ran_steps.values() for step, _ in found for mount in step.mounts
    )
    uses = {
        name: [_use(keeping, users, *pair) for pair in found] for name, found in ran_steps.items()
    }
    builds = [
        replace(one, gains=gains.after(_gains(one), uses[one.decided.name]))
        for one in keeping.builds
    ]
    known = {key: gain for one in keeping.builds for key, gain in _gains(one).items()}
    used = [use for found in uses.values() for use in found]
    gained = sum(use.gained(known.get(gains.key(use.step), Gain())) for use in used)
    return replace(
        outcome,
        mounts=tuple(keeping.carried.values()),
        mounts_saved=gained,
        mounts_cost=sum(keeping.cost.values()),
    ), builds


def _ran(one: Known, done: Outcome | None) -> Sequence[tuple[Step, float]]:
    """Return the steps with mounts that ran, and how long."""
    if done is None:
        return ()
    made = one.material.recipe({**one.images, **done.images}, b"")
    became = ran.ran(done.steps, made)
    told = ((step, became.get((step.stage, step.position))) for step in made.steps if step.mounts)
    return [(step, was.seconds) for step, was in told if was and not was.cached]


def _to_save(keeping: Keeping, steps: Sequence[tuple[Step, float]]) -> Sequence[_Mount]:
    """Return the mounts of steps that ran and are worth it."""
    found: dict[str, _Mount] = {}
    for step, seconds in steps:
        for mount in step.mounts:
            one = keeping.mounts.get(mount.name)
            is_slow = seconds >= gains.SLOW or mount.name in keeping.restored
            if one and one.write and (is_slow or one.cache.mounts != (cache_mount.AUTO,)):
                found[mount.name] = one
    return tuple(found.values())


def _saved(keeping: Keeping, changed: Sequence[_Mount], tool: Tool, end: float) -> Keeping:
    """Look at mounts, and write those that have changed."""
    begun = time.monotonic()
    said: dict[str, str] = {}
    for namespace in dict.fromkeys(one.mount.namespace for one in changed):
        some = [one.mount for one in changed if one.mount.namespace == namespace]
        look = _solved(mount_solves.looking(some, _nonce()), tool, _OWN, end)
        said |= mount_solves.said(look.said)
        if look.why:
            tool.log.line(f"cache mounts are not saved: {look.why}")
    looked = (time.monotonic() - begun) / len(changed)
    carried, cost = dict(keeping.carried), dict(keeping.cost)
    for one in changed:
        cost[one.name] = cost.get(one.name, 0.0) + looked
        seen = kept_mounts.seen(said, one.name)
        if seen is None:
            continue
        begun = time.monotonic()
        why = kept_mounts.unsaved(seen, one.cache.mounts_limit)
        why = why or _written(keeping, one, seen, tool, end)
        cost[one.name] += time.monotonic() - begun
        before = _carriage(keeping, one.name)
        base = kept_mounts.base(keeping.restored.get(one.name), seen)
        size = seen.new if base else seen.size
        carried[one.name] = replace(before, saved=0 if why else size, unsaved=why)
        took = time.monotonic() - begun
        tool.log.line(f"cache mount {kept_mounts.text(carried[one.name])}, in {took:.1f} s")
    return replace(keeping, carried=carried, cost=cost)


def _written(keeping: Keeping, one: _Mount, seen: Seen, tool: Tool, end: float) -> str:
    """Write what is to be kept of a mount; return why that failed, or an empty text."""
    to = one.write
    if to is None:
        return ""
    base = kept_mounts.base(keeping.restored.get(one.name), seen)
    new = to if isinstance(to, Reference) else directory.beside(to)
    output = mount_solves.output(new, one.cache, seen)
    made = mount_solves.saving(one.mount, base, _nonce(), output)
    why = _solved(made, tool, _WRITTEN * seen.size + _OWN, end).why
    return why if isinstance(new, Reference) else directory.replace(new, str(to), why)


def _use(keeping: Keeping, users: Mapping[str, int], step: Step, seconds: float) -> Use:
    """Return what became of a step; steps share the cost of a mount that several have."""
    names = [mount.name for mount in step.mounts]
    return Use(
        step=step,
        seconds=seconds,
        is_filled=any(name in keeping.restored for name in names),
        cost=sum(keeping.cost.get(name, 0.0) / users[name] for name in names),
    )


def _carriage(keeping: Keeping, name: str) -> Carriage:
    return keeping.carried.get(name) or Carriage(mount=keeping.mounts[name].mount)


def _not_restored(keeping: Keeping, whys: Mapping[str, str]) -> Keeping:
    """Note why mounts begin empty."""
    carried, notes = dict(keeping.carried), list(keeping.notes)
    for name, why in whys.items():
        text = " ".join(why.split())
        carried[name] = replace(_carriage(keeping, name), unrestored=text)
        notes.append(f"the cache mount {carried[name].mount.identity} is not restored: {text}")
    left = {name: one for name, one in keeping.found.items() if name not in whys}
    return replace(keeping, carried=carried, notes=tuple(notes), found=left)


def _solved(
    made: Solve,
    tool: Tool,
    size: int,
    end: float | None = None,
    is_shared: Callable[[], bool] = bool,
) -> solve.Beside:
    """Run a build of our own; what this machine lacks is a reason, too."""
    try:
        argv = _argv(made, tool)
        left = min(tool.limits.cache, _RESTORE) if end is None else end - time.monotonic()
        return solve.beside(argv, tool, seconds=left, size=size, is_shared=is_shared)
    except EngineError as error:
        return solve.Beside(said=(), why=str(error))


def _argv(made: Solve, tool: Tool) -> Sequence[str]:
    """Write what a build of our own needs, and return the arguments of buildx."""
    at = tool.private.file("tools")
    if not at.is_dir():
        new = tool.private.file("tools.new")
        tools.gather(mount_solves.PROGRAMS, new, tool.buildx.env)
        new.rename(at)
    dockerfile = tool.private.file(f"mounts-{_nonce()}.Dockerfile")
    tool.private.write(dockerfile, made.dockerfile)
    return mount_solves.argv(made, str(dockerfile), str(at))


def _nonce() -> str:
    """Return what makes a step differ from every other one, so that it runs."""
    return os.urandom(8).hex()
