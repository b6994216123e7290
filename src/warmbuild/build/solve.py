"""Carries out a planned build: runs it, prints its progress, reads what it did."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import process, untrusted_json
from warmbuild.bake import bake_file
from warmbuild.build import attempts, failures, outcomes
from warmbuild.build.outcomes import CacheOutcome, Outcome
from warmbuild.build.patience import Patience
from warmbuild.buildkit import checks, command_line
from warmbuild.buildkit.command_line import Files
from warmbuild.buildkit.progress import Progress, Step, is_progress
from warmbuild.cache import directory, problems, sharing
from warmbuild.errors import BuildError
from warmbuild.files import read_text
from warmbuild.lint import reading
from warmbuild.plan import calls
from warmbuild.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from warmbuild.build.attempts import AnotherExport
    from warmbuild.builder.environment import Buildx
    from warmbuild.builder.private_directory import Private
    from warmbuild.buildkit.checks import Warned
    from warmbuild.log import Log
    from warmbuild.plan.build_plan import BuildPlan

# How often a build that failed may be tried in another way.
_MOST_RETRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """buildx as it builds here."""

    buildx: Buildx
    files: Files
    """Where buildx reads and writes."""
    definition: str
    """Where the file for bake is written."""
    cache_timeout: float
    """How long a cache is waited for, in seconds."""
    annotates: bool
    """Whether BuildKit's warnings become warnings of the run."""
    restart: Callable[[], None]
    """Starts the builder anew."""


def build(decided: Sequence[BuildPlan], tool: Tool, log: Log) -> Outcome:
    """Build the images, then what of their caches is not written with them.

    Raises BuildError, RegistryError or EngineError with what went wrong.
    """
    finished: list[Outcome] = []
    steps: list[Step] = []
    metadata: dict[str, object] = {}
    built: list[Progress] = []
    for call in _calls(decided, log):
        found, progress, said = _built(call, built, tool, log)
        finished += found
        built.append(progress)
        metadata |= said
        steps += progress.steps(new=True)
    if not decided[0].name:
        return replace(finished[0], image=decided[0])
    names = [one.name for one in decided]
    return outcomes.together(
        sorted(finished, key=lambda one: names.index(one.name)),
        metadata=_shown_metadata(metadata, log),
        steps=tuple(steps),
    )


def _calls(decided: Sequence[BuildPlan], log: Log) -> Iterator[Sequence[BuildPlan]]:
    """Yield what is built in one call, one by one; what others are made of is part of each."""
    wanted = [one for one in decided if not one.linked]
    linked = [one for one in decided if one.linked]
    rounds = sharing.rounds([one.cache for one in wanted])
    for numbers in rounds:
        part = [wanted[number] for number in numbers]
        if len(rounds) > 1:
            names = ", ".join(one.name for one in part)
            log.line(f"targets that share steps are built one after the other: now {names}")
        yield (*part, *linked)


def _built(
    decided: Sequence[BuildPlan], before: Sequence[Progress], tool: Tool, log: Log
) -> tuple[Sequence[Outcome], Progress, Mapping[str, object]]:
    """Build what goes into one call, after others; return finished, steps and buildx's metadata."""
    image = _image(decided, tool, log)
    for earlier in before:
        image.progress.goes_on(earlier)
    metadata = untrusted_json.parsed(read_text(tool.files.metadata) or "{}")
    image_id = (read_text(tool.files.iid) or "").strip()
    caches = _caches(decided, image, tool, log)
    for warning in problems.texts(problem for cache in caches for problem in cache.problems):
        log.warning(warning)
    finished = [
        replace(
            _outcome(one, image, cache),
            digest=untrusted_json.text(of_it, "containerimage.digest"),
            image_id=image_id or untrusted_json.text(of_it, "containerimage.config.digest"),
            metadata=_shown_metadata(of_it, log),
        )
        for one, cache in zip(decided, caches, strict=True)
        for of_it in [bake_file.metadata(metadata, bake_file.name_of(one)) or metadata]
        if not one.linked
    ]
    return finished, image.progress, metadata


def _outcome(decided: BuildPlan, image: _Image, cache: CacheOutcome) -> Outcome:
    """Return what became of one image, but for what buildx says of it."""
    progress = image.progress.of(decided.name)
    built = next(one for one in image.plans if one.name == decided.name)
    return Outcome(
        name=decided.name,
        digest="",
        image_id="",
        metadata="",
        tags=decided.tags,
        steps=progress.steps(),
        cache_read=cache.read,
        cache_written=cache.written,
        cache_age=outcomes.cache_age(built, progress, datetime.now(UTC)),
        seconds=0.0,
        notes=(*decided.notes, *decided.cache.notes),
        warnings=(),
        problems=(*built.cache.problems, *cache.problems),
    )


def ask(decided: BuildPlan, tool: Tool, log: Log) -> Outcome:
    """Ask BuildKit instead of building, print the answer, and fail where it is a refusal.

    Raises BuildError with the answer's headline where a check finds anything.
    """
    progress, said = Progress(), list[str]()
    argv = command_line.build(decided, tool.files)
    with log.group(f"warmbuild: {decided.call}"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with tool.buildx.started(argv) as running:
            for line in running.lines():
                texts = list(progress.feed(line))
                if is_progress(line):
                    for text in texts:
                        log.line(text)
                else:
                    said.append(line)
            code = running.wait()
    # What was asked for is not folded away.
    for text in said:
        log.line(text)
    metadata = untrusted_json.parsed(read_text(tool.files.metadata) or "{}")
    found = checks.answered(untrusted_json.child(metadata, "result.json"))
    _annotate([decided], found or progress.warnings(), tool, log)
    if code:
        headline = next((text for text in said if text.startswith(checks.HEADLINE)), "")
        raise BuildError(headline) if headline else failures.failure_error(progress.failure())
    return outcomes.answer(decided, _shown_metadata(metadata, log))


def _annotate(decided: Sequence[BuildPlan], found: Iterable[Warned], tool: Tool, log: Log) -> None:
    """Have the CI system show BuildKit's warnings, in their lines where these are known."""
    for warned in found if tool.annotates else ():
        files = (reading.named(one, warned) for one in decided)
        file = next(filter(None, files), "")
        where = "" if file or not warned.line else f"{warned.file}:{warned.line}: "
        text = f"{where}{warned.text} {warned.url}".rstrip()
        log.warning(text, file, warned.line if file else 0)


def _shown_metadata(metadata: Mapping[str, object], log: Log) -> str:
    return json.dumps(redact_json(metadata, log.redact), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """Builds that have succeeded: as they were planned in the end, and what is left to do.

    `progress` is that of the first attempt that came as far as to a step. What was given up of the
    caches on the way is among the problems of the plans.
    """

    plans: Sequence[BuildPlan]
    progress: Progress
    last: _Attempt
    export_after: bool


def _image(decided: Sequence[BuildPlan], tool: Tool, log: Log) -> _Image:
    """Build until the images are out, or until there is no other way to try."""
    now, after = tuple(map(calls.image_first, decided)), False
    counted = None
    tried = _attempt(now, tool, log)
    for number in itertools.count(1):
        # What ran, ran in the first attempt that came so far.
        counted = counted or (tried.progress if tried.progress.steps() else None)
        if not tried.code:
            break
        failure = tried.progress.failure()
        again = attempts.another_try(now, failure, number, tried.waited_for)
        if again is None or number > _MOST_RETRIES:
            _annotate(now, tried.progress.warnings(), tool, log)
            raise failures.failure_error(failure)
        # Of what nobody asked for there is nothing to mend.
        (log.line if again.keeps_cache else log.warning)(again.reason)
        if [one.cache.read for one in again.plans] != [one.cache.read for one in now]:
            counted = None
        time.sleep(again.pause)
        if again.restart:
            tool.restart()
        now, after = again.plans, after or again.export_after
        tried = _attempt(now, tool, log)
    _annotate(now, tried.progress.warnings(), tool, log)
    return _Image(
        plans=now,
        progress=counted or tried.progress,
        last=tried,
        export_after=after,
    )


def _caches(
    decided: Sequence[BuildPlan], image: _Image, tool: Tool, log: Log
) -> Sequence[CacheOutcome]:
    """Write the caches that were not written with their images, and what belongs to them."""
    # What was found out about the caches to read holds for the export too.
    wanted = [
        replace(one, attests=built.attests, cache=replace(one.cache, read=built.cache.read))
        for one, built in zip(decided, image.plans, strict=True)
    ]
    given_up = {
        one.name
        for one, built in zip(decided, image.plans, strict=True)
        if attempts.gives_up_export(one, built)
    }
    exporting = [
        one
        for one in wanted
        if one.name not in given_up
        and not one.cache.backend.lies_in_image
        and not one.cache.platforms
    ]
    exports = _exports([one for one in exporting if calls.writes(one)], wanted, image, tool, log)
    finished = []
    for one in wanted:
        if one.name in given_up:
            finished.append(CacheOutcome(read=(), written="", problems=()))
        elif one.cache.backend.lies_in_image:
            finished.append(_stages(one, image, tool, log))
        elif one.cache.platforms:
            finished.append(_platforms(one, image, tool, log))
        else:
            finished.append(_exported(one, image, exports.get(one.name, image.last)))
    return finished


def _exports(
    exporting: Sequence[BuildPlan],
    wanted: Sequence[BuildPlan],
    image: _Image,
    tool: Tool,
    log: Log,
) -> Mapping[str, _Attempt | None]:
    """Return what became of each export that did not come, or not well, with its image.

    None is one that was not needed.
    """
    after = [one for one in exporting if one.cache.after or image.export_after]
    beside = [one for one in exporting if one not in after]
    exports: dict[str, _Attempt | None] = {}
    if after and all(attempts.needs_no_export(one, image.progress.of(one.name)) for one in after):
        log.line("the cache is not written: all of it is there already")
        exports |= {one.name: None for one in after}
    elif after:
        log.line("the image is out; now its cache")
        exports |= dict.fromkeys((one.name for one in after), _export(after, wanted, tool, log))
    missed = [one for one in beside if _another(one, image.last)]
    if missed:
        attempt = _once_more(missed, wanted, image.last, tool, log)
        exports |= dict.fromkeys((one.name for one in missed), attempt)
    return exports


def _exported(wanted: BuildPlan, image: _Image, exported: _Attempt | None) -> CacheOutcome:
    return outcomes.cache_outcome(
        wanted,
        imported=image.progress.of(wanted.name),
        exported=exported.progress.of(wanted.name) if exported else None,
        failed=_why_unwritten(exported, wanted.name) if exported else "",
    )


def _export(
    exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan], tool: Tool, log: Log
) -> _Attempt:
    """Write caches alone; once more where that may help."""
    attempt = _attempt(_alone(exporting, wanted), tool, log)
    if not attempt.waited_for and any(_another(one, attempt) for one in exporting):
        attempt = _once_more(exporting, wanted, attempt, tool, log)
    return attempt


def _once_more(
    exporting: Sequence[BuildPlan],
    wanted: Sequence[BuildPlan],
    failed: _Attempt,
    tool: Tool,
    log: Log,
) -> _Attempt:
    """Write caches alone, where an attempt failed for a reason that may pass."""
    again = next(filter(None, (_another(one, failed) for one in exporting)))
    log.line(again.reason)
    time.sleep(again.pause)
    return _attempt(_alone(exporting, wanted), tool, log)


def _another(wanted: BuildPlan, failed: _Attempt) -> AnotherExport | None:
    return attempts.another_export(wanted, failed.progress.of(wanted.name))


def _alone(exporting: Sequence[BuildPlan], wanted: Sequence[BuildPlan]) -> Sequence[BuildPlan]:
    """Return the call that writes some caches; what they are made of is part of it."""
    names = {one.name for one in exporting}
    return tuple(calls.export_alone(one, wanted=one.name in names) for one in wanted)


def _platforms(wanted: BuildPlan, image: _Image, tool: Tool, log: Log) -> CacheOutcome:
    """Write the cache of each platform on the node that has it; none fails the build."""
    log.line("the image is out; now the cache of each platform, which a node of its own has")
    return outcomes.several_outcomes(
        [
            _exported(one, image, _export([one], [one], tool, log))
            for one in calls.by_platform(wanted)
        ]
    )


def _stages(wanted: BuildPlan, image: _Image, tool: Tool, log: Log) -> CacheOutcome:
    """Push the stages that an inline cache keeps beside its image; none fails the build."""
    write = wanted.cache.write
    written, failed = [str(write.ref)] if write else [], []
    for stage in calls.stages(wanted) if write else ():
        attempt = _attempt((stage,), tool, log)
        ref = stage.cache.write.ref if stage.cache.write else ""
        if attempt.code:
            failed.append(f"no cache is written to {ref}: {attempt.progress.failure().error}")
        else:
            written.append(str(ref))
    return outcomes.inline_outcome(wanted, imported=image.progress, written=written, failed=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One run of buildx; `waited_for` is the part of the cache that it was given up for.

    `unwritten` is why a target's cache that was exported is not where it should be.
    """

    code: int
    progress: Progress
    waited_for: str = ""
    unwritten: Mapping[str, str] = field(default_factory=dict)


def _attempt(decided: Sequence[BuildPlan], tool: Tool, log: Log) -> _Attempt:
    """Run one call of buildx, print its progress; return its exit code and what happened."""
    unfinished = {one.name: directory.beside(place) for one in decided if (place := _local(one))}
    argv = _argv([_writing_to(one, unfinished.get(one.name, "")) for one in decided], tool)
    # Bake says of which target something is where there are several.
    targets = [bake_file.name_of(one) for one in decided] if len(decided) > 1 else []
    progress, patience = Progress(targets), Patience(tool.cache_timeout)
    with log.group("warmbuild: build"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with tool.buildx.started(argv) as running, patience.over(running):
            for line in running.lines():
                for text in progress.feed(line):
                    log.line(text)
                patience.news(progress.waiting_for(), progress.moves)
            code = running.wait()
    unwritten = {
        one.name: _swap(one, unfinished[one.name]) for one in decided if one.name in unfinished
    }
    return _Attempt(code=code, progress=progress, waited_for=patience.lost_for, unwritten=unwritten)


def _local(decided: BuildPlan) -> str:
    """Return the directory that a build's cache is to be written to, if it is to one."""
    cache = decided.cache
    return str(cache.write.ref) if cache.write and cache.backend.is_directory else ""


def _swap(decided: BuildPlan, unfinished: str) -> str:
    """Put a cache that was written in place of the one before; return why that failed."""
    cache = decided.cache
    keep = [str(place) for place in cache.named]
    return directory.swap(unfinished, _local(decided), prefix=cache.prefix, keep=keep)


def _why_unwritten(exported: _Attempt, name: str) -> str:
    if exported.code:
        return exported.progress.failure().error
    return exported.unwritten.get(name, "")


def _argv(decided: Sequence[BuildPlan], tool: Tool) -> tuple[str, ...]:
    if not bake_file.is_needed(decided):
        return command_line.build(decided[0], tool.files)
    Path(tool.definition).write_text(bake_file.definition(decided, tool.files), encoding="utf-8")
    return bake_file.argv(decided, tool.files, tool.definition)


def _writing_to(decided: BuildPlan, place: str) -> BuildPlan:
    write = decided.cache.write
    if not place or write is None:
        return decided
    return replace(decided, cache=replace(decided.cache, write=replace(write, ref=place)))


def files(private: Private) -> Files:
    """Return where buildx reads and writes in the private directory of a run."""
    return Files(
        metadata=str(private.file("metadata.json")),
        iid=str(private.file("iid")),
        secret=lambda key: str(private.secret(key)),
    )
