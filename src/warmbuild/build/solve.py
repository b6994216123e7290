"""Carries out a planned build: runs it, prints its progress, reads what it did."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import process, signals, untrusted_json
from warmbuild.bake import bake_file
from warmbuild.build import attempts, outcomes
from warmbuild.build.attempts import Tried
from warmbuild.build.outcomes import CacheOutcome, Outcome
from warmbuild.build.patience import Bounds, Patience
from warmbuild.build.timeline import Call
from warmbuild.builder import private_directory, state
from warmbuild.buildkit import checks, command_line
from warmbuild.buildkit.command_line import Files
from warmbuild.buildkit.progress import Progress, Step
from warmbuild.buildkit.vertices import Line, Text
from warmbuild.cache import directory, problems
from warmbuild.errors import BuildError, EngineError
from warmbuild.files import read_text, write_text
from warmbuild.frozen import frozen
from warmbuild.lint import reading
from warmbuild.phases import Phase
from warmbuild.plan import calls
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.build.attempts import AnotherExport, AnotherTry
    from warmbuild.build.display import Display
    from warmbuild.builder.environment import Buildx
    from warmbuild.builder.memory import Guard, State
    from warmbuild.builder.private_directory import Private
    from warmbuild.buildkit.checks import Warned
    from warmbuild.buildkit.vertices import News
    from warmbuild.cache.cache_plan import CachePlan
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan

_MOST_RETRIES: Final = 3
# What GNU tar says of what it then does right.
_HARMLESS: Final = ("tar: Removing leading ", "tar: Substituting ")
# What tar and the shell say if a disk is full.
_FULL: Final = re.compile(r": (Wrote only [0-9]+ of [0-9]+ bytes|.*No space left on device)$")
# BuildKit quotes the script of a step that fails.
_STEP: Final = re.compile(r'^process "[^\n]*" did not complete successfully: ')


@frozen
class Limits:
    """How long a build waits for registries, in seconds."""

    cache: float  # without news of a cache
    push: float  # without news of a push
    retry: float  # from the first transient failure to the last try


@frozen
class Tool:
    """buildx as a run uses it."""

    buildx: Buildx
    files: Files  # where buildx reads and writes
    definition: str  # where the file for bake is written
    private: Private
    limits: Limits
    annotates: bool  # whether BuildKit's warnings become warnings of the run
    restart: Callable[[], None]  # restarts the builder, or waits until it is up again
    lost: Callable[[], str]
    """Says why the connection to a daemon was lost; empty if no other one may take its place."""
    display: Display  # shows what buildx does
    state: State  # of the builder
    log: Log
    keep: Callable[[CachePlan], bool] = lambda _: False
    """Tags the cache that was read with the ref that is written; returns False on failure."""
    have_lost: Callable[[Sequence[CachePlan]], Sequence[bool]] = lambda _: ()
    """Returns of each cache that was written whether BuildKit left the result of a step out."""
    announce: Callable[[Outcome], None] = lambda _: None
    """Takes what is known once images are out, before their caches are exported."""
    calls: list[Call] = field(default_factory=list)  # every call of buildx that has ended
    written: Callable[[], int | None] = lambda: None
    """Counts the bytes that the builder has written; None if that is not known."""


@frozen
class Beside:
    """What became of a build of our own."""

    said: tuple[str, ...]  # the lines that its steps have printed
    why: str = ""  # why it failed; empty if it did not


@frozen
class _Attempt:
    """One run of buildx."""

    code: int
    progress: Progress
    waited_for: str  # the part of the cache that it waited for until it was ended
    unwritten: Mapping[str, str]  # by target: why its exported cache is not in its directory
    lacking: str  # why it failed if memory was too small for the builder's state
    lost: str  # why the connection to its daemon was lost, if another one may take its place

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        if not self.code:
            return ""
        if self.waited_for:
            return attempts.STALLS[self.waited_for]
        if self.code < 0:
            return _killed(self.code)
        return self.progress.failure().error or f"buildx ended with exit code {self.code}"


def _killed(code: int) -> str:
    return f"buildx did not end its build: {process.death(code)}"


class _Retries:
    """Counts the attempts of one thing, and the time since its first failure."""

    def __init__(self, patience: float) -> None:
        self._number, self._patience, self._end = 0, patience, 0.0
        self._losses = 0

    def failed(self, attempt: _Attempt) -> Tried:
        """Note that an attempt has failed, and return what is known of it."""
        self._number += 1
        self._losses += bool(attempt.lost)
        if self._number == 1:
            self._end = time.monotonic() + self._patience
        return Tried(
            number=self._number,
            left=self._end - time.monotonic(),
            waited_for=attempt.waited_for,
            lacking=attempt.lacking,
            # What takes down one daemon after another may be the build.
            lost=attempt.lost if self._losses == 1 else "",
        )


@frozen
class _Built:
    """Images that one call has built."""

    plans: Sequence[BuildPlan]  # as they were built; their caches' problems say what was given up
    progress: Progress  # of the first attempt that came to a step
    last: _Attempt
    export_after: bool  # whether a push was retried without the export


def build(decided: Sequence[BuildPlan], tool: Tool) -> Outcome:
    """Build the images, then export the caches that are not exported with them.

    Raises BuildError, RegistryError or EngineError with what went wrong.
    """
    finished: list[Outcome] = []
    steps: list[Step] = []
    metadata: dict[str, object] = {}
    before: list[Progress] = []
    for call in _calls(decided, tool.log):
        built = _built(call, tool)
        for earlier in before:
            built.progress.goes_on(earlier)
        before.append(built.progress)
        steps += built.progress.steps(new=True)
        said = _metadata(tool)
        metadata |= said
        images = _images(call, built, said, tool)
        shown = _shown_metadata(metadata, tool.log)
        tool.announce(_whole(decided, [*finished, *images], shown, steps))
        finished += _finished(call, built, images, tool)
    return _whole(decided, finished, _shown_metadata(metadata, tool.log), steps)


def _whole(
    decided: Sequence[BuildPlan], done: Sequence[Outcome], metadata: str, steps: Sequence[Step]
) -> Outcome:
    """Return the outcome of a run, by those of its images."""
    if not decided[0].name:
        return replace(done[0], image=decided[0])
    names = [plan.name for plan in decided]
    in_order = sorted(done, key=lambda one: names.index(one.name))
    return outcomes.together(in_order, metadata=metadata, steps=tuple(steps))


def _calls(decided: Sequence[BuildPlan], log: Log) -> Iterator[Sequence[BuildPlan]]:
    """Yield the builds of each call; those that others depend on are part of each."""
    wanted = [plan for plan in decided if not plan.linked]
    linked = [plan for plan in decided if plan.linked]
    rounds = calls.rounds([plan.cache for plan in wanted])
    for numbers in rounds:
        part = [wanted[number] for number in numbers]
        if len(rounds) > 1:
            names = ", ".join(plan.name for plan in part)
            log.line(f"targets that share steps are built one after the other: now {names}")
        yield (*part, *linked)


def _built(decided: Sequence[BuildPlan], tool: Tool) -> _Built:
    """Build until the images are done, or until nothing else may help."""
    now, export_after = tuple(map(calls.image_first, decided)), False
    counted, given_up, patience = None, 0, _Retries(tool.limits.retry)
    lost: list[Progress] = []
    while True:
        tried = _attempt(now, tool)
        for earlier in lost:
            tried.progress.goes_on(earlier, is_again=True)
        # A step that ran in an attempt is cached in the next one.
        counted = counted or (tried.progress if tried.progress.steps() else None)
        if not tried.code or given_up > _MOST_RETRIES:
            break
        known = patience.failed(tried)
        again = attempts.another_try(now, tried.progress.failure(), known)
        if again is None:
            break
        given_up += not again.pause
        if known.lost:
            # The daemon that builds next may have none of the steps.
            lost, counted = [tried.progress], None
        (tool.log.line if again.is_note else tool.log.warning)(again.reason)
        reads = [[plan.cache.read for plan in plans] for plans in (now, again.plans)]
        if again.on_disk or reads[0] != reads[1]:
            counted = None
        _prepare(again, tried, tool)
        now, export_after = again.plans, export_after or again.export_after
    _annotate(now, tried.progress.warnings(), tool)
    if tried.code < 0 and not (tried.waited_for or tried.lacking):
        raise EngineError(f"{tried.error}.")
    failure = tried.progress.failure()
    if tried.code and tool.private.is_full(f"{failure.error} {failure.tail}"):
        raise private_directory.unwritable("no space is left on it")
    if tried.code:
        failed = outcomes.failure_error(failure, waited_for=tried.waited_for, lost=tried.lost)
        failed.file, failed.line = reading.place(now, failure.source)
        raise failed
    progress = counted or tried.progress
    return _Built(plans=now, progress=progress, last=tried, export_after=export_after)


def _prepare(again: AnotherTry | AnotherExport, tried: _Attempt, tool: Tool) -> None:
    """Wait, and change the builder, as another attempt needs it."""
    time.sleep(again.pause)
    if again.restart:
        tool.restart()
    if again.on_disk:
        tool.state.to_disk(tried.lacking)


def _images(
    decided: Sequence[BuildPlan], built: _Built, said: Mapping[str, object], tool: Tool
) -> Sequence[Outcome]:
    """Return what became of images, without their caches.

    `said` is the metadata that buildx wrote of them.
    """
    image_id = (read_text(tool.files.iid) or "").strip()
    images = []
    for plan, as_built in zip(decided, built.plans, strict=True):
        if plan.linked:
            continue
        progress = built.progress.of(plan.name)
        metadata = bake_file.metadata(said, bake_file.name_of(plan)) or said
        outcome = Outcome(
            name=plan.name,
            ending=_ending(plan),
            digest=untrusted_json.text(metadata, "containerimage.digest"),
            image_id=image_id or untrusted_json.text(metadata, "containerimage.config.digest"),
            metadata=_shown_metadata(metadata, tool.log),
            tags=plan.tags,
            steps=progress.steps(),
            unpacked=progress.unpacked(),
            images=progress.images(),
            cache_age=outcomes.cache_age(as_built, progress, datetime.now(UTC)),
            notes=(*plan.notes, *plan.cache.notes),
            problems=as_built.cache.problems,
        )
        images.append(outcome)
    return images


def _ending(plan: BuildPlan) -> str:
    """Return what becomes of an image, in a word."""
    endings = {"pushed": plan.push, "loaded": plan.load, "exported": bool(plan.outputs)}
    return next((word for word, is_so in endings.items() if is_so), "built")


def _finished(
    decided: Sequence[BuildPlan], built: _Built, images: Sequence[Outcome], tool: Tool
) -> Sequence[Outcome]:
    """Export the caches of images that are built; return what became of both."""
    caches = _caches(decided, built, tool)
    for warning in problems.texts(problem for cache in caches for problem in cache.problems):
        tool.log.warning(warning)
    found = {plan.name: cache for plan, cache in zip(decided, caches, strict=True)}
    return [
        replace(
            one,
            cache_read=found[one.name].read,
            cache_written=found[one.name].written,
            problems=(*one.problems, *found[one.name].problems),
        )
        for one in images
    ]


def ask(decided: Sequence[BuildPlan], tool: Tool) -> Outcome:
    """Ask BuildKit instead of building, and print the answers.

    Raises BuildError if a check finds anything, with the headline of the answers.
    """
    progress, said, log = Progress(), list[str](), tool.log
    argv = _argv(decided, tool)
    with log.group(f"warmbuild: {decided[0].call}"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with tool.buildx.started(argv) as running:
            with _called(tool, progress, Phase.BUILDX) as show:
                for line in running.lines():
                    news = progress.take(line, time.monotonic())
                    said += (one.text for one in news if isinstance(one, Text))
                    show([one for one in news if not isinstance(one, Text)])
            code = running.wait()
    # The answers stay out of the folded group.
    for text in said:
        log.answer(text)
    written = _metadata(tool)
    asked = [plan for plan in decided if not plan.linked]
    answers = [bake_file.metadata(written, bake_file.name_of(plan)) or written for plan in asked]
    found = {
        plan.name: checks.answered(untrusted_json.child(answer, "result.json"))
        for plan, answer in zip(asked, answers, strict=True)
    }
    each = dict.fromkeys(warned for one in found.values() for warned in one)
    _annotate(asked, each or progress.warnings(), tool)
    if code < 0:
        raise EngineError(f"{_killed(code)}.")
    if code:
        headline = checks.headline(said, {name: len(one) for name, one in found.items()})
        raise BuildError(headline) if headline else outcomes.failure_error(progress.failure())
    finished = [
        Outcome(
            name=plan.name,
            metadata=_shown_metadata(answer, log),
            notes=(*plan.notes, *plan.cache.notes),
        )
        for plan, answer in zip(asked, answers, strict=True)
    ]
    if not asked[0].name:
        return finished[0]
    return outcomes.together(finished, metadata=_shown_metadata(written, log), steps=())


def beside(
    argv: Sequence[str],
    tool: Tool,
    *,
    seconds: float,
    size: int,
    is_shared: Callable[[], bool] = bool,
) -> Beside:
    """Run a build of our own, of which the log shows nothing, within seconds and written bytes.

    `is_shared` tells whether another one runs in the background.
    """
    progress, said = Progress(), list[str]()
    bounds = Bounds(seconds, size, tool.written, is_shared)
    with (
        tool.buildx.started(argv) as running,
        bounds.over(running),
        tool.state.guarded(running) as guard,
    ):
        for line in running.lines():
            news = progress.take(line, time.monotonic())
            said += (one.text for one in news if isinstance(one, Line))
        code = running.wait()
    if not code:
        return Beside(said=tuple(said))
    known = bounds.why or ("memory ran out" if guard.ran_short else "")
    failure = progress.failure()
    why = known or _complaint(failure.tail) or _STEP.sub("", failure.error) or _killed(code)
    return Beside(said=tuple(said), why=why)


def _complaint(tail: Sequence[str]) -> str:
    """Return the first thing that a step of our own complains of in its last lines."""
    lines = (excerpt(line) for line in tail if not line.startswith(_HARMLESS))
    said = next(filter(None, lines), "")
    return "no space is left in the builder's state" if _FULL.search(said) else said


@contextmanager
def in_background(argv: Sequence[str], tool: Tool) -> Iterator[Callable[[], bool]]:
    """Run a build of our own while the block runs, and do not wait for its end.

    Yield what tells whether it still runs.
    """
    with tool.buildx.started(argv) as running:
        # What it prints is read, so that it goes on.
        thread = signals.start_thread(lambda: deque(running.lines(), maxlen=0))
        yield thread.is_alive


def _annotate(decided: Sequence[BuildPlan], found: Iterable[Warned], tool: Tool) -> None:
    """Have the CI system show BuildKit's warnings, at their lines if these are known."""
    for warned in found if tool.annotates else ():
        file = next(filter(None, (reading.named(plan, warned) for plan in decided)), "")
        where = "" if file or not warned.line else f"{warned.file}:{warned.line}: "
        text = f"{where}{warned.text} {warned.url}".rstrip()
        tool.log.warning(text, file, warned.line if file else 0)


def _metadata(tool: Tool) -> Mapping[str, object]:
    """Return what buildx wrote of a build, in which a frontend may have put anything."""
    try:
        return untrusted_json.parsed(read_text(tool.files.metadata) or "{}")
    except ValueError:
        return {}


def _shown_metadata(metadata: Mapping[str, object], log: Log) -> str:
    return json.dumps(untrusted_json.with_texts(metadata, log.redact), separators=(",", ":"))


def _caches(decided: Sequence[BuildPlan], built: _Built, tool: Tool) -> Sequence[CacheOutcome]:
    """Export the caches that were not exported with their images."""
    pairs = list(zip(decided, built.plans, strict=True))
    wanted = [_to_export(plan, last, built) for plan, last in pairs]
    given_up = {plan.name for plan, last in pairs if attempts.gives_up_export(plan, last)}
    exporting = [
        plan
        for plan in wanted
        if calls.writes(plan)
        and plan.name not in given_up
        and not plan.cache.backend.lies_in_image
        and not plan.cache.platforms
    ]
    there = {plan.name: _unexported(plan, built, tool) for plan in exporting}
    left = [plan for plan in exporting if there[plan.name] is None]
    exports = _exports(left, wanted, built.last, tool)
    exported = {
        plan.name: _exported(plan, built, exports.get(plan.name, built.last)) for plan in left
    }
    if len(left) > 1:
        written = [plan for plan in left if exported[plan.name].written]
        exported |= _repeated(written, wanted, built, tool)
    finished = []
    for plan in wanted:
        if plan.name in given_up:
            finished.append(CacheOutcome())
        elif known := exported.get(plan.name) or there.get(plan.name):
            finished.append(known)
        elif plan.cache.backend.lies_in_image:
            finished.append(_stages(plan, built, tool))
        elif plan.cache.platforms:
            finished.append(_platforms(plan, built, tool))
        else:
            finished.append(_exported(plan, built, built.last))
    return finished


def _to_export(plan: BuildPlan, last: BuildPlan, built: _Built) -> BuildPlan:
    """Return a plan whose export reads the caches that the build could read."""
    repacks = attempts.repacks(last, built.progress.of(plan.name))
    cache = replace(
        plan.cache,
        read=last.cache.read,
        merged=last.cache.merged,
        repacks=repacks,
        after=plan.cache.after or built.export_after or repacks != last.cache.repacks,
    )
    return replace(plan, attests=last.attests, cache=cache)


def _unexported(plan: BuildPlan, built: _Built, tool: Tool) -> CacheOutcome | None:
    """Return what became of a cache that needs no export; None if it needs one."""
    cache, progress = plan.cache, built.progress.of(plan.name)
    if not cache.after:
        return None
    of = f"{plan.name}: " if plan.name else ""
    outcome = outcomes.cache_outcome(plan, imported=progress, exported=None)
    if attempts.needs_no_export(plan, progress):
        tool.log.line(f"{of}the cache is not written: it is up to date")
        return outcome
    if attempts.may_become_written(plan, progress) and cache.write and tool.keep(cache):
        tool.log.line(f"{of}the cache that was read is written as it is: it has every step")
        return replace(outcome, written=str(cache.write.ref))
    return None


def _exports(
    exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan], last: _Attempt, tool: Tool
) -> Mapping[str, _Attempt]:
    """Return the attempt of each export that was not made, or failed, with its image."""
    after = [plan for plan in exporting if plan.cache.after]
    tried = _Retries(tool.limits.retry).failed(last)
    failed = [plan for plan in exporting if not plan.cache.after and _another(plan, last, tried)]
    exports: dict[str, _Attempt] = {}
    if after:
        tool.log.line("the image is done; now exporting its cache")
        exports |= dict.fromkeys((plan.name for plan in after), _export(after, wanted, tool))
    if failed:
        attempt = _once_more(failed, wanted, last, tool)
        exports |= dict.fromkeys((plan.name for plan in failed), attempt)
    return exports


def _repeated(
    written: Sequence[BuildPlan], wanted: Sequence[BuildPlan], built: _Built, tool: Tool
) -> Mapping[str, CacheOutcome]:
    """Export caches again, each alone, that lost a result because others were exported at once.

    BuildKit v0.34.2 says nothing of that. It lost the result of one step in 2 of 135 pairs of
    exports that had a layer in common, and in none of 135 pairs that were exported in turn.
    """
    lost = tool.have_lost([plan.cache for plan in written])
    again = list(compress(written, lost))
    for plan in again:
        tool.log.line(
            f"{plan.name}: BuildKit left a step out of the cache, so the cache is exported again"
        )
    return {plan.name: _exported(plan, built, _export([plan], wanted, tool)) for plan in again}


def _exported(plan: BuildPlan, built: _Built, exported: _Attempt) -> CacheOutcome:
    return outcomes.cache_outcome(
        plan,
        imported=built.progress.of(plan.name),
        exported=exported.progress.of(plan.name),
        failed=exported.error or exported.unwritten.get(plan.name, ""),
    )


def _export(exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan], tool: Tool) -> _Attempt:
    """Export caches alone, and once more if their error is transient."""
    attempt = _attempt(_alone(exporting, wanted), tool, Phase.CACHE)
    if attempt.waited_for:
        return attempt
    return _once_more(exporting, wanted, attempt, tool)


def _once_more(
    exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan], last: _Attempt, tool: Tool
) -> _Attempt:
    """Export caches alone while their error in the last attempt is transient."""
    patience = _Retries(tool.limits.retry)
    while True:
        tried = patience.failed(last)
        several = (_another(plan, last, tried) for plan in exporting)
        again = next(filter(None, several), None)
        if again is None:
            return last
        tool.log.line(again.reason)
        _prepare(again, last, tool)
        last = _attempt(_alone(exporting, wanted), tool, Phase.CACHE)


def _another(plan: BuildPlan, last: _Attempt, tried: Tried) -> AnotherExport | None:
    return attempts.another_export(plan, last.progress.of(plan.name), tried)


def _alone(exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan]) -> Sequence[BuildPlan]:
    """Return the call that exports some caches; the builds that they depend on are part of it."""
    names = {plan.name for plan in exporting}
    needed = names.union(*(bake_file.parts(plan, wanted) for plan in exporting))
    return tuple(
        replace(
            calls.export_alone(plan, wanted=plan.name in names),
            linked=plan.linked or plan.name not in names,
        )
        for plan in wanted
        if plan.name in needed
    )


def _platforms(wanted: BuildPlan, built: _Built, tool: Tool) -> CacheOutcome:
    """Export the cache of each platform on the node that has it."""
    tool.log.line("the image is done; now exporting the cache of each platform from its own node")
    plans = calls.by_platform(wanted)
    caches = [_exported(plan, built, _export([plan], [plan], tool)) for plan in plans]
    return outcomes.several_outcomes(caches)


def _stages(wanted: BuildPlan, built: _Built, tool: Tool) -> CacheOutcome:
    """Push the stages that an inline cache keeps beside its image."""
    write = wanted.cache.write
    written, failed = [str(write.ref)] if write else [], []
    for stage in calls.stages(wanted) if write else ():
        attempt = _attempt((stage,), tool, Phase.CACHE)
        ref = stage.cache.write.ref if stage.cache.write else ""
        if attempt.code:
            failed.append(f"no cache is written to {ref}: {attempt.error}")
        else:
            written.append(str(ref))
    return outcomes.inline_outcome(wanted, imported=built.progress, written=written, failed=failed)


@contextmanager
def _called(
    tool: Tool, progress: Progress, phase: Phase
) -> Iterator[Callable[[Sequence[News]], None]]:
    """Show a call of buildx while the block runs, and note it, also if it is ended."""
    begun = time.monotonic()
    try:
        with tool.display.call() as show:
            yield show
    finally:
        ended = time.monotonic()
        tool.calls.append(Call(progress=progress, begun=begun, ended=ended, phase=phase))


def _attempt(decided: Sequence[BuildPlan], tool: Tool, phase: Phase = Phase.BUILDX) -> _Attempt:
    """Run one call of buildx and print its progress; `phase` is what it counts as.

    A cache in a directory is written beside the one before, and then takes its place.
    """
    now: list[BuildPlan] = []
    swaps: dict[str, Callable[[], str]] = {}
    for plan in decided:
        cache, write = plan.cache, plan.cache.write
        if not write or not cache.backend.is_directory:
            now.append(plan)
            continue
        old = str(write.ref)
        new, keep = directory.beside(old), [str(place) for place in cache.named]
        swaps[plan.name] = partial(directory.swap, new, old, prefix=cache.prefix, keep=keep)
        now.append(replace(plan, cache=replace(cache, write=replace(write, ref=new))))
    argv = _argv(now, tool)
    # Bake names the target of a step only if it builds several.
    targets = [bake_file.name_of(plan) for plan in decided] if len(decided) > 1 else []
    progress, patience, log = (
        Progress(targets),
        Patience(tool.limits.cache, tool.limits.push),
        tool.log,
    )
    with log.group(f"warmbuild: {'cache' if phase is Phase.CACHE else 'build'}"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with (
            tool.buildx.started(argv) as running,
            patience.over(running),
            tool.state.guarded(running) as guard,
        ):
            with _called(tool, progress, phase) as show:
                for line in running.lines():
                    show(progress.take(line, time.monotonic()))
                    patience.news(progress.waiting_for(), progress.moves)
            code = running.wait()
    return _Attempt(
        code=code,
        progress=progress,
        waited_for=patience.lost_for,
        unwritten={name: swap() for name, swap in swaps.items()},
        lacking=_lacking(code, progress, guard) if tool.state.size else "",
        lost=tool.lost() if code > 0 and outcomes.is_lost(progress.failure()) else "",
    )


def _lacking(code: int, progress: Progress, guard: Guard) -> str:
    """Return why an attempt failed if memory was too small for the builder's state."""
    errors = [done.error for done in progress.exports() if done.error]
    if guard.ran_short:
        return "memory ran out"
    if code:
        failure = progress.failure()
        return state.ran_out((failure.error, *failure.tail, *errors), was_full=guard.was_full)
    return state.ran_out(errors, was_full=guard.was_full) if errors else ""


def _argv(decided: Sequence[BuildPlan], tool: Tool) -> tuple[str, ...]:
    if not bake_file.is_needed(decided, tool.log.redact):
        return command_line.build(decided[0], tool.files)
    write_text(Path(tool.definition), bake_file.definition(decided, tool.files), mode=0o600)
    return bake_file.argv(decided, tool.files, tool.definition)


def files(private: Private) -> Files:
    """Return where buildx reads and writes in the private directory of a run."""
    return Files(
        metadata=str(private.file("metadata.json")),
        iid=str(private.file("iid")),
        secret=lambda key: str(private.secret(key)),
    )
