"""What a build did, as values: images, steps, caches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import backends, csv_attributes, refs, vendors
from warmbuild.buildkit.answers import Inspected
from warmbuild.cache import problems, records
from warmbuild.cache.problems import Kind, Problem
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warmbuild.buildkit.progress import Progress, Step, Transfer
    from warmbuild.plan.build_plan import BuildPlan

# What a plan alone has.
NO_BUILDER: Final = Inspected()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a build did."""

    digest: str
    image_id: str
    metadata: str
    tags: tuple[str, ...]
    steps: tuple[Step, ...]
    cache_read: tuple[str, ...]
    cache_written: str
    cache_age: timedelta | None
    """Age of the oldest result in the caches that steps came from; None without any."""
    seconds: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    """Everything that the log warned of."""
    problems: tuple[Problem, ...]
    """What went wrong with the caches."""
    name: str = ""
    """Name of the target, if a file says what is built."""
    targets: tuple[Outcome, ...] = ()
    """What each of several targets did, of which this has the sums."""
    image: BuildPlan | None = None
    """Plan of the one image that was built, if no file defines it."""
    builder: Inspected = NO_BUILDER

    @property
    def cache_error(self) -> str:
        """Why a cache was not written where it should have been."""
        if not self.targets:
            return problems.write_error(self.problems)
        return "; ".join(
            f"{one.name}: {one.cache_error}" for one in self.targets if one.cache_error
        )


def together(targets: Sequence[Outcome], *, metadata: str, steps: tuple[Step, ...]) -> Outcome:
    """Return what several targets did; a step that they share is one of `steps`."""
    ages = [one.cache_age for one in targets if one.cache_age is not None]
    written = [one.cache_written for one in targets if one.cache_written]
    only = targets[0] if len(targets) == 1 else None
    return Outcome(
        digest=only.digest if only else "",
        image_id=only.image_id if only else "",
        metadata=metadata,
        tags=tuple(tag for one in targets for tag in one.tags),
        steps=steps,
        cache_read=tuple(dict.fromkeys(ref for one in targets for ref in one.cache_read)),
        cache_written=",".join(written),
        cache_age=max(ages, default=None),
        seconds=0.0,
        notes=tuple(f"{one.name}: {note}" for one in targets for note in one.notes),
        warnings=(),
        problems=tuple(dict.fromkeys(problem for one in targets for problem in one.problems)),
        targets=tuple(targets),
    )


def answer(plan: BuildPlan, metadata: str) -> Outcome:
    """Return the outcome of what made no image and had no cache: the answer is in the log."""
    return Outcome(
        digest="",
        image_id="",
        metadata=metadata,
        tags=(),
        steps=(),
        cache_read=(),
        cache_written="",
        cache_age=None,
        seconds=0.0,
        notes=(*plan.notes, *plan.cache.notes),
        warnings=(),
        problems=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOutcome:
    """What became of the cache of one image."""

    read: tuple[str, ...]
    written: str
    problems: tuple[Problem, ...]


def cache_outcome(
    plan: BuildPlan, *, imported: Progress, exported: Progress | None, failed: str = ""
) -> CacheOutcome:
    """Return what became of the cache, as the progress of the build and of its export have it.

    `exported` is None if no export was needed, and `failed` is why one came to nothing.
    """
    read, not_read = _imported(plan, imported)
    destinations = ",".join(_destinations(plan))
    exports = exported.exports() if exported else ()
    causes = [(_advised(plan, export), export.error) for export in exports if export.error]
    causes += [(failed, failed)] if failed and not causes else []
    not_written = [
        Problem(kind=Kind.WRITE, text=f"no cache is written to {destinations}: {text}", cause=cause)
        for text, cause in causes
    ]
    is_written = bool(exports) and not causes and _wrote(exports)
    return CacheOutcome(
        read=read,
        written=destinations if is_written else "",
        problems=tuple(dict.fromkeys((*not_read, *not_written))),
    )


def several_outcomes(outcomes: Sequence[CacheOutcome]) -> CacheOutcome:
    """Return what became of caches that were written one after another, and read at once."""
    return CacheOutcome(
        read=outcomes[0].read,
        written=",".join(one.written for one in outcomes if one.written),
        problems=tuple(dict.fromkeys(problem for one in outcomes for problem in one.problems)),
    )


def _advised(plan: BuildPlan, failed: Transfer) -> str:
    """Return why an export failed, in one line, and what to do about it at that registry.

    BuildKit names the backend of an export and not its ref, so that one of several is nobody's.
    """
    text, write, run = " ".join(failed.error.split()), plan.cache.write, plan.run
    if not failed.is_to_registry:
        return text
    names = [str(write.ref)] if write else []
    names += [
        dict(csv_attributes.pairs(entry)).get("ref", "")
        for entry in plan.cache.destinations
        if (kind := backends.of_entry(entry)) and kind.is_in_registry and not kind.lies_in_image
    ]
    try:
        (ref,) = map(refs.parse, names)
    except ValueError:
        return text
    own = run.ci if run.registry == ref.host else ""
    vendor = (write.vendor if write else None) or vendors.detect(ref.host, ci=own)
    return refusal.explained(text, vendor, ref, refusal.read(text), writing=True)


def inline_outcome(
    plan: BuildPlan, *, imported: Progress, written: Sequence[str], failed: Sequence[str]
) -> CacheOutcome:
    """Return what became of an inline cache: refs that were pushed, and why others were not."""
    read, not_read = _imported(plan, imported)
    not_written = (Problem(kind=Kind.WRITE, text=text) for text in failed)
    return CacheOutcome(read=read, written=",".join(written), problems=(*not_read, *not_written))


def _imported(plan: BuildPlan, imported: Progress) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the caches that were read, and the problems of those that were not."""
    imports = imported.imports()
    read = tuple(done.name for done in imports if not done.error)
    failed = [
        Problem(kind=Kind.READ, text=f"{done.name} is not read: {done.error}")
        for done in imports
        if done.error
    ]
    is_renamed = plan.cache.merged or not plan.cache.backend.is_in_registry
    if plan.cache.read and is_renamed and not failed and read:
        # BuildKit calls what is no reference by a digest of its attributes, and knows of several
        # that are one by that one's name alone.
        read = tuple(str(item.ref) for item in plan.cache.read)
    return read, failed


def _wrote(exports: Sequence[Transfer]) -> bool:
    """Say whether anything was exported: a build without a layer leaves nothing to write."""
    return any(done.digest or not done.is_to_registry for done in exports)


def _destinations(plan: BuildPlan) -> list[str]:
    written = [str(plan.cache.write.ref)] if plan.cache.write else []
    entries = [dict(csv_attributes.pairs(entry)) for entry in plan.cache.destinations]
    return [*written, *(entry.get("ref") or entry.get("type", "") for entry in entries)]


def cache_age(plan: BuildPlan, built: Progress, now: datetime) -> timedelta | None:
    """Return how old the oldest result is in the caches that steps came from; None without any."""
    failed = {done.name for done in built.imports() if done.error}
    oldest = records.oldest(
        one
        for read in plan.cache.read
        if read.found and str(read.ref) not in failed
        for one in read.found.records
    )
    if oldest is None or not any(step.cached for step in built.steps()):
        return None
    return max(now - oldest, timedelta())
