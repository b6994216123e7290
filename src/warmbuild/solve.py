"""Carries out a planned build: runs it, prints its progress, reads and publishes what it did.

Loaded while the builder boots.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import (
    attempts,
    bake,
    buildx,
    cachedir,
    checks,
    loose,
    plan,
    process,
    report,
    sources,
)
from warmbuild.errors import BuildError, EngineError
from warmbuild.progress import Progress, is_progress
from warmbuild.redaction import redact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from warmbuild.checks import Warned
    from warmbuild.credentials import Private
    from warmbuild.inputs import Inputs
    from warmbuild.log import Log
    from warmbuild.plan import BuildPlan

_SUMMARY: Final = "warmbuild-summary.md"
# How often a build that failed may be tried in another way.
_MOST_RETRIES: Final = 3
# How long BuildKit may take to read the caches, in seconds: a few small answers each.
_IMPORT_TIMEOUT: Final = 30.0
# How often it is looked whether there is news, in seconds.
_GLANCE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """buildx as this run uses it."""

    program: str
    env: Mapping[str, str]
    files: buildx.Files
    definition: str
    cache_timeout: float
    annotates: bool
    restart: Callable[[], None]


def say_plan(decided: BuildPlan, log: Log) -> None:
    """Write what was decided, with reasons, and what is lost already."""
    with log.group("warmbuild: plan"):
        for line in report.plan_text(decided).splitlines():
            log.line(line)
    for warning in decided.cache.warnings:
        log.warning(warning)
    for found in decided.findings:
        log.warning(report.finding(found), found.file, found.line)


def build(decided: BuildPlan, tool: Tool, log: Log) -> report.Outcome:
    """Build the image, then what of its cache is not written with it.

    Raises BuildError, RegistryError or EngineError with what went wrong.
    """
    image = _image(decided, tool, log)
    metadata = bake.metadata(json.loads(_read(tool.files.metadata) or "{}"))
    image_id = _read(tool.files.iid) or str(metadata.get("containerimage.config.digest", ""))
    cache = _cache(decided, image, tool, log)
    for warning in cache.warnings:
        log.warning(warning)
    return report.Outcome(
        digest=str(metadata.get("containerimage.digest", "")),
        image_id=image_id,
        metadata=_shown_metadata(metadata, log),
        tags=decided.tags,
        steps=image.progress.steps(),
        cache_read=cache.read,
        cache_written=cache.written,
        cache_error=cache.error or decided.cache.write_error,
        cache_age=report.cache_age(image.plan, image.progress, datetime.now(UTC)),
        seconds=0.0,
        notes=(*decided.notes, *decided.cache.notes),
        warnings=(),
        lost=(*decided.cache.lost, *image.lost, *cache.warnings),
    )


def ask(decided: BuildPlan, tool: Tool, log: Log) -> report.Outcome:
    """Ask BuildKit instead of building, print the answer, and fail where it is a refusal.

    Raises BuildError with the answer's headline where a check finds anything.
    """
    progress, said = Progress(), list[str]()
    argv = buildx.build(decided, tool.files)
    with log.group(f"warmbuild: {decided.call}"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with process.started([tool.program, *argv], tool.env) as running:
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
    metadata = loose.parsed(_read(tool.files.metadata) or "{}")
    found = checks.answered(loose.child(metadata, "result.json"))
    _annotate(decided, found or progress.warnings(), tool, log)
    if code:
        headline = next((text for text in said if text.startswith(checks.HEADLINE)), "")
        raise BuildError(headline) if headline else report.failure_error(progress.failure())
    return report.answer(decided, _shown_metadata(metadata, log))


def _annotate(decided: BuildPlan, found: Iterable[Warned], tool: Tool, log: Log) -> None:
    """Have the CI system show BuildKit's warnings, in their lines where these are known."""
    for warned in found if tool.annotates else ():
        file = sources.named(decided, warned)
        where = "" if file or not warned.line else f"{warned.file}:{warned.line}: "
        text = f"{where}{warned.text} {warned.url}".rstrip()
        log.warning(text, file, warned.line if file else 0)


def _shown_metadata(metadata: Mapping[str, object], log: Log) -> str:
    return json.dumps(redact_json(metadata, log.redact), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """A build that has succeeded: as it was planned in the end, and what is left to do.

    `progress` is that of the first attempt that came as far as to a step, `lost` what of the
    cache was given up on the way.
    """

    plan: BuildPlan
    progress: Progress
    last: _Attempt
    export_after: bool
    lost: tuple[str, ...]


def _image(decided: BuildPlan, tool: Tool, log: Log) -> _Image:
    """Build until the image is out, or until there is no other way to try."""
    after = decided.cache.after
    now = plan.image_alone(decided) if after else decided
    counted, lost = None, []
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
            raise report.failure_error(failure)
        log.warning(again.reason)
        lost += [] if again.export_after or again.keeps_cache else [again.reason]
        if again.plan.cache.read != now.cache.read:
            counted = None
        time.sleep(again.pause)
        if again.restart:
            tool.restart()
        now, after = again.plan, after or again.export_after
        tried = _attempt(now, tool, log)
    _annotate(now, tried.progress.warnings(), tool, log)
    return _Image(
        plan=now,
        progress=counted or tried.progress,
        last=tried,
        export_after=after,
        lost=tuple(lost),
    )


def _cache(decided: BuildPlan, image: _Image, tool: Tool, log: Log) -> report.CacheOutcome:
    """Write the cache that was not written with the image, and what belongs to it."""
    # What was found out about the caches to read holds for the export too.
    wanted = replace(
        decided,
        attests=image.plan.attests,
        cache=replace(decided.cache, read=image.plan.cache.read),
    )
    given_up = image.plan.cache.write_error
    if given_up != decided.cache.write_error:
        return report.CacheOutcome(read=(), written="", error=given_up, warnings=())
    if wanted.cache.backend.name == "inline":
        return _stages(wanted, image, tool, log)
    exported: _Attempt | None = image.last
    if image.export_after:
        exported = None
        if attempts.needs_no_export(wanted, image.progress):
            log.line("the cache is not written: all of it is there already")
        elif wanted.cache.write or wanted.cache.destinations:
            log.line("the image is out; now its cache")
            exported = _export(wanted, tool, log)
    elif again := attempts.another_export(wanted, image.last.progress):
        log.line(again.reason)
        time.sleep(again.pause)
        exported = _attempt(plan.cache_alone(wanted), tool, log)
    return report.cache_outcome(
        wanted,
        imported=image.progress,
        exported=exported.progress if exported else None,
        failed=_why_unwritten(exported) if exported else "",
    )


def _export(wanted: BuildPlan, tool: Tool, log: Log) -> _Attempt:
    """Write the cache alone; once more where that may help."""
    alone = plan.cache_alone(wanted)
    attempt = _attempt(alone, tool, log)
    again = attempts.another_export(wanted, attempt.progress)
    if again and not attempt.waited_for:
        log.line(again.reason)
        time.sleep(again.pause)
        attempt = _attempt(alone, tool, log)
    return attempt


def _stages(wanted: BuildPlan, image: _Image, tool: Tool, log: Log) -> report.CacheOutcome:
    """Push the stages that an inline cache keeps beside its image; none fails the build."""
    write = wanted.cache.write
    written, failed = [str(write.ref)] if write else [], []
    for stage in plan.stages(wanted) if write else ():
        attempt = _attempt(stage, tool, log)
        ref = stage.cache.write.ref if stage.cache.write else ""
        if attempt.code:
            failed.append(f"no cache is written to {ref}: {attempt.progress.failure().error}")
        else:
            written.append(str(ref))
    return report.inline_outcome(wanted, imported=image.progress, written=written, failed=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """One run of buildx; `waited_for` is the part of the cache that it was given up for.

    `unwritten` is why a cache that was exported is not where it should be.
    """

    code: int
    progress: Progress
    waited_for: str = ""
    unwritten: str = ""


def _attempt(decided: BuildPlan, tool: Tool, log: Log) -> _Attempt:
    """Run one build, print its progress; return its exit code and what happened."""
    place = decided.cache.write.ref if decided.cache.write else ""
    unfinished = unwritten = ""
    if decided.cache.backend.name == "local" and place:
        unfinished = cachedir.beside(str(place))
        decided = _writing_to(decided, unfinished)
    argv = _argv(decided, tool)
    progress, patience = Progress(), _Patience(tool.cache_timeout)
    with log.group("warmbuild: build"):
        log.line(f"+ docker buildx {process.shown(argv, log.redact)}")
        with process.started([tool.program, *argv], tool.env) as running, patience.over(running):
            for line in running.lines():
                for text in progress.feed(line):
                    log.line(text)
                patience.news(progress.waiting_for(), progress.moves)
            code = running.wait()
    if unfinished:
        keep = [str(place) for place in decided.cache.named]
        unwritten = cachedir.swap(unfinished, str(place), prefix=decided.cache.prefix, keep=keep)
    return _Attempt(code=code, progress=progress, waited_for=patience.lost_for, unwritten=unwritten)


def _why_unwritten(exported: _Attempt) -> str:
    return exported.progress.failure().error if exported.code else exported.unwritten


def _argv(decided: BuildPlan, tool: Tool) -> tuple[str, ...]:
    if not bake.is_needed(decided):
        return buildx.build(decided, tool.files)
    Path(tool.definition).write_text(bake.definition(decided, tool.files), encoding="utf-8")
    return bake.argv(decided, tool.files, tool.definition)


def _writing_to(decided: BuildPlan, place: str) -> BuildPlan:
    write = decided.cache.write
    new = replace(write, ref=place) if write else None
    return replace(decided, cache=replace(decided.cache, write=new))


class _Patience:
    """Ends a build that waits for a cache alone, and has for too long."""

    def __init__(self, timeout: float) -> None:
        """Give an export this many seconds without news, and an import no more than it needs."""
        self.lost_for = ""
        to_import = min(timeout, _IMPORT_TIMEOUT)
        self._limits = {"import": to_import, "layers": to_import, "export": timeout}
        self._waiting_for, self._moves, self._since = "", 0, time.monotonic()

    def news(self, waiting_for: str, moves: int) -> None:
        """Take note of what is waited for, as of now; an import's time runs from its begin."""
        is_on = waiting_for == self._waiting_for
        if not is_on or (waiting_for != "import" and moves != self._moves):
            self._since = time.monotonic()
        self._waiting_for, self._moves = waiting_for, moves

    @contextmanager
    def over(self, running: process.Running) -> Iterator[None]:
        """Watch a command while the block runs."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_GLANCE):
                limit = self._limits.get(self._waiting_for)
                if limit is not None and time.monotonic() - self._since > limit:
                    self.lost_for = self._waiting_for
                    running.end()
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def files(private: Private) -> buildx.Files:
    """Return where buildx reads and writes in the private directory of a run."""
    return buildx.Files(
        metadata=str(private.file("metadata.json")),
        iid=str(private.file("iid")),
        secret=lambda key: str(private.secret(key)),
    )


def _read(path: str) -> str:
    """Return a file's text; buildx leaves one out where it has nothing to say."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def publish(inputs: Inputs, env: Mapping[str, str], log: Log, outcome: report.Outcome) -> None:
    """Hand outputs and summary to the log, the CI system and the files that were asked for.

    Raises EngineError where such a file cannot be written.
    """
    values, summary = report.outputs(outcome), log.redact(report.summary(outcome))
    with log.group("warmbuild: result"):
        for line in report.outcome_text(outcome).splitlines():
            log.line(line)
    log.provider.publish(env, values, summary)
    if inputs.output_file:
        _write(Path(inputs.output_file), json.dumps(values, indent=2) + "\n")
    summary_file = inputs.summary_file
    if summary_file or not env.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary_file or Path(tempfile.gettempdir(), _SUMMARY)), summary)


def publish_findings(decided: BuildPlan, env: Mapping[str, str], log: Log) -> None:
    """Hand what the lints found to the CI system, also where the build failed."""
    findings = [replace(found, text=log.redact(found.text)) for found in decided.findings]
    log.provider.publish_findings(env, findings)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for another run may write it too."""
    try:
        whole = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; the image is built all the same"
        raise EngineError(message) from error
