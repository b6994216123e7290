"""Decides how a failed build may still succeed, and whether its cache is still to be written.

A cache never fails a build: the build is tried again without a cache that fails. A push that
failed with a transient error is tried again, and the builder has all steps by then.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import retries
from warmbuild.build import outcomes
from warmbuild.buildkit import progress
from warmbuild.cache import merging
from warmbuild.cache.problems import Kind, Problem
from warmbuild.frozen import frozen
from warmbuild.plan import calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.buildkit.progress import Failure, Progress
    from warmbuild.cache.cache_plan import CacheRef
    from warmbuild.plan.build_plan import BuildPlan

# What BuildKit says when it cannot fetch a layer that a cache names: containerd's fetcher, of a
# layer that is missing, that ends early, or whose digest differs.
_GONE: Final = (
    "httpreadseeker",
    "could not fetch content descriptor",
    "failed to copy: ",
    "unexpected commit digest",
    "failed size validation",
    "short read: expected",
    "missing descriptor handlers",
)
# The vertices that pull an image; bake puts the name of the target before them.
_PULLING: Final = re.compile(
    r"\[(?:\S+ )?internal\] load metadata for |\[(?:[^\]]* )?[0-9]+/[0-9]+\] FROM "
    r"|(?:\[\S+\] )?(?:resolve image config for |docker-image://)"
)
# What a step says, or dies of, if it reads a layer that is not unpacked and cannot be fetched.
_STARVED: Final = ("input/output error", "bus error", "exit code: 135")


@frozen
class AnotherTry:
    """Builds that may succeed after others failed, and why."""

    plans: tuple[BuildPlan, ...]  # the problems of their caches say what they give up
    reason: str
    pause: float = 0.0  # seconds to wait before it
    export_after: bool = False  # whether the cache is exported after the image
    restart: bool = False  # whether the builder is restarted, or waited for, before it
    on_disk: bool = False  # whether the builder's state moves from memory to disk before it
    is_note: bool = False  # whether the reason is logged as a note, not as a warning


# Why an attempt was ended, by what it waited for.
STALLS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("import", "layers"), "the registry stopped answering"),
    "export": "the export made no progress within cache-timeout",
    **dict.fromkeys(progress.PUSHED, "the push made no progress"),
}


@frozen
class Tried:
    """What is known of an attempt that has failed, beside its failure."""

    number: int  # of the attempt, beginning at 1
    left: float  # seconds that are left to try again what passes by itself
    waited_for: str = ""  # what it waited for until it was ended
    lacking: str = ""  # why it failed if memory may have been too small for the builder's state
    lost: str = ""  # why the connection to its daemon was lost, if another one may take its place


def another_try(builds: Sequence[BuildPlan], failure: Failure, tried: Tried) -> AnotherTry | None:
    """Return how a call may still succeed after an attempt, None if it cannot."""
    if tried.lacking:
        reason = f"{tried.lacking}; building again with the state on disk"
        return AnotherTry(plans=tuple(builds), reason=reason, on_disk=True)
    if tried.lost:
        reason = f"{tried.lost}; building again"
        return AnotherTry(plans=tuple(builds), reason=reason, restart=True)
    why = STALLS.get(tried.waited_for, "")
    if tried.waited_for in {"import", "layers"}:
        return replace(_without_import(builds, _read(builds), why), restart=True)
    if tried.waited_for == "export":
        return _without_export(builds, why)
    if tried.waited_for in progress.PUSHED:
        return _pushed_again(builds, why, 0.0) if tried.number == 1 else None
    return (
        _without_feature(builds, failure.error.lower())
        or _without_cache(builds, failure)
        or _unpacked(builds, failure)
        or _push_again(builds, failure, tried)
        or _pull_again(builds, failure, tried)
    )


def _without_feature(builds: Sequence[BuildPlan], error: str) -> AnotherTry | None:
    """Return the builds without what the builder does not support, None if it supports all."""
    if "cache export is not supported" in error:
        why = "this builder does not support cache exports; use driver docker-container"
        return _without_export(builds, why)
    if "unknown flag: link" in error and any(plan.linked_file for plan in builds):
        return AnotherTry(
            plans=tuple(replace(plan, linked_file="") for plan in builds),
            reason="link has no effect: this builder does not support COPY --link; retrying "
            "without it",
            is_note=True,
        )
    if "attestation is not supported" in error and any(plan.default_attests for plan in builds):
        return AnotherTry(
            plans=tuple(map(_without_default_attests, builds)),
            reason="the image has no provenance: this builder does not support it; retrying "
            "without it",
            is_note=True,
        )
    return None


def _unpacked(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the builds without the caches of which a step could not read a layer, if one could."""
    said = "\n".join((*failure.tail, failure.error)).lower()
    read = _read(builds) if any(plan.builder.lazy for plan in builds) else ()
    if not read or not any(sign in said for sign in _STARVED):
        return None
    why = "a step could not read a layer of it that was not unpacked"
    again = _without_import(builds, read, why)
    plans = tuple(replace(plan, no_cache=True) for plan in again.plans)
    return replace(again, plans=plans, restart=True)


def _without_default_attests(plan: BuildPlan) -> BuildPlan:
    left = tuple(entry for entry in plan.attests if entry not in plan.default_attests)
    return replace(plan, attests=left, default_attests=())


def _without_cache(builds: Sequence[BuildPlan], failure: Failure) -> AnotherTry | None:
    """Return the builds without the caches that failed them, None if no cache did."""
    backend = next((one.cache.backend.name for one in builds if _is_backends(one, failure)), "")
    if backend:
        error = " ".join(failure.error.split())
        plans = [replace(one, cache=replace(one.cache, read=(), merged="")) for one in builds]
        return _without_export(plans, f"the backend {backend} failed: {error}")
    read = _read(builds)
    if not read or not any(sign in failure.error.lower() for sign in _GONE):
        return None
    guilty = [
        one for one in read if one.found and any(blob in failure.error for blob in one.found.blobs)
    ]
    return _without_import(builds, guilty or read, "a layer could not be fetched")


def _is_backends(plan: BuildPlan, failure: Failure) -> bool:
    """Return whether the backend of the cache failed.

    BuildKit connects to any backend but a registry before it builds, and ignores no error then: it
    says "failed to configure … cache exporter" or similar, and buildx that it made no directory.
    """
    cache, text = plan.cache, failure.error.lower()
    if cache.backend.is_in_registry or failure.title or not (cache.read or cache.write):
        return False
    return "cache" in text or (cache.backend.is_directory and text.startswith("mkdir "))


def _push_again(builds: Sequence[BuildPlan], failure: Failure, tried: Tried) -> AnotherTry | None:
    """Return a push without the export beside it if its error is transient.

    Image and cache are exported side by side since BuildKit 0.28, and both upload the layers that
    they share. The distribution registry 2.8 writes a blob's link in place, so it may not know the
    blob of a manifest that arrives in that moment: 6 of 120 cold pushes failed so with BuildKit
    0.32.2, and 1 of 120 with 0.34.2. The builder has all steps by then, so another push costs
    seconds.
    """
    passes = outcomes.is_push(failure) and _push_passes(failure)
    wait = retries.pause(tried.number, left=tried.left) if passes else None
    if wait is None:
        return None
    why = f"the push failed with a transient error ({_cause(failure.error)})"
    return _pushed_again(builds, why, wait)


def _pushed_again(builds: Sequence[BuildPlan], why: str, wait: float) -> AnotherTry:
    exports = any(map(calls.writes, builds))
    when = f"retrying in {wait:.0f} s" if wait else "retrying"
    return AnotherTry(
        plans=tuple(map(calls.image_alone, builds)),
        reason=f"{why}; {when}{', then exporting the cache' if exports else ''}",
        pause=wait,
        export_after=exports,
    )


def _pull_again(builds: Sequence[BuildPlan], failure: Failure, tried: Tried) -> AnotherTry | None:
    """Return the same builds if the error of an image that they pull is transient.

    BuildKit itself tries again for 7 s, but not if it cannot connect (retryhandler, v0.34.2).
    """
    passes = _PULLING.match(failure.title) and retries.passes(failure.error)
    wait = retries.pause(tried.number, left=tried.left) if passes else None
    if wait is None:
        return None
    why = f"an image could not be pulled for a transient error ({_cause(failure.error)})"
    return AnotherTry(plans=tuple(builds), reason=f"{why}; retrying in {wait:.0f} s", pause=wait)


def _push_passes(failure: Failure) -> bool:
    """Return whether a push's error is transient, or is unclear and BuildKit tried it again itself.

    BuildKit logs what it tries again with its status, and may lose that in the error at the end.
    A code that BuildKit does not know is printed as "unknown".
    """
    is_unclear = ": unknown: " in failure.error
    return retries.passes(failure.error) or (is_unclear and any(map(retries.passes, failure.tail)))


@frozen
class AnotherExport:
    """Why an export that failed may still succeed, and the seconds to wait before it."""

    reason: str
    pause: float = 0.0
    on_disk: bool = False  # Whether the builder's state moves from memory to disk before it
    restart: bool = False  # Whether the builder is restarted, or waited for, before it


def another_export(plan: BuildPlan, exported: Progress, tried: Tried) -> AnotherExport | None:
    """Return why a failed export may still succeed, None if it cannot or did not fail."""
    if tried.lacking and plan.cache.write:
        reason = f"{tried.lacking}; exporting the cache again with the state on disk"
        return AnotherExport(reason=reason, on_disk=True)
    if tried.lost and plan.cache.write:
        return AnotherExport(reason=f"{tried.lost}; exporting the cache again", restart=True)
    errors = [done.error for done in exported.exports() if done.error]
    passes = plan.cache.write and errors and all(map(retries.passes, errors))
    wait = retries.pause(tried.number, left=tried.left) if passes else None
    if wait is None:
        return None
    reason = (
        f"the cache export failed with a transient error ({_cause(errors[0])}); "
        f"retrying in {wait:.0f} s"
    )
    return AnotherExport(reason=reason, pause=wait)


def needs_no_export(plan: BuildPlan, built: Progress) -> bool:
    """Return whether an export would write the cache that already exists.

    It would if every step came from that cache, and from no other; a builder that existed before
    the run may have had the steps itself.
    """
    cache = plan.cache
    found = cache.write.found if cache.write else None
    is_alone = found is not None and [read.found for read in cache.read] == [found]
    return is_alone and _is_from_caches(plan, built)


def may_become_written(plan: BuildPlan, built: Progress) -> bool:
    """Return whether the cache that was read may become the written one, without an export.

    If every step came from it, it lacks nothing. An export would leave out what this build did not
    need, so a cache that was merged before is exported, and does not grow with each build.
    """
    cache = plan.cache
    found = cache.write.found if cache.write else None
    is_one = len(cache.read) == 1 or bool(cache.merged)
    return (
        is_one
        and cache.backend.retagged
        # An export could compress its layers otherwise.
        and not (cache.options or cache.packing or cache.lazy)
        # More records could contradict a later cache, be too old, or look like a new generation.
        and not (cache.history or cache.max_age or (found and merging.is_merged(found)))
        and all(read.found and read.found.text for read in cache.read)
        and _is_from_caches(plan, built)
    )


def _is_from_caches(plan: BuildPlan, built: Progress) -> bool:
    """Return whether every step came from the caches that warmbuild has chosen."""
    steps = built.steps()
    return (
        plan.cache.write is not None
        and not plan.cache.destinations
        and plan.builder.is_fresh
        and bool(steps)
        and all(step.cached for step in steps)
        and not any(done.error for done in built.imports())
    )


def repacks(plan: BuildPlan, built: Progress) -> bool:
    """Return whether an export packs layers as eStargz that it finds packed otherwise.

    If no step is cached, the base image may be new; all of its layers are in the builder then.
    """
    is_cold = not any(step.cached for step in built.steps())
    return plan.cache.lazy and (plan.cache.repacks or is_cold)


def gives_up_export(plan: BuildPlan, again: BuildPlan) -> bool:
    """Return whether another try at a plan has given up its export for good."""
    new = set(again.cache.problems) - set(plan.cache.problems)
    return any(problem.kind is Kind.WRITE for problem in new)


def _cause(error: str) -> str:
    """Return the end of an error, which is the cause if a Go program printed it."""
    return error.rpartition(": ")[2]


def _read(builds: Sequence[BuildPlan]) -> Sequence[CacheRef]:
    """Return every cache that is read, once each."""
    return tuple({read.ref: read for plan in builds for read in plan.cache.read}.values())


def _without_import(
    builds: Sequence[BuildPlan], guilty: Sequence[CacheRef], why: str
) -> AnotherTry:
    """Return the builds without some of the caches that they read."""
    gone = [one.ref for one in guilty]
    verb, them = ("is", "it") if len(gone) == 1 else ("are", "them")
    text = f"{', '.join(map(str, gone))} {verb} not read: {why}; retrying without {them}"
    plans = []
    for plan in _with_problem(builds, Problem(kind=Kind.READ, text=text)):
        read = tuple(one for one in plan.cache.read if one.ref not in gone)
        merged = plan.cache.merged if read == plan.cache.read else ""
        plans.append(replace(plan, cache=replace(plan.cache, read=read, merged=merged)))
    return AnotherTry(plans=tuple(plans), reason=text)


def _without_export(builds: Sequence[BuildPlan], why: str) -> AnotherTry:
    """Return the builds without their exports, which are not made later either."""
    text = f"no cache is written: {why}; retrying without it"
    lost = Problem(kind=Kind.WRITE, text=text, cause=why)
    plans = _with_problem([calls.image_alone(plan) for plan in builds], lost)
    return AnotherTry(plans=plans, reason=text)


def _with_problem(builds: Sequence[BuildPlan], lost: Problem) -> tuple[BuildPlan, ...]:
    return tuple(
        replace(plan, cache=replace(plan.cache, problems=(*plan.cache.problems, lost)))
        for plan in builds
    )
