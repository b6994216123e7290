"""Restores cache mounts before a build, and saves them after it; nothing here fails a run."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from warmbuild import sizes
from warmbuild.build import solve
from warmbuild.builder import tools
from warmbuild.buildkit import builder_commands, mount_solves
from warmbuild.cache import directory, kept_mounts
from warmbuild.commands import mount_search
from warmbuild.errors import EngineError
from warmbuild.project import cache_mount
from warmbuild.record import gains, ran, recipe
from warmbuild.record.gains import Gain, Use
from warmbuild.refs import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.solve import Tool
    from warmbuild.buildkit.mount_solves import Solve
    from warmbuild.cache.kept_mounts import Kept, Seen
    from warmbuild.commands.mount_search import Keeping, Mount
    from warmbuild.commands.recording import Known
    from warmbuild.project.cache_mount import CacheMount
    from warmbuild.record.recipe import Step

# Seconds that all restores may take at most; steps that begin with empty mounts rarely lose more.
_RESTORE: Final = 120.0
# Seconds that a builder has to let go of a mount whose step was ended, and between two looks.
_RELEASE: Final = 10.0
_GLANCE: Final = 0.2
# What a restore may write, by the limit of a mount's content: its archives, and the content.
_WRITTEN: Final = 3
# Bytes that a build of our own may write beside that.
_OWN: Final = 100 * 1000**2


@contextmanager
def restored(keeping: Keeping, tool: Tool) -> Iterator[Keeping]:
    """Restore mounts; unpack the images that steps are upon meanwhile, and while the block runs."""
    if not keeping.found:
        yield keeping
        return
    begun, log = time.monotonic(), tool.log
    end = begun + min(tool.limits.cache, _RESTORE)
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
            why = _solved(made, tool, _WRITTEN * limit, end, is_shared=unpacks).why
            if why:
                known = len(keeping.notes)
                keeping = mount_search.not_restored(keeping, dict.fromkeys(keeping.found, why))
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
            name: replace(mount_search.carriage(keeping, name), restored=one.size)
            for name, one in done.items()
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
        replace(one, gains=gains.after(mount_search.gains_of(one), uses[one.decided.name]))
        for one in keeping.builds
    ]
    known = dict(chain.from_iterable(map(_known, keeping.builds)))
    used = [use for found in uses.values() for use in found]
    gained = sum(use.gained(known.get(gains.key(use.step), Gain())) for use in used)
    return replace(
        outcome,
        mounts=tuple(keeping.carried.values()),
        mounts_saved=gained,
        mounts_cost=sum(keeping.cost.values()),
    ), builds


def _known(one: Known) -> Iterable[tuple[str, Gain]]:
    return mount_search.gains_of(one).items()


def _ran(one: Known, done: Outcome | None) -> Sequence[tuple[Step, float]]:
    """Return the steps with mounts that ran, and how long."""
    if done is None:
        return ()
    made = one.material.recipe({**one.images, **done.images}, b"")
    became = ran.ran(done.steps, made)
    told = ((step, became.get((step.stage, step.position))) for step in made.steps if step.mounts)
    return [(step, was.seconds) for step, was in told if was and not was.cached]


def _to_save(keeping: Keeping, steps: Sequence[tuple[Step, float]]) -> Sequence[Mount]:
    """Return the mounts of steps that ran and are worth it."""
    found: dict[str, Mount] = {}
    for step, seconds in steps:
        for mount in step.mounts:
            one = keeping.mounts.get(mount.name)
            is_slow = seconds >= gains.SLOW or mount.name in keeping.restored
            if one and one.write and (is_slow or one.cache.mounts != (cache_mount.AUTO,)):
                found[mount.name] = one
    return tuple(found.values())


def _saved(keeping: Keeping, changed: Sequence[Mount], tool: Tool, end: float) -> Keeping:
    """Find out which mounts have changed, and save them until `end`, by the monotonic clock."""
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
        before = mount_search.carriage(keeping, one.name)
        base = kept_mounts.base(keeping.restored.get(one.name), seen)
        size = seen.new if base else seen.size
        carried[one.name] = replace(before, saved=0 if why else size, unsaved=why)
        took = time.monotonic() - begun
        tool.log.line(f"cache mount {kept_mounts.text(carried[one.name])}, in {took:.1f} s")
    return replace(keeping, carried=carried, cost=cost)


def _written(keeping: Keeping, one: Mount, seen: Seen, tool: Tool, end: float) -> str:
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


def _solved(
    made: Solve,
    tool: Tool,
    size: int,
    end: float,
    is_shared: Callable[[], bool] = bool,
) -> solve.Beside:
    """Run a build of our own; what this machine lacks is a reason, too."""
    try:
        argv = _argv(made, tool)
        left = end - time.monotonic()
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
