"""What a build did, as values: images, steps, caches."""

from __future__ import annotations

import json
import re
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from warmbuild import backends, csv_attributes, refs, vendors
from warmbuild.build.timeline import Timeline
from warmbuild.buildkit import progress
from warmbuild.buildkit.answers import Inspected
from warmbuild.cache import problems, records
from warmbuild.cache.problems import Kind, Problem
from warmbuild.errors import BuildError, EngineError, RegistryError, WarmbuildError
from warmbuild.frozen import frozen
from warmbuild.vendors import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from warmbuild.buildkit.progress import Failure, Progress, Step, Transfer, Unpacked
    from warmbuild.cache.kept_mounts import Carriage
    from warmbuild.finding import Finding
    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.record.earlier import Comparison
    from warmbuild.record.miss import Miss

# What says that the connection is lost. gRPC says the first of a daemon that has ended. buildx says
# the others if pods are not there, or if the API server, which every call to a pod goes through, is
# away (v0.38.2, driver/kubernetes). An error of a step has the step's title.
_LOST: Final = re.compile(
    r"\bUnavailable(?::| desc = )|no running buildkit pods found|exec stream ended before"
    r"|unable to upgrade connection|\b(?:Get|Post) \"https?://[^/]+/apis?/"
)

_KILLED: Final = re.compile(r"\bexit code: 137$")


@frozen
class Outcome:
    """What a build did; the defaults are those of a build without an image and a cache."""

    name: str = ""  # name of the target, if a file defines it
    ending: str = ""  # what became of the image: pushed, loaded, exported or built
    digest: str = ""
    image_id: str = ""
    metadata: str
    tags: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    unpacked: tuple[Unpacked, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    """Digests of the images that it is made of, by reference."""
    misses: tuple[Miss, ...] = ()  # the first step of each stage that ran, if it is known why
    earlier: Comparison | None = None  # beside the last build of the default branch, if known
    changed: bool = True  # whether it may differ from the last build of its branch
    unbuilt: bool = False  # whether nothing was built: the image is that of an earlier build
    cache_read: tuple[str, ...] = ()
    cache_written: str = ""
    cache_age: timedelta | None = None  # age of the oldest result in the caches of cached steps
    seconds: float = 0.0
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()  # everything that the log warned of, but for findings
    findings: tuple[Finding, ...] = ()  # of the lints
    problems: tuple[Problem, ...] = ()  # what went wrong with the caches
    targets: tuple[Outcome, ...] = ()  # outcomes of several targets; this one has their sums
    image: BuildPlan | None = None  # plan of the one image, if no file defines it
    error: str = ""  # why the run has failed; empty if it has not
    error_class: str = ""  # name of the class of that error
    is_stopped: bool = False  # whether it was told to stop
    failure: Failure | None = None  # what failed, if it was a part of a build
    timeline: Timeline = field(default_factory=Timeline)  # of the whole run
    builder: Inspected = field(default_factory=Inspected)
    mounts: tuple[Carriage, ...] = ()  # the cache mounts of the run
    mounts_saved: float = 0.0  # seconds by which steps were shorter with them; may be negative
    mounts_cost: float = 0.0  # seconds of their restore and save

    @property
    def saved(self) -> float:
        """Seconds that the steps from caches took when they last ran, as far as records tell."""
        steps = self.steps
        if self.targets:
            # A step that targets share is one.
            steps = tuple({step.title: step for one in self.targets for step in one.steps}.values())
        return sum(step.usual for step in steps if step.cached)

    @property
    def cache_error(self) -> str:
        """Why a cache was not written where it should have been."""
        if not self.targets:
            return problems.write_error(self.problems)
        return "; ".join(
            f"{one.name}: {one.cache_error}" for one in self.targets if one.cache_error
        )


def together(targets: Sequence[Outcome], *, metadata: str, steps: tuple[Step, ...]) -> Outcome:
    """Return what several targets did; `steps` has a step that they share once."""
    ages = [one.cache_age for one in targets if one.cache_age is not None]
    only = targets[0] if len(targets) == 1 else None
    endings = {one.ending for one in targets}
    return Outcome(
        ending=endings.pop() if len(endings) == 1 else "built",
        digest=only.digest if only else "",
        image_id=only.image_id if only else "",
        metadata=metadata,
        tags=tuple(tag for one in targets for tag in one.tags),
        steps=steps,
        changed=any(one.changed for one in targets),
        unbuilt=all(one.unbuilt for one in targets),
        cache_read=tuple(dict.fromkeys(ref for one in targets for ref in one.cache_read)),
        cache_written=",".join(one.cache_written for one in targets if one.cache_written),
        cache_age=max(ages, default=None),
        notes=tuple(f"{one.name}: {note}" for one in targets for note in one.notes),
        problems=tuple(dict.fromkeys(problem for one in targets for problem in one.problems)),
        targets=tuple(targets),
    )


def with_unchanged(built: Outcome | None, unchanged: Sequence[Outcome]) -> Outcome:
    """Return what a run did that took some of its images, or all, from earlier builds."""
    if built and not unchanged:
        return built
    if built is None and not unchanged[0].name:
        return unchanged[0]
    targets = (*(built.targets if built else ()), *unchanged)
    metadata = json.loads(built.metadata) if built else {}
    metadata |= {one.name: json.loads(one.metadata) for one in unchanged}
    found = together(
        targets,
        metadata=json.dumps(metadata, separators=(",", ":")),
        steps=built.steps if built else (),
    )
    # Some problems are of no single target.
    of_run = built.problems if built else ()
    return replace(found, problems=tuple(dict.fromkeys((*of_run, *found.problems))))


def shown(done: Outcome, redact: Callable[[str], str]) -> Outcome:
    """Return an outcome as it may be shown: `redact` hides secrets in what others wrote.

    Names of images and caches stay, because later steps use them. The metadata is hidden already.
    """
    return replace(
        done,
        steps=tuple(
            replace(
                one,
                prefix=redact(one.prefix),
                instruction=redact(one.instruction),
                error=redact(one.error),
            )
            for one in done.steps
        ),
        misses=tuple(one.shown(redact) for one in done.misses),
        earlier=done.earlier and done.earlier.shown(redact),
        notes=tuple(map(redact, done.notes)),
        warnings=tuple(map(redact, done.warnings)),
        findings=tuple(
            replace(one, file=redact(one.file), text=redact(one.text)) for one in done.findings
        ),
        problems=tuple(
            replace(one, text=redact(one.text), cause=redact(one.cause)) for one in done.problems
        ),
        mounts=tuple(one.shown(redact) for one in done.mounts),
        targets=tuple(shown(one, redact) for one in done.targets),
        error=redact(done.error),
        failure=done.failure and done.failure.shown(redact),
        timeline=done.timeline.shown(redact),
        builder=replace(
            done.builder,
            nodes=tuple(
                replace(one, driver_opts=tuple(map(redact, one.driver_opts)))
                for one in done.builder.nodes
            ),
        ),
    )


@frozen
class CacheOutcome:
    """What became of the cache of one image."""

    read: tuple[str, ...] = ()
    written: str = ""
    problems: tuple[Problem, ...] = ()


def cache_outcome(
    plan: BuildPlan, *, imported: Progress, exported: Progress | None, failed: str = ""
) -> CacheOutcome:
    """Return what became of a cache, by the progress of the build and of its export.

    `exported` is None if no export was needed. `failed` is why an export failed, if it did.
    """
    read, not_read = _imported(plan, imported)
    destinations = ",".join(_destinations(plan))
    exports = exported.exports() if exported else ()
    if failed:
        # Why it did not finish is known.
        exports = tuple(done for done in exports if not done.is_unfinished)
    causes = [(_advised(plan, export), export.error) for export in exports if export.error]
    causes += [(failed, failed)] if failed and not causes else []
    not_written = [
        Problem(kind=Kind.WRITE, text=f"no cache is written to {destinations}: {text}", cause=cause)
        for text, cause in causes
    ]
    # A build without a layer has nothing to export.
    has_exported = any(done.digest or not done.is_to_registry for done in exports)
    return CacheOutcome(
        read=read,
        written=destinations if has_exported and not causes else "",
        problems=tuple(dict.fromkeys((*not_read, *not_written))),
    )


def several_outcomes(outcomes: Sequence[CacheOutcome]) -> CacheOutcome:
    """Return what became of caches that were read at once and written one after another."""
    return CacheOutcome(
        read=outcomes[0].read,
        written=",".join(one.written for one in outcomes if one.written),
        problems=tuple(dict.fromkeys(problem for one in outcomes for problem in one.problems)),
    )


def inline_outcome(
    plan: BuildPlan, *, imported: Progress, written: Sequence[str], failed: Sequence[str]
) -> CacheOutcome:
    """Return what became of an inline cache: refs that were pushed, and why others were not."""
    read, not_read = _imported(plan, imported)
    not_written = (Problem(kind=Kind.WRITE, text=text) for text in failed)
    return CacheOutcome(read=read, written=",".join(written), problems=(*not_read, *not_written))


def cache_age(plan: BuildPlan, built: Progress, now: datetime) -> timedelta | None:
    """Return the age of the oldest result in the caches of cached steps; None without any."""
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


def _advised(plan: BuildPlan, failed: Transfer) -> str:
    """Return why an export failed, in one line, and what to do about it at that registry.

    BuildKit names the backend of an export and not its ref, so the error of one among several
    exports cannot be matched to a registry.
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


def _imported(plan: BuildPlan, imported: Progress) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the caches that were read, and why others were not."""
    unknown = {str(item.ref) for item in plan.cache.read if item.found is None}
    # What nobody could ask for may not exist yet.
    imports = [
        done
        for done in imported.imports()
        if not (done.name in unknown and done.error.endswith(": not found"))
    ]
    read = tuple(done.name for done in imports if not done.error)
    failed = [
        Problem(kind=Kind.READ, text=f"{done.name} is not read: {done.error}")
        for done in imports
        if done.error
    ]
    is_renamed = plan.cache.merged or not plan.cache.backend.is_in_registry
    if plan.cache.read and is_renamed and not failed and read:
        # BuildKit names a cache of another backend by a digest of its attributes, and a merged
        # cache by its own ref alone.
        read = tuple(str(item.ref) for item in plan.cache.read)
    return read, failed


def _destinations(plan: BuildPlan) -> list[str]:
    written = [str(plan.cache.write.ref)] if plan.cache.write else []
    entries = [dict(csv_attributes.pairs(entry)) for entry in plan.cache.destinations]
    return [*written, *(entry.get("ref") or entry.get("type", "") for entry in entries)]


def is_push(failure: Failure) -> bool:
    """Return whether the push failed."""
    is_export = "exporting to" in failure.title and "push" in failure.error.lower()
    return is_export or bool(progress.PUSH_OF_ENGINE.match(failure.title))


def is_lost(failure: Failure) -> bool:
    """Return whether the connection to the builder is lost."""
    return not failure.title and bool(_LOST.search(failure.error))


def failure_error(failure: Failure, *, waited_for: str = "", lost: str = "") -> WarmbuildError:
    """Return an error that says what went wrong and what to do.

    `waited_for` is what the build waited for until it was ended, and `lost` why the connection to
    a second daemon was lost.
    """
    if waited_for in progress.PUSHED:
        return RegistryError(
            "the image is built and was not pushed: the registry accepted nothing for as long as "
            "push-timeout allows. Check that the registry can be reached, or allow it more time."
        )
    if "no space left on device" in failure.error.lower():
        return EngineError(
            f"the builder's disk is full: {failure.error}. Free space on the engine's machine "
            "(docker system prune), or give it a larger disk."
        )
    if is_lost(failure):
        why = f" for the second time: {lost}" if lost else f": {failure.error}"
        return EngineError(
            f"the connection to the builder is lost{why}. Its daemon has ended, perhaps for want "
            "of memory, or the network has failed."
        )
    if failure.unconfirmed:
        return RegistryError(
            f"the image is built and was pushed, but the registry does not report its digest: "
            f"{failure.error}. Check that the registry can be reached and that the login may read "
            "this repository (inputs registry, username, password)."
        )
    if is_push(failure):
        return RegistryError(
            f"the image is built and was not pushed: {failure.error}. Check that the registry can "
            "be reached and that the login may write to this repository (inputs registry, "
            "username, password)."
        )
    parts = ["the build failed"]
    parts += [f" at {failure.source}"] if failure.source else []
    parts += [f" in {failure.title}"] if failure.title else []
    parts += [f": {failure.error}", *(f"\n  | {line}" for line in failure.tail)]
    if "exec format error" in "\n".join((failure.error, *failure.tail)).lower():
        parts.append(
            "\nThe build ran a program of another processor without emulation: set qemu-platforms "
            "to emulate it, or build faster on a node with that processor (append)."
        )
    if _KILLED.search(failure.error):
        parts.append(
            "\nExit code 137 is that of a program that was killed, as happens if memory runs out: "
            "give the machine or the builder more (memory or limits.memory in driver-opts)."
        )
    return BuildError("".join(parts))
