"""How a build that failed may still succeed, and whether its cache is still to be written.

A cache fails no build: what it cannot give is done without. A push that failed for a reason that
may pass is tried again, for the builder has everything by then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warmbuild import plan as plans
from warmbuild import retries

if TYPE_CHECKING:
    from warmbuild.plan import BuildPlan
    from warmbuild.policy import CacheRef
    from warmbuild.progress import Failure, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class AnotherTry:
    """The build that may do where another one failed, and why.

    `pause` is to wait before it, in seconds. `export_after` says whether its cache is to be
    written once it has succeeded, `restart` whether the builder has to be started anew before it,
    `keeps_cache` that nothing of the cache is given up.
    """

    plan: BuildPlan
    reason: str
    pause: float = 0.0
    export_after: bool = False
    restart: bool = False
    keeps_cache: bool = False


def another_try(
    plan: BuildPlan, failure: Failure, attempt: int, waited_for: str = ""
) -> AnotherTry | None:
    """Return how a build whose attempt of this number failed may still succeed, None if it cannot.

    `waited_for` is the part of the cache that the build was given up for.
    """
    if waited_for in {"import", "layers"}:
        shown = _shown(plan.cache.read)
        reason = f"{shown} is not read: the registry stopped answering; once more without"
        return AnotherTry(plan=_without(plan, plan.cache.read), reason=reason, restart=True)
    for lost in (
        _lost_export(plan, failure, waited_for),
        _lost_attestation(plan, failure),
        _lost_cache(plan, failure),
    ):
        if lost:
            return lost
    return _push_again(plan, failure, attempt)


def _lost_export(plan: BuildPlan, failure: Failure, waited_for: str) -> AnotherTry | None:
    """Return the same build without an export that cannot be had."""
    if waited_for == "export":
        why = "the export took too long"
    elif "cache export is not supported" in failure.error.lower():
        why = "this builder cannot; one of driver docker-container can"
    else:
        return None
    return AnotherTry(plan=_giving_up(plans.image_alone(plan), why), reason=_not_written(why))


def _lost_attestation(plan: BuildPlan, failure: Failure) -> AnotherTry | None:
    """Return the same build without the attestation that nobody asked for and that cannot be had.

    Which driver a builder has that was there already is not known before.
    """
    if not plan.unasked or "attestation is not supported" not in failure.error.lower():
        return None
    left = tuple(entry for entry in plan.attests if entry not in plan.unasked)
    return AnotherTry(
        plan=replace(plan, attests=left, unasked=()),
        reason="the image gets no provenance: this builder cannot; once more without",
        keeps_cache=True,
    )


def _lost_cache(plan: BuildPlan, failure: Failure) -> AnotherTry | None:
    """Return the same build without a cache that the build failed for."""
    cache = plan.cache
    if _is_backends(plan, failure):
        why = f"the backend {cache.backend.name} fails: {' '.join(failure.error.split())}"
        without = _without(plans.image_alone(plan), cache.read)
        return AnotherTry(plan=_giving_up(without, why), reason=_not_written(why))
    if cache.read and any(sign in failure.error.lower() for sign in _GONE):
        guilty = _named(plan, failure.error)
        reason = (
            f"{_shown(guilty)} is not read: a layer of it cannot be had any more; once more without"
        )
        return AnotherTry(plan=_without(plan, guilty), reason=reason)
    return None


def _is_backends(plan: BuildPlan, failure: Failure) -> bool:
    """Say whether it was the backend of the cache that failed.

    BuildKit looks for what is no registry before it builds, and then nothing is ignored: it says
    "failed to configure … cache exporter" and the like, and buildx that it made no directory.
    """
    text, cache = failure.error.lower(), plan.cache
    blames_it = "cache" in text or (cache.backend.name == "local" and text.startswith("mkdir "))
    return bool(
        cache.backend.source != "ref"
        and not failure.title
        and blames_it
        and (cache.read or cache.write)
    )


def _push_again(plan: BuildPlan, failure: Failure, attempt: int) -> AnotherTry | None:
    """Return a push without the cache beside it, where that may help.

    The builder has everything by then, so another push costs seconds. Image and cache are exported
    side by side since BuildKit 0.28, and what they share is uploaded twice at once. The
    distribution registry 2.8 writes a blob's link in place, so a manifest that arrives in that
    moment is told that its blob is unknown: 6 of 120 cold pushes failed so.
    """
    passes = is_push(failure) and _push_passes(failure)
    wait = retries.pause(attempt) if passes else None
    if wait is None:
        return None
    exports = bool(plan.cache.write or plan.cache.destinations)
    return AnotherTry(
        plan=plans.image_alone(plan),
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
    if cache.write is None or cache.write.found is None or cache.destinations or plan.builder.name:
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


def is_push(failure: Failure) -> bool:
    """Say whether it was the push that failed."""
    return "exporting to" in failure.title and "push" in failure.error.lower()


def _push_passes(failure: Failure) -> bool:
    """Say whether the error of a push passes, or is unclear and BuildKit had tried it again itself.

    BuildKit logs what it tries again with its status, and may lose that in the error at the end.
    """
    is_unclear = _CODE_UNKNOWN in failure.error
    return retries.passes(failure.error) or (is_unclear and any(map(retries.passes, failure.tail)))


def _cause(error: str) -> str:
    """Return the end of an error, where Go's programs have what it came from."""
    return error.rpartition(": ")[2]


def _named(plan: BuildPlan, error: str) -> tuple[CacheRef, ...]:
    """Return the caches that an error is about: those with the layer it names, else all."""
    guilty = tuple(
        read
        for read in plan.cache.read
        if read.found and any(blob in error for blob in read.found.blobs)
    )
    return guilty or plan.cache.read


def _without(plan: BuildPlan, guilty: tuple[CacheRef, ...]) -> BuildPlan:
    read = tuple(item for item in plan.cache.read if item not in guilty)
    return replace(plan, cache=replace(plan.cache, read=read, merged=""))


def _giving_up(plan: BuildPlan, why: str) -> BuildPlan:
    """Return a plan whose cache is not to be written later either."""
    return replace(plan, cache=replace(plan.cache, write_error=why))


def _not_written(why: str) -> str:
    return f"no cache is written: {why}; once more without"


def _shown(caches: tuple[CacheRef, ...]) -> str:
    return ", ".join(str(cache.ref) for cache in caches)
