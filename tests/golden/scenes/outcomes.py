"""How runs end: what the log says last, and the summary in Markdown."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.golden.made_up import digest
from tests.golden.scene import Scene, Subject
from warmbuild.build import outcomes, timeline
from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Call
from warmbuild.buildkit.progress import Progress
from warmbuild.cache.kept_mounts import Carriage
from warmbuild.commands import draft
from warmbuild.commands.draft import Draft
from warmbuild.errors import RegistryError, Stopped
from warmbuild.finding import Finding
from warmbuild.phases import Phase, Span
from warmbuild.project.cache_mount import CacheMount
from warmbuild.record.cause import Cause, Kind
from warmbuild.record.miss import Miss, Saving
from warmbuild.report import markdown, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.errors import WarmbuildError

    Message = dict[str, Any]

_EPOCH: Final = datetime(2026, 11, 21, 5, tzinfo=UTC)
_IMAGE: Final = "ghcr.io/octo/shop:feature"
_OWN: Final = "ghcr.io/octo/shop:cache-feature"
_MAIN: Final = "ghcr.io/octo/shop:cache-main"
_BASE: Final = "docker.io/library/node:22"
_FROM: Final = f"FROM {_BASE}@{digest('node')}"
_INPUTS: Final = {"image": "ghcr.io/octo/shop", "build-args": "VERSION=2\nMODE=fast", "secrets": ""}
_LAYERS: Final = tuple(digest(f"layer {number}") for number in range(5))


def vertex(
    name: str,
    begun: float,
    ended: float | None,
    *,
    needs: Sequence[str] = (),
    parts: Sequence[Message] = (),
    log: str = "",
    **more: object,
) -> Message:
    """Return what BuildKit says of a vertex that did something from one second to another."""
    item = {"digest": digest(name), "name": name, "inputs": list(map(digest, needs)), **more}
    item |= {"started": _time(begun)} | ({} if ended is None else {"completed": _time(ended)})
    message: Message = {"vertexes": [item]}
    message["statuses"] = [{"vertex": item["digest"], **part} for part in parts]
    if log:
        data = base64.b64encode(log.encode()).decode()
        message["logs"] = [{"vertex": item["digest"], "data": data, "timestamp": _time(begun)}]
    return message


def part(name: str, begun: float, ended: float, size: int = 0) -> Message:
    """Return what BuildKit says of a part of a vertex."""
    times = {"started": _time(begun), "completed": _time(ended), "timestamp": _time(ended)}
    return {"id": name, "current": size, "total": size, **times}


def _time(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def call(
    ended: float,
    *messages: Message,
    begun: float = 2.0,
    text: Sequence[str] = (),
    phase: Phase = Phase.BUILDX,
    targets: Sequence[str] = (),
) -> Call:
    """Return a call of buildx that said this."""
    progress = Progress(targets)
    for message in messages:
        progress.take(json.dumps(message), ended)
    for line in text:
        progress.take(line)
    # The daemon's clock began with ours.
    progress.ahead = -_EPOCH.timestamp()
    return Call(progress=progress, begun=begun, ended=ended, phase=phase)


def shown(done: Outcome, *calls: Call, given: Mapping[str, str] = _INPUTS) -> str:
    """Return what is said of an outcome after calls."""
    done = summed(done, *calls)
    summary = markdown.summary(done, given)
    return f"{plain_text.outcome_text(done) or '(nothing)'}\n\n{summary}"


def summed(done: Outcome, *calls: Call) -> Outcome:
    """Return an outcome with where its time went, and the time of a run around calls."""
    ended = calls[-1].ended if calls else 2.0
    marks = [(Phase.START, 0.0), (Phase.BOOT, 0.6), (Phase.BUILDX, 2.0), (Phase.REPORT, ended)]
    marks += [(Phase.REMOVAL, ended + 0.3)]
    ends = [*(at for _, at in marks[1:]), ended + 0.9]
    own = [Span(phase=one, begun=at, ended=end) for (one, at), end in zip(marks, ends, strict=True)]
    where = timeline.timeline(calls, own)
    return replace(done, timeline=where, seconds=where.ended - where.begun)


def _told(
    of: Progress, lines: Sequence[int], origin: str = "", usual: float = 0.0
) -> tuple[Any, ...]:
    """Return the steps of a build with what records tell of them."""
    return tuple(
        replace(step, line=line, origin=origin * step.cached, usual=usual * step.cached)
        for step, line in zip(of.steps(), lines, strict=True)
    )


_IMPORT: Final = vertex(f"importing cache manifest from {_MAIN}", 2.3, 2.5)
_CONTEXT: Final = (
    vertex("[internal] load build definition from Dockerfile", 2.0, 2.1),
    vertex(f"[internal] load metadata for {_BASE}", 2.1, 2.4),
    vertex("[internal] load build context", 2.4, 2.5, parts=[part("transferring", 2.4, 2.5, 9000)]),
)
_STEPS: Final = ("WORKDIR /srv", "COPY package*.json .", "RUN npm ci", "COPY . .", "RUN make")


def _build(
    *ran: tuple[float, float], pulls: float = 0.0, steps: Sequence[str] = _STEPS
) -> Iterator[Message]:
    """Yield a build whose last steps ran at these times, after layers were pulled if so told."""
    below = f"[1/6] {_FROM}"
    cached = len(steps) - len(ran)
    layers = [part(_LAYERS[4], 2.5, 3.4, 1_100_000), part(f"extracting {_LAYERS[4]}", 3.4, 3.8)]
    yield vertex(below, 2.4, 2.5 if cached else 3.8, parts=() if cached else layers)
    for number, instruction in enumerate(steps):
        name = f"[{number + 2}/6] {instruction}"
        if number < cached:
            is_last = number == cached - 1 and pulls
            parts = (
                part(_LAYERS[0], 2.6, 2.6 + pulls / 2, 41_200_000),
                part(f"extracting {_LAYERS[0]}", 2.6 + pulls / 2, 2.6 + pulls),
            )
            yield vertex(name, 2.5, 2.5, needs=[below], cached=True, parts=parts if is_last else ())
        else:
            yield vertex(name, *ran[number - cached], needs=[below])
        below = name


def _push(begun: float, ended: float) -> Message:
    return vertex(
        "exporting to image",
        begun,
        ended,
        parts=[
            part("exporting layers", begun, begun + 0.4),
            part("pushing layers", begun + 0.4, ended - 0.2),
            part(f"pushing manifest for {_IMAGE}@{digest('image')}", ended - 0.2, ended),
        ],
    )


def _export(begun: float, ended: float, of: str = "") -> Message:
    parts = [part(f"writing layer {one}", begun, ended - 0.1) for one in _LAYERS]
    return vertex(f"{of}exporting cache to registry", begun, ended, parts=parts)


def _pushed(steps: tuple[Any, ...], **more: Any) -> Outcome:  # noqa: ANN401 (fields of an outcome)
    known: dict[str, Any] = {
        "ending": "pushed",
        "digest": digest("image"),
        "image_id": digest("config"),
        "metadata": "{}",
        "tags": (_IMAGE,),
        "images": {_BASE: digest("node")},
        "notes": ("tagged by the branch",),
    }
    return Outcome(**(known | {"steps": steps} | more))


_MOUNTS: Final = (
    Carriage(mount=CacheMount(identity="/root/.npm"), restored=98_000_000, saved=655_000),
    Carriage(mount=CacheMount(identity="make"), saved=20_000_000),
)
_MISS: Final = Miss(
    stage="",
    line=5,
    step="COPY . .",
    causes=(Cause(kind=Kind.FILE_CHANGED, text="src/cart_view.js changed", names=()),),
    seconds=9.1,
)
_CARELESS: Final = Miss(
    stage="",
    line=5,
    step="COPY . .",
    causes=(Cause(kind=Kind.FILE_CHANGED, text="README.md and docs/a_b.md changed", names=()),),
    seconds=9.1,
    saving=Saving(
        text="add README.md and docs to .dockerignore, because the image does not need them",
        seconds=9.1,
    ),
)
_FINDINGS: Final = tuple(
    Finding(rule=rule, severity="minor", file="Dockerfile", line=line, text=text, about="")
    for rule, line, text in (
        (
            "early-copy",
            3,
            (
                "COPY . . is above npm ci (line 4), so every change of a file installs again: copy "
                "package.json and its lock file first"
            ),
        ),
        ("cache-mount", 4, "npm ci downloads again: add --mount=type=cache,target=/npm"),
    )
)


def _warm() -> str:
    of = call(3.0, *_CONTEXT, _IMPORT, *_build(), _push(2.6, 3.0))
    steps = _told(of.progress, range(2, 7), _MAIN, usual=6.2)
    read = {"cache_read": (f"{_MAIN}@{digest('main')}",), "cache_age": timedelta(hours=5)}
    return shown(_pushed(steps, **read), of)


_ALL: Final = ((3.9, 4.0), (4.0, 4.2), (4.2, 14.7), (14.7, 15.0), (15.0, 25.3))


def _cold() -> str:
    of = call(28.0, *_CONTEXT, *_build(*_ALL), _push(25.3, 28.0))
    after = call(31.0, _export(28.2, 30.9), begun=28.1, phase=Phase.CACHE)
    steps = _told(of.progress, range(2, 7))
    notes = ("tagged by the branch", f"{_OWN} does not exist yet", f"{_MAIN} does not exist yet")
    return shown(_pushed(steps, cache_written=_OWN, notes=notes), of, after)


def _edit(*misses: Miss, **more: object) -> str:
    of = call(
        16.0, *_CONTEXT, _IMPORT, *_build((5.7, 5.9), (5.9, 14.8), pulls=3.1), _push(14.8, 16.0)
    )
    after = call(17.4, _export(16.2, 17.3), begun=16.1, phase=Phase.CACHE)
    steps = _told(of.progress, range(2, 7), _MAIN, usual=5.3)
    known: dict[str, Any] = {
        "cache_read": (f"{_OWN}@{digest('own')}", f"{_MAIN}@{digest('main')}"),
        "cache_age": timedelta(days=2),
        "cache_written": _OWN,
        "misses": misses,
    }
    return shown(_pushed(steps, **(known | more)), of, after)


def _failed(
    *messages: Message, text: Sequence[str] = (), error: WarmbuildError | None = None
) -> str:
    of = call(9.0, *_CONTEXT, _IMPORT, *messages, text=text)
    error = error or outcomes.failure_error(of.progress.failure())
    done = draft.failed(Draft(calls=[of]), error)
    return shown(replace(done, steps=of.progress.steps()), of)


def _failed_step() -> str:
    log = (
        "> shop@2.0.0 test\n\x1b[31mFAIL\x1b[0m src/cart_view.test.js\n"
        "  ● adds `socks`\n    expected 2, got 3\n```\nTests: 1 failed, 41 passed\n"
    )
    return _failed(
        *_build((2.7, 2.9), steps=_STEPS[:-1]),
        vertex(
            "[6/6] RUN make",
            2.9,
            8.8,
            needs=["[5/6] COPY . ."],
            log=log,
            error='process "/bin/sh -c make" did not complete successfully: exit code: 2',
        ),
        text=[
            "Dockerfile:6",
            "--------------------",
            "ERROR: failed to build: failed to solve: exit code: 2",
        ],
    )


def _failed_push() -> str:
    denied = "failed to push ghcr.io/octo/shop:feature: 403 Forbidden: denied"
    parts = [part("exporting layers", 3.0, 3.4), part("pushing layers", 3.4, 8.9)]
    return _failed(*_build(), vertex("exporting to image", 3.0, 8.9, parts=parts, error=denied))


def _cancelled() -> str:
    return _failed(
        *_build((3.0, 3.1), steps=_STEPS[:-1]),
        vertex("[6/6] RUN make", 3.1, None),
        error=Stopped(15),
    )


def _no_cache() -> str:
    of = call(28.0, *_CONTEXT, *_build(*_ALL))
    notes = ("no cache is read or written: cache is off",)
    done = _pushed(of.progress.steps(), ending="loaded", notes=notes)
    return shown(done, of, given={"image": "ghcr.io/octo/shop", "cache": "off", "load": "true"})


def _fork() -> str:
    of = call(12.0, *_CONTEXT, _IMPORT, *_build((2.9, 3.0), (3.0, 11.9)))
    untrusted = "the code comes from a fork"
    done = _pushed(
        _told(of.progress, range(2, 7), _MAIN),
        ending="built",
        digest="",
        tags=("ghcr.io/octo/shop:pr-7",),
        cache_read=(f"{_MAIN}@{digest('main')}",),
        notes=(
            "tagged by the pull request's number",
            f"the image is not pushed: {untrusted}; push: true pushes it",
            f"no cache is written: {untrusted}",
        ),
        misses=(_MISS,),
    )
    return shown(done, of)


def _bake() -> str:
    names = ("web", "job")
    shared = "[{} base 2/2] RUN apk add curl"
    web, job = "[web web 1/1] COPY web /srv", "[job job 1/1] COPY job /srv"

    def of_base(target: str) -> Message:
        item = vertex(shared.format(target), 2.6, 2.6, cached=True)
        item["vertexes"][0]["digest"] = digest("base")
        return item

    of = call(
        *(6.0, vertex("[web internal] load build definition from Dockerfile", 2.0, 2.2)),
        *map(of_base, names),
        vertex(web, 2.7, 3.9),
        vertex(job, 2.6, 2.6, cached=True),
        vertex("[web] exporting to image", 4.0, 5.9, parts=[part("pushing layers", 4.4, 5.9)]),
        targets=names,
    )
    after = call(7.0, _export(6.1, 6.9, "[web] "), begun=6.1, phase=Phase.CACHE, targets=names)
    found = [
        replace(
            _pushed(
                tuple(
                    replace(step, origin=_MAIN * step.cached, usual=4.0 * step.cached)
                    for step in of.progress.of(name).steps()
                )
            ),
            name=name,
            digest=digest(name),
            tags=(f"ghcr.io/octo/{name}:feature",),
            cache_read=(f"ghcr.io/octo/{name}:cache-main@{digest('main')}",),
            cache_written=f"ghcr.io/octo/{name}:cache-feature",
        )
        for name in names
    ]
    done = outcomes.together(found, metadata="{}", steps=of.progress.steps())
    return shown(done, of, after, given={"bake-files": "docker-bake.hcl", "set": ""})


def _skipped() -> str:
    note = (
        "nothing is built: 1 base image, 5 steps and 41 files are the same as in the build of "
        "branch main on 2026-11-20 09:31 UTC, whose image gets the tags"
    )
    done = _pushed((), ending="", unbuilt=True, changed=False, images={}, notes=(note,))
    return shown(done, given={"skip-unchanged": "true"})


def _platforms() -> str:
    build = ("linux/amd64 build", "linux/arm64 build")
    fast, slow = (f"[{one} 2/3] RUN make" for one in build)
    of = call(
        41.0,
        vertex(
            f"[{build[0]} 1/3] {_FROM}", 2.4, 3.1, parts=[part(_LAYERS[4], 2.5, 3.0, 1_100_000)]
        ),
        vertex(fast, 3.1, 11.0),
        vertex(slow, 3.2, 38.6),
        vertex("[linux/amd64 stage-1 2/2] COPY --from=build /out /", 38.6, 38.7, cached=True),
        # Files for all platforms are copied once.
        vertex("[linux/amd64 build 3/3] COPY docs /out", 38.6, 38.7),
        _push(38.8, 40.9),
    )
    done = _pushed(of.progress.steps(), cache_written=_OWN)
    return shown(done, of, given={"platforms": "linux/amd64,linux/arm64"})


def _lints() -> str:
    warnings = (
        "Dockerfile:1: FromAsCasing: 'as' and 'FROM' keywords' casing do not match",
        f"no cache is written to {_OWN}: 403 Forbidden: denied",
        f"no cache is written to {_OWN}: 403 Forbidden: denied",
    )
    return _edit(_CARELESS, warnings=warnings, findings=_FINDINGS, cache_written="")


EVIL: Final = (
    "<img src=//evil> [here](https://evil) ![x](//evil) `code` | a \\| <b>b @octocat #1 GH-2 "
    "www.evil.example me@evil.example \u202e</details> $x$ :bomb: click me href evil; %%{init}%%"
)


def _hostile() -> str:
    of = call(
        9.0,
        vertex("[section 1/1] RUN :crit, 0, 99\n    section x", 2.5, 5.0),
        vertex("click a href javascript:alert(1)", 5.0, 6.0),
        vertex(f"[{EVIL.replace(']', '')} 3/3] COPY {EVIL} /", 6.0, 8.0),
        vertex(f"[linux/amd64 click 2/3] RUN {EVIL}", 8.0, 9.0, log=f"{EVIL}\n", error=EVIL),
    )
    error = RegistryError(f"the registry says:\n# {EVIL}\n```\n  | {EVIL}")
    done = draft.failed(Draft(calls=[of]), error)
    done = replace(
        done,
        steps=of.progress.steps(),
        warnings=(EVIL, "- a list", "1. a list", "=== a heading"),
        notes=(EVIL,),
        findings=tuple(replace(one, text=EVIL, file=EVIL) for one in _FINDINGS[:1]),
        cache_read=(EVIL,),
        tags=(EVIL,),
        misses=(replace(_CARELESS, step=EVIL),),
    )
    return shown(done, of, given={"build-args": f"A={EVIL}\n</details>"})


def _long() -> str:
    """Return what a summary says of what it leaves out."""
    name = "make " * 30
    steps = [vertex(f"[{number}/999] RUN {name}", number, number + 1) for number in range(50)]
    of = call(60.0, *steps)
    done = _pushed(
        tuple(
            replace(step, position=f"{number}/3000", cached=number % 2 > 0)
            for step in of.progress.steps()[:1]
            for number in range(3000)
        ),
        warnings=tuple(f"warning {number}" for number in range(22)),
        images={f"{number} {name}": digest("image") for number in range(5000)},
    )
    given = {"build-args": "\n".join(f"A{number}=1" for number in range(22))}
    said = markdown.summary(summed(done, of), given).splitlines()
    words = ("eft out", "Without", "which the log has", "more lines")
    return "\n".join(line for line in said if any(word in line for word in words))


def _scenes() -> Iterator[Scene]:
    for title, said in {
        "a warm build": _warm,
        "a cold build": _cold,
        "an edit": lambda: _edit(_MISS),
        "an edit of what has cache mounts": lambda: _edit(
            _MISS, mounts=_MOUNTS, mounts_saved=11.7, mounts_cost=1.5
        ),
        "the first build of what has cache mounts": lambda: _edit(
            _MISS, mounts=(_MOUNTS[1],), mounts_cost=0.9
        ),
        "cache mounts that do not pay": lambda: _edit(
            _MISS, mounts=_MOUNTS[:1], mounts_saved=-0.4, mounts_cost=6.1
        ),
        "a failed step": _failed_step,
        "a failed push": _failed_push,
        "a run that is stopped": _cancelled,
        "a build without a cache": _no_cache,
        "a pull request from a fork": _fork,
        "several images": _bake,
        "an image that need not be built": _skipped,
        "several platforms": _platforms,
        "findings and warnings": _lints,
        "names that others wrote": _hostile,
        "what a summary has no room for": _long,
    }.items():
        yield Scene(title=title, said=said())


SUBJECT = Subject(
    name="outcomes", about="How runs end, in the log and in the summary.", scenes=_scenes
)
