"""Made-up outcomes, as a report shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Bar, Part, Timeline
from warmbuild.buildkit.progress import Step
from warmbuild.phases import Phase, Span
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.earlier import Change, Comparison, Pair
from warmbuild.record.explanation import Source
from warmbuild.record.miss import Miss
from warmbuild.record.record import Ran

CACHE: Final = "ghcr.io/me/app:cache-main"
_MADE: Final = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
# What others may write: tags and scripts, texts that are very long or run from right to left,
# characters that turn the order of others, and those that a terminal obeys.
HOSTILE: Final = (
    "RUN echo </script><img src=x onerror=alert(1)>",
    "RUN echo '\"><svg onload=alert(1)> {{ 7 * 7 }} {% raw %} ${alert(1)}",
    f"RUN {'x' * 5_000}",
    "RUN echo שלום עולם مرحبا",
    "RUN echo \u202egpj.exe\u202c \u2028 \u2029 \x00\x07\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "RUN echo 🦊🚀 \udc80",
    "RUN <!-- --><!--<script> ]]> &lt;b&gt; &amp;",
)


def step(at: int, instruction: str, *, cached: bool = False, seconds: float = 1.0) -> Step:
    return Step(
        prefix="build",
        position=f"{at}/9",
        instruction=instruction,
        cached=cached,
        seconds=0.0 if cached else seconds,
        error="",
        line=at,
        origin=CACHE if cached else "",
        usual=seconds if cached else 0.0,
    )


def bar(number: int, of: Step, begun: float, *needs: int) -> Bar:
    return Bar(
        number=number,
        phase=Phase.STEPS,
        name=of.title,
        prefix=of.prefix,
        position=of.position,
        instruction=of.instruction,
        begun=begun,
        ended=begun + (of.seconds or 0.0),
        cached=of.cached,
        error=of.error,
        tail=() if of.cached else (f"last line of {of.position}",),
        needs=needs,
    )


def usual() -> Outcome:
    """Return an outcome with something in each part of a report; it lasts 12 seconds."""
    steps = (
        step(2, "WORKDIR /srv", cached=True, seconds=0.0),
        step(3, "RUN apt-get install curl", cached=True, seconds=5.5),
        step(4, "COPY . ."),
        step(5, "RUN make", seconds=3.0),
    )
    context = Bar(
        number=1,
        phase=Phase.CONTEXT,
        name="[internal] load build context",
        begun=2.0,
        ended=2.5,
        parts=(Part(name="transferring context:", begun=2.0, ended=2.5, size=2_500_000),),
    )
    layers = replace(
        bar(3, steps[1], 3.0, 2),
        phase=Phase.PULL,
        cached=False,
        ended=4.5,
        parts=(
            Part(name="sha256:abc", begun=3.0, ended=4.0, size=57_200_000),
            Part(name="extracting sha256:abc", begun=4.0, ended=4.5, size=0),
        ),
    )
    push = Part(name="pushing manifest for ghcr.io/me/app:b@sha256:1", begun=9.0, ended=10, size=0)
    image = Bar(
        number=6,
        phase=Phase.EXPORT,
        name="exporting to image",
        begun=8.5,
        ended=10.0,
        needs=(5,),
    )
    pushed = replace(image, phase=Phase.PUSH, begun=9.0, parts=(push,))
    bars = (
        context,
        bar(2, steps[0], 3.0),
        bar(3, steps[1], 3.0, 2),
        layers,
        replace(bar(4, steps[2], 4.5, 3, 1), waited=1.5),
        bar(5, steps[3], 5.5, 4),
        image,
        pushed,
    )
    files = Cause(kind=Kind.FILE_CHANGED, text="src/app.py changed", names=("src/app.py",))
    was = Ran(cached=False, seconds=5.5)
    return Outcome(
        ending="pushed",
        metadata="{}",
        digest=f"sha256:{'0a' * 32}",
        tags=("ghcr.io/me/app:b",),
        steps=steps,
        cache_read=(CACHE,),
        cache_written="ghcr.io/me/app:cache-b",
        misses=(Miss(stage="build", line=4, step="COPY . .", causes=(files,), seconds=4.0),),
        earlier=Comparison(
            source=Source(ref=CACHE, branch="main", commit="0a1b2c3d", made=_MADE),
            pairs=(
                pair("WORKDIR /srv", Change.SAME, then=Ran(cached=True)),
                pair("RUN apt-get install curl", Change.SAME, then=was),
                pair("COPY . .", Change.CHANGED, "files", then=Ran(cached=False, seconds=0.5)),
                pair("RUN make", Change.NEW),
                pair("RUN make all", Change.REMOVED, then=Ran(cached=False, seconds=9.0)),
            ),
        ),
        seconds=12.0,
        notes=("a note",),
        warnings=("Dockerfile:4: a warning",),
        timeline=Timeline(
            begun=0.0,
            ended=12.0,
            bars=bars,
            own=(
                Span(phase=Phase.START, begun=0.0, ended=0.5),
                Span(phase=Phase.BOOT, begun=0.5, ended=2.0),
                Span(phase=Phase.BUILDX, begun=2.0, ended=10.0),
                Span(phase=Phase.REMOVAL, begun=10.0, ended=12.0),
            ),
            phases={
                Phase.START: 0.5,
                Phase.BOOT: 1.5,
                Phase.CONTEXT: 0.5,
                Phase.PULL: 1.5,
                Phase.STEPS: 4.0,
                Phase.EXPORT: 0.5,
                Phase.PUSH: 1.0,
                Phase.BUILDX: 0.5,
                Phase.REMOVAL: 2.0,
            },
        ),
    )


def pair(title: str, change: Change, *parts: str, then: Ran | None = None) -> Pair:
    now = None if change is Change.REMOVED else Ran(cached=False, seconds=3.0)
    return Pair(
        stage="build",
        line=1,
        title=title,
        change=change,
        parts=parts,
        now=replace(then, cached=True) if change is Change.SAME and then else now,
        then=then,
    )


def many(count: int) -> Outcome:
    """Return an outcome with so many steps of 50 stages, each with a long command and lines."""
    steps, bars = [], []
    for number in range(1, count + 1):
        command = f"RUN {number} {'make && ' * 60}true"
        of = replace(step(number, command, cached=number % 3 == 0), prefix=f"stage-{number % 50}")
        lines = tuple(f"{line} {'of a log that is long ' * 20}" for line in range(12))
        steps.append(of)
        bars.append(replace(bar(number, of, number / 10, number - 1), tail=lines))
    ended = count / 10 + 1
    return Outcome(
        ending="built",
        metadata="{}",
        notes=(),
        steps=tuple(steps),
        seconds=ended,
        timeline=Timeline(begun=0.0, ended=ended, bars=tuple(bars), phases={Phase.STEPS: ended}),
    )


def hostile() -> Outcome:
    """Return an outcome of which every text that others write is hostile."""
    whole = " ".join(HOSTILE)
    steps = tuple(
        replace(step(at, text), prefix=f"linux/amd64 {text[:20]}")
        for at, text in enumerate(HOSTILE, 1)
    )
    bars = tuple(
        replace(
            bar(at, of, float(at), at - 1),
            target=HOSTILE[0],
            tail=HOSTILE,
            error=whole if at == len(steps) else "",
            parts=tuple(Part(name=text, begun=0.0, ended=1.0, size=1) for text in HOSTILE),
        )
        for at, of in enumerate(steps, 1)
    )
    causes = (Cause(kind=Kind.FILE_CHANGED, text=whole, names=HOSTILE),)
    pairs = tuple(pair(text, Change.NEW) for text in HOSTILE)
    return Outcome(
        name=HOSTILE[0],
        ending="pushed",
        metadata="{}",
        digest=HOSTILE[0],
        tags=HOSTILE,
        notes=HOSTILE,
        warnings=HOSTILE,
        error=whole,
        steps=steps,
        cache_read=HOSTILE,
        cache_written=whole,
        misses=(Miss(stage="", line=1, step=whole, causes=causes),),
        earlier=Comparison(
            source=Source(ref=whole, branch=whole, commit=whole, made=_MADE), pairs=pairs
        ),
        timeline=Timeline(begun=0.0, ended=20.0, bars=bars, phases={Phase.STEPS: 20.0}),
    )


def beside(*pairs: Pair) -> Outcome:
    """Return an outcome beside a build with these steps."""
    source = Source(ref=CACHE, branch="main", commit="0a1b2c3d", made=_MADE)
    return Outcome(metadata="{}", notes=(), earlier=Comparison(source=source, pairs=pairs))


# By title: outcomes with all that a report may have.
UNUSUAL: Final = {
    "something in each part": usual(),
    "a run that was stopped": Outcome(
        metadata="{}", notes=(), error="stopped by SIGTERM", is_stopped=True
    ),
    "no step that differs": beside(pair("RUN a", Change.SAME, then=Ran(cached=True))),
    "steps that all differ": beside(*(pair(f"RUN {at}", Change.NEW) for at in range(202))),
    "one step that does not": beside(
        pair("RUN a", Change.SAME, then=Ran(cached=True)), pair("RUN b", Change.NEW)
    ),
}
