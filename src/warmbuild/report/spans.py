"""A run as the spans of a trace: the run, its phases, what BuildKit did in these, and transfers.

Attributes have the names of OpenTelemetry's semantic conventions where there are some
(https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/); the others begin with warmbuild.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warmbuild import refs
from warmbuild.frozen import frozen
from warmbuild.phases import Phase
from warmbuild.record import cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.build.outcomes import Outcome
    from warmbuild.build.timeline import Bar, Part, Timeline
    from warmbuild.run_context import RunContext

    Value = str | bool | int | float | tuple[str, ...]

# Spans of a run; a collector takes 20 MiB of a request, or less.
MOST: Final = 5000
# Characters of what others wrote.
_LONGEST: Final = 200
_SECOND: Final = 1_000_000_000
# What the conventions call the ends of a task, by the class of the error.
_RESULTS: Final = {"": "success", "BuildError": "failure", "Stopped": "cancellation"}


@frozen
class TraceSpan:
    """A span; times are in nanoseconds since 1970."""

    name: str
    parent: int  # number of its parent among the spans; -1 for the run
    begun: int
    ended: int
    attributes: Mapping[str, Value]
    error: str = ""


def spans(done: Outcome, ahead: int) -> Sequence[TraceSpan]:
    """Return the spans of a run, each after its parent, and at most `MOST`: transfers come last.

    `ahead` is by how many nanoseconds the time since 1970 is ahead of `time.monotonic`. The outcome
    is without secrets.
    """
    where = done.timeline

    def at(seconds: float) -> int:
        return round(seconds * _SECOND) + ahead

    found = [
        TraceSpan(
            name="warmbuild build",
            parent=-1,
            begun=at(where.begun),
            ended=at(where.ended),
            attributes=_of_run(done),
            error=cause.shown(done.error, _LONGEST),
        )
    ]
    numbers: dict[Phase, int] = {}
    for phase, (begun, ended) in _times(where).items():
        numbers[phase] = len(found)
        seconds = where.phases.get(phase, 0.0)
        found.append(
            TraceSpan(
                name=phase.value,
                parent=0,
                begun=at(begun),
                ended=at(ended),
                attributes={"warmbuild.phase.seconds": seconds},
            )
        )
    first = len(found)
    found += [
        TraceSpan(
            name=cause.shown(bar.name, _LONGEST),
            parent=numbers[bar.phase],
            begun=at(bar.begun),
            ended=at(bar.ended),
            attributes=dict(_of_bar(bar)),
            error=cause.shown(bar.error, _LONGEST),
        )
        for bar in where.bars
    ]
    # An export and the pushes in it both have the parts of these; the pushes come first.
    places: dict[tuple[int, Part], int] = {}
    for number, bar in enumerate(where.bars, first):
        for part in bar.parts:
            places.setdefault((bar.number, part), number)
    found += [
        TraceSpan(
            name=cause.shown(part.name, _LONGEST),
            parent=number,
            begun=at(part.begun),
            ended=at(part.ended),
            attributes={"warmbuild.transfer.size": part.size} if part.size else {},
        )
        for (_, part), number in places.items()
    ]
    return found[:MOST]


def resource(run: RunContext, version: str) -> Mapping[str, str]:
    """Return what a trace says of its origin: this version of warmbuild, and what it has built."""
    kind = "tag" if run.tag else "branch"
    pull = run.pull_request
    own = {
        "service.name": "warmbuild",
        "service.version": version,
        "vcs.repository.url.full": run.project.url,
        "vcs.ref.head.name": run.tag or run.branch,
        "vcs.ref.head.type": kind if run.tag or run.branch else "",
        "vcs.ref.head.revision": run.commit,
        "vcs.ref.base.name": run.target_branch,
        "vcs.change.id": "" if pull is None else str(pull),
    }
    return {name: value for name, value in own.items() if value}


def _times(where: Timeline) -> Mapping[Phase, tuple[float, float]]:
    """Return from when to when there was each phase; they overlap."""
    times: dict[Phase, tuple[float, float]] = {}
    own = [(one.phase, one.begun, one.ended) for one in where.own]
    for phase, begun, ended in (*own, *((one.phase, one.begun, one.ended) for one in where.bars)):
        first, last = times.get(phase, (begun, ended))
        times[phase] = min(first, begun), max(last, ended)
    return times


def _of_run(done: Outcome) -> Mapping[str, Value]:
    cached = sum(step.cached for step in done.steps)
    found: dict[str, Value] = {
        "cicd.pipeline.task.name": "warmbuild",
        "cicd.pipeline.task.type": "build",
        "cicd.pipeline.task.run.result": _RESULTS.get(done.error_class, "error"),
        "error.type": done.error_class,
        "warmbuild.steps.total": len(done.steps),
        "warmbuild.steps.cached": cached,
        "warmbuild.cache.read": done.cache_read,
        "warmbuild.cache.written": done.cache_written,
        **_of_images(done.targets or (done,)),
    }
    return {name: value for name, value in found.items() if value not in {"", ()}}


def _of_images(images: Sequence[Outcome]) -> Mapping[str, Value]:
    """Return what the images are called; the conventions know one repository."""
    named = [(refs.parse(tag), one.digest) for one in images for tag in one.tags]
    repositories = {ref.repository for ref, _ in named}
    digests = {f"{ref.repository}@{digest}" for ref, digest in named if digest}
    found: dict[str, Value] = {"container.image.repo_digests": tuple(sorted(digests))}
    if len(repositories) == 1:
        found["container.image.name"] = repositories.pop()
        found["container.image.tags"] = tuple(dict.fromkeys(ref.tag for ref, _ in named))
    if len(images) == 1:
        found["container.image.id"] = images[0].image_id
    return found


def _of_bar(bar: Bar) -> Iterator[tuple[str, Value]]:
    if bar.target:
        yield "warmbuild.target", bar.target
    if bar.phase is Phase.STEPS:
        yield "warmbuild.step.cached", bar.cached
        yield "cicd.pipeline.task.run.result", "failure" if bar.error else "success"
    if bar.waited:
        yield "warmbuild.step.waited", bar.waited
    if bar.error:
        yield "error.type", "BuildError"
