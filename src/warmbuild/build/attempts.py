"""How a build that failed may still succeed, and whether its cache is still to be written.

A cache fails no build: what it cannot give is done without. A push that failed for a reason that
may pass is tried again, for the builder has everything by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import retries
from warmbuild.build import failures
from warmbuild.cache.problems import Kind, Problem
from warmbuild.plan import calls

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from warmbuild.buildkit.progress import Failure, Progress
    from warmbuild.cache.cache_plan import CacheRef, Place
    from warmbuild.plan.build_plan import BuildPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherTry:
    """Builds that may succeed after others failed, and why."""

    plans: tuple[BuildPlan, ...]
    """What a plan gives up for this is among the problems of its cache."""
    reason: str
    pause: float = 0.0
    """Seconds to wait before it."""
    export_after: bool = False
    """Whether the cache is written once the image is out."""
    restart: bool = False
    """Whether the builder is restarted before it."""
    keeps_cache: bool = False
    """Whether nothing of the cache is given up."""


def another_try(
    builds: Sequence[BuildPlan], failure: Failure, attempt: int, waited_for: str = ""
) -> AnotherTry | None:
    """Return how a call whose attempt of this number failed may still succeed, None if it cannot.

    `waited_for` is the part of the cache that it was given up for.
    """
    if waited_for in {"import", "layers"}:
        read = _read(builds)
        reason = f"{_shown(read)} is not read: the registry stopped answering; once more without"
        return AnotherTry(plans=_without(builds, read, reason), reason=reason, restart=True)
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
    return _without_export(builds, why)


def _lost_attestation(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the same builds without the attestation that nobody asked for and cannot be had.

    Which driver a builder has that was there already is not known before.
    """
    has_defaults = any(plan.default_attests for plan in builds)
    if not has_defaults or "attestation is not supported" not in failure.error.lower():
        return None
    return AnotherTry(
        plans=tuple(map(_unattested, builds)),
        reason="the image gets no provenance: this builder cannot; once more without",
        keeps_cache=True,
    )


def _unattested(plan: BuildPlan) -> BuildPlan:
    left = tuple(entry for entry in plan.attests if entry not in plan.default_attests)
    return replace(plan, attests=left, default_attests=())


def _lost_cache(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the same builds without a cache that they failed for."""
    read = _read(builds)
    blamed = next((plan for plan in builds if _is_backends(plan, failure)), None)
    if blamed:
        why = f"the backend {blamed.cache.backend.name} fails: {' '.join(failure.error.split())}"
        return _without_export(_without(builds, read), why)
    if read and any(sign in failure.error.lower() for sign in _GONE):
        guilty = _named(read, failure.error)
        reason = (
            f"{_shown(guilty)} is not read: a layer of it cannot be had any more; once more without"
        )
        return AnotherTry(plans=_without(builds, guilty, reason), reason=reason)
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


def _without(
    builds: Sequence[BuildPlan], guilty: tuple[CacheRef, ...], why: str = ""
) -> tuple[BuildPlan, ...]:
    """Return builds that do not read some caches; `why` is a problem of each, if it is given."""
    gone = {item.ref for item in guilty}
    lost = (Problem(kind=Kind.READ, text=why),) if why else ()
    return tuple(_reading(plan, gone, lost) for plan in builds)


def _reading(plan: BuildPlan, gone: Collection[Place], lost: tuple[Problem, ...]) -> BuildPlan:
    """Return a build without some of the caches that it reads."""
    cache = replace(plan.cache, problems=(*plan.cache.problems, *lost))
    read = tuple(item for item in cache.read if item.ref not in gone)
    if read != cache.read:
        cache = replace(cache, read=read, merged="")
    return replace(plan, cache=cache)


def _without_export(builds: Sequence[BuildPlan], why: str) -> AnotherTry:
    """Return the builds with caches that are not written later either."""
    text = f"no cache is written: {why}; once more without"
    lost = Problem(kind=Kind.WRITE, text=text, cause=why)
    plans = tuple(
        replace(plan, cache=replace(plan.cache, problems=(*plan.cache.problems, lost)))
        for plan in map(calls.image_alone, builds)
    )
    return AnotherTry(plans=plans, reason=text)


def gives_up_export(plan: BuildPlan, again: BuildPlan) -> bool:
    """Say whether another try at a plan has given up its export for good."""
    return any(
        one.kind is Kind.WRITE and one not in plan.cache.problems for one in again.cache.problems
    )


def _shown(caches: tuple[CacheRef, ...]) -> str:
    return ", ".join(str(cache.ref) for cache in caches)
