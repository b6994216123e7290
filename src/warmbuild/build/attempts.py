"""How a build that failed may still succeed, and whether its cache is still to be written.

A cache fails no build: what it cannot give is done without. A push that failed for a reason that
may pass is tried again, for the builder has everything by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import retries
from warmbuild.build import failures
from warmbuild.plan import calls

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from warmbuild.buildkit.progress import Failure, Progress
    from warmbuild.cache.cache_plan import CacheRef, Place
    from warmbuild.plan.build_plan import BuildPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherTry:
    """The builds that may do where others failed, and why.

    `pause` is to wait before it, in seconds. `export_after` says whether its cache is to be
    written once it has succeeded, `restart` whether the builder has to be started anew before it,
    `keeps_cache` that nothing of the cache is given up.
    """

    plans: tuple[BuildPlan, ...]
    reason: str
    pause: float = 0.0
    export_after: bool = False
    restart: bool = False
    keeps_cache: bool = False


def another_try(
    builds: Sequence[BuildPlan], failure: Failure, attempt: int, waited_for: str = ""
) -> AnotherTry | None:
    """Return how a call whose attempt of this number failed may still succeed, None if it cannot.

    `waited_for` is the part of the cache that it was given up for.
    """
    if waited_for in {"import", "layers"}:
        read = _read(builds)
        reason = f"{_shown(read)} is not read: the registry stopped answering; once more without"
        return AnotherTry(plans=_without(builds, read), reason=reason, restart=True)
    for lost in (
        _lost_export(builds, failure, waited_for),
        _lost_attestation(builds, failure),
        _lost_cache(builds, failure),
    ):
        if lost:
            return lost
    return _push_again(builds, failure, attempt)


def _lost_export(
    builds: Sequence[BuildPlan], failure: Failure, waited_for: str
) -> AnotherTry | None:
    """Return the same builds without an export that cannot be had."""
    if waited_for == "export":
        why = "the export took too long"
    elif "cache export is not supported" in failure.error.lower():
        why = "this builder cannot; one of driver docker-container can"
    else:
        return None
    return AnotherTry(plans=_giving_up(builds, why), reason=_not_written(why))


def _lost_attestation(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the same builds without the attestation that nobody asked for and cannot be had.

    Which driver a builder has that was there already is not known before.
    """
    is_unasked = any(plan.unasked for plan in builds)
    if not is_unasked or "attestation is not supported" not in failure.error.lower():
        return None
    return AnotherTry(
        plans=tuple(map(_unattested, builds)),
        reason="the image gets no provenance: this builder cannot; once more without",
        keeps_cache=True,
    )


def _unattested(plan: BuildPlan) -> BuildPlan:
    left = tuple(entry for entry in plan.attests if entry not in plan.unasked)
    return replace(plan, attests=left, unasked=())


def _lost_cache(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the same builds without a cache that they failed for."""
    read = _read(builds)
    blamed = next((plan for plan in builds if _is_backends(plan, failure)), None)
    if blamed:
        why = f"the backend {blamed.cache.backend.name} fails: {' '.join(failure.error.split())}"
        return AnotherTry(
            plans=_giving_up(_without(builds, read), why),
            reason=_not_written(why),
        )
    if read and any(sign in failure.error.lower() for sign in _GONE):
        guilty = _named(read, failure.error)
        reason = (
            f"{_shown(guilty)} is not read: a layer of it cannot be had any more; once more without"
        )
        return AnotherTry(plans=_without(builds, guilty), reason=reason)
    return None


def _is_backends(plan: BuildPlan, failure: Failure) -> bool:
    """Say whether it was the backend of the cache that failed.

    BuildKit looks for what is no registry before it builds, and then nothing is ignored: it says
    "failed to configure … cache exporter" and the like, and buildx that it made no directory.
    """
    text, cache = failure.error.lower(), plan.cache
    blames_it = "cache" in text or (cache.backend.is_directory and text.startswith("mkdir "))
    return bool(
        not cache.backend.is_in_registry
        and not failure.title
        and blames_it
        and (cache.read or cache.write)
    )


def _push_again(builds: Sequence[BuildPlan], failure: Failure, attempt: int) -> AnotherTry | None:
    """Return a push without the cache beside it, where that may help.

    The builder has everything by then, so another push costs seconds. Image and cache are exported
    side by side since BuildKit 0.28, and what they share is uploaded twice at once. The
    distribution registry 2.8 writes a blob's link in place, so a manifest that arrives in that
    moment is told that its blob is unknown: 6 of 120 cold pushes failed so.
    """
    passes = failures.is_push(failure) and _push_passes(failure)
    wait = retries.pause(attempt) if passes else None
    if wait is None:
        return None
    exports = any(map(calls.writes, builds))
    return AnotherTry(
        plans=tuple(map(calls.image_alone, builds)),
        reason=f"the push failed for a reason that may pass ({_cause(failure.error)}); once more "
        f"in {wait:.0f} s{', the cache after it' if exports else ''}",
        pause=wait,
        export_after=exports,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherExport:
    """Why a cache that was not written may be after all, and the seconds to wait before."""

    reason: str
    pause: float


def another_export(plan: BuildPlan, exported: Progress) -> AnotherExport | None:
    """Return why our cache may be written after all, when the image is out and its export failed.

    One more try costs no more than its time; BuildKit has made a few by then.
    """
    errors = [done.error for done in exported.exports() if done.error]
    passes = plan.cache.write and errors and all(map(retries.passes, errors))
    wait = retries.pause(1) if passes else None
    if wait is None:
        return None
    reason = (
        f"the cache was not written for a reason that may pass ({_cause(errors[0])}); "
        f"once more in {wait:.0f} s"
    )
    return AnotherExport(reason=reason, pause=wait)


def needs_no_export(plan: BuildPlan, built: Progress) -> bool:
    """Say whether the cache that is there is what an export would write.

    It is where every step came from it, and from no other: a builder that was there before may
    have had the steps itself.
    """
    cache, steps = plan.cache, built.steps()
    if (
        cache.write is None
        or cache.write.found is None
        or cache.destinations
        or not plan.builder.is_fresh
    ):
        return False
    is_only_source = [read.found for read in cache.read] == [cache.write.found]
    return (
        is_only_source
        and bool(steps)
        and all(step.cached for step in steps)
        and not any(done.error for done in built.imports())
    )


# How BuildKit prints an error of the registry that has a code it does not know.
_CODE_UNKNOWN: Final = ": unknown: "
# What BuildKit says when a layer that a cache names cannot be fetched: containerd's fetcher for
# one that is not there, and for one that ends early or is not what its digest says.
_GONE: Final = (
    "httpreadseeker",
    "could not fetch content descriptor",
    "failed to copy: ",
    "unexpected commit digest",
    "failed size validation",
    "short read: expected",
    "missing descriptor handlers",
)


def _push_passes(failure: Failure) -> bool:
    """Say whether the error of a push passes, or is unclear and BuildKit had tried it again itself.

    BuildKit logs what it tries again with its status, and may lose that in the error at the end.
    """
    is_unclear = _CODE_UNKNOWN in failure.error
    return retries.passes(failure.error) or (is_unclear and any(map(retries.passes, failure.tail)))


def _cause(error: str) -> str:
    """Return the end of an error, where Go's programs have what it came from."""
    return error.rpartition(": ")[2]


def _read(builds: Sequence[BuildPlan]) -> tuple[CacheRef, ...]:
    """Return every cache that is read, once each."""
    return tuple({read.ref: read for plan in builds for read in plan.cache.read}.values())


def _named(read: tuple[CacheRef, ...], error: str) -> tuple[CacheRef, ...]:
    """Return the caches that an error is about: those with the layer it names, else all."""
    guilty = tuple(
        one for one in read if one.found and any(blob in error for blob in one.found.blobs)
    )
    return guilty or read


def _without(builds: Sequence[BuildPlan], guilty: tuple[CacheRef, ...]) -> tuple[BuildPlan, ...]:
    gone = {item.ref for item in guilty}
    return tuple(_reading(plan, gone) for plan in builds)


def _reading(plan: BuildPlan, gone: Collection[Place]) -> BuildPlan:
    """Return a build without some of the caches that it reads."""
    read = tuple(item for item in plan.cache.read if item.ref not in gone)
    if read == plan.cache.read:
        return plan
    return replace(plan, cache=replace(plan.cache, read=read, merged=""))


def _giving_up(builds: Sequence[BuildPlan], why: str) -> tuple[BuildPlan, ...]:
    """Return builds whose caches are not to be written later either."""
    alone = map(calls.image_alone, builds)
    return tuple(replace(plan, cache=replace(plan.cache, write_error=why)) for plan in alone)


def _not_written(why: str) -> str:
    return f"no cache is written: {why}; once more without"


def _shown(caches: tuple[CacheRef, ...]) -> str:
    return ", ".join(str(cache.ref) for cache in caches)
