from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.build import timeline
from warmbuild.build.timeline import Call
from warmbuild.buildkit.progress import Progress
from warmbuild.phases import Phase, Span

DATA = Path(__file__).parents[2] / "data"
EPOCH = datetime(2026, 11, 21, 5, tzinfo=UTC)
# Our clock when the daemon's is at EPOCH, which is another machine's.
HERE = 100.0


def time(seconds: float) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat()


def vertex(name: str, *intervals: tuple[float, float], **more: object) -> list[dict[str, object]]:
    """Return a vertex as BuildKit sends it, with its name as its digest."""
    if not intervals:
        return [{"digest": name, "name": name, **more}]
    return [
        {"digest": name, "name": name, "started": time(a), "completed": time(b), **more}
        for a, b in intervals
    ]


def status(of: str, name: str, begun: float, ended: float, size: int = 0) -> dict[str, object]:
    times = {"started": time(begun), "completed": time(ended), "timestamp": time(ended)}
    return {"vertex": of, "id": name, "current": size, "total": size, **times}


def call(
    *vertices: list[dict[str, object]],
    statuses: list[dict[str, object]] | None = None,
    begun: float = 0,
    ended: float = 100,
    phase: Phase = Phase.BUILDX,
) -> Call:
    progress = Progress()
    message = {"vertexes": [one for each in vertices for one in each], "statuses": statuses or []}
    # The last of a message is what it was sent for.
    progress.take(
        json.dumps({"vertexes": [{"digest": "x", "completed": time(begun)}]}), HERE + begun
    )
    progress.take(json.dumps(message), HERE + ended + 5)
    return Call(progress=progress, begun=HERE + begun, ended=HERE + ended, phase=phase)


def own(*phases: tuple[Phase, float, float]) -> list[Span]:
    return [Span(phase=phase, begun=HERE + a, ended=HERE + b) for phase, a, b in phases]


def seconds(*calls: Call, of: list[Span] | None = None) -> dict[str, float]:
    marks = of or own((Phase.START, 0, 10), (Phase.BUILDX, 10, 90), (Phase.REMOVAL, 90, 100))
    found = timeline.timeline(calls, marks).phases
    assert sum(found.values()) == pytest.approx(marks[-1].ended - marks[0].begun)
    return {phase.value: round(taken, 3) for phase, taken in found.items()}


BASE = "[1/3] FROM busybox@sha256:1"
RUN = "[3/3] RUN make"
COPY = "[2/3] COPY . ."


def test_a_run_without_a_call_has_the_phases_of_our_own_clock() -> None:
    assert seconds() == {"start": 10.0, "buildx": 80.0, "removal": 10.0}


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("[internal] load build definition from Dockerfile", "context"),
        ("[internal] load build context", "context"),
        ("[internal] load metadata for docker.io/library/busybox:1", "pull and unpack"),
        ("[auth] library/busybox:pull token for registry-1.docker.io", "pull and unpack"),
        (
            "resolve image config for docker-image://docker.io/docker/dockerfile:1",
            "pull and unpack",
        ),
        (BASE, "pull and unpack"),
        (RUN, "steps"),
        ("importing cache manifest from r.io/a:cache-main", "cache import"),
        ("exporting to image", "export"),
        ("exporting to docker image format", "export"),
        ("importing to docker", "export"),
        ("pushing r.io/a:1 with docker", "push"),
        ("exporting cache to registry", "cache export"),
        ("exporting to GitHub Actions Cache", "cache export"),
    ],
)
def test_what_each_vertex_counts_as(name: str, phase: str) -> None:
    assert seconds(call(vertex(name, (20, 50)))) == {
        "start": 10.0,
        "buildx": 50.0,
        "removal": 10.0,
        phase: 30.0,
    }


def test_a_moment_counts_once() -> None:
    assert seconds(
        call(
            vertex(RUN, (20, 50)),
            vertex(BASE, (15, 30)),
            vertex("[internal] load build context", (10, 25)),
        )
    ) == {
        "start": 10.0,
        "context": 5.0,
        "pull and unpack": 5.0,
        "steps": 30.0,
        "buildx": 40.0,
        "removal": 10.0,
    }


def test_a_push_is_a_part_of_an_export() -> None:
    export = "exporting to image"
    found = call(
        vertex(export, (20, 60)),
        statuses=[
            status(export, "exporting layers", 20, 30),
            status(export, "pushing layers", 30, 50),
            status(export, "pushing manifest for r.io/a:1", 50, 55),
        ],
    )
    assert seconds(found) == {
        "start": 10.0,
        "buildx": 40.0,
        "removal": 10.0,
        "export": 15.0,
        "push": 25.0,
    }


def test_an_export_of_a_cache_alone_reads_the_context_for_the_cache() -> None:
    found = call(
        vertex("[internal] load build context", (20, 30)),
        vertex("exporting cache to registry", (35, 60)),
        phase=Phase.CACHE,
    )
    marks = own((Phase.CACHE, 0, 100))
    assert seconds(found, of=marks) == {"cache export": 100.0}
    assert {bar.phase for bar in timeline.timeline([found], marks).bars} == {Phase.CACHE}


def test_layers_below_a_cached_step_are_pulled_for_the_first_step_that_runs() -> None:
    found = call(
        vertex(BASE, (10, 11)),
        vertex(COPY, (12, 12), cached=True, inputs=[BASE]),
        vertex(RUN, (40, 50), inputs=[COPY]),
        vertex("[web 1/1] RUN later", (50, 60), inputs=[COPY]),
        statuses=[
            status(BASE, "sha256:a", 12, 20, size=3000),
            status(COPY, "sha256:b", 15, 25),
            status(COPY, "extracting sha256:b", 25, 40),
        ],
    )
    assert seconds(found)["pull and unpack"] == 29.0
    bars = {bar.name: bar for bar in timeline.timeline([found], own((Phase.START, 0, 100))).bars}
    assert bars[RUN].waited == pytest.approx(29.0)
    assert bars["[web 1/1] RUN later"].waited == 0
    assert bars[COPY].phase is Phase.PULL
    assert [(part.name, part.size) for part in bars[BASE].parts] == [("sha256:a", 3000)]


def test_a_step_has_what_is_shown_of_it() -> None:
    found = call(
        vertex(COPY, cached=True),
        vertex(
            "[linux/arm64 build 3/3] RUN make", (20, 30), inputs=[COPY, "gone"], error="it failed"
        ),
    )
    cached, ran = timeline.timeline([found], own((Phase.START, 0, 100))).bars
    assert (cached.cached, cached.seconds, cached.phase) == (True, 0.0, Phase.STEPS)
    assert (ran.prefix, ran.position) == ("linux/arm64 build", "3/3")
    assert (ran.instruction, ran.error, ran.needs) == ("RUN make", "it failed", (cached.number,))
    assert ran.begun == pytest.approx(HERE + 20)
    assert ran.seconds == pytest.approx(10)


def test_vertices_of_several_calls_have_numbers_of_their_own() -> None:
    calls = [call(vertex(RUN, (20, 30))), call(vertex(RUN, (40, 50)))]
    bars = timeline.timeline(calls, own((Phase.START, 0, 100))).bars
    assert [bar.number for bar in bars] == [1, 2]


def test_what_has_not_ended_ends_with_its_call() -> None:
    begun: dict[str, object] = {"digest": RUN, "name": RUN, "started": time(20)}
    assert seconds(call([begun], ended=50))["steps"] == 30.0


@pytest.mark.parametrize("name", ["cold", "warm", "failed", "push-refused"])
def test_phases_of_real_builds_add_up(name: str) -> None:
    progress, lines = Progress(), (DATA / f"buildx-0.36.1-{name}.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        progress.take(line, HERE + number / 10)
    ended = HERE + len(lines) / 10
    assert seconds(
        Call(progress=progress, begun=HERE, ended=ended),
        of=[Span(phase=Phase.START, begun=HERE, ended=ended)],
    )


MOMENTS = st.floats(-50, 200)
NAMES = st.sampled_from([BASE, COPY, RUN, "exporting to image", "exporting cache to registry", "?"])


@given(
    given=st.lists(st.tuples(NAMES, MOMENTS, MOMENTS, st.booleans()), max_size=12),
    moves=st.lists(st.tuples(NAMES, MOMENTS, MOMENTS), max_size=12),
)
def test_phases_add_up_whatever_buildkit_says(
    given: list[tuple[str, float, float, bool]], moves: list[tuple[str, float, float]]
) -> None:
    found = call(
        *(vertex(name, (a, b), cached=is_cached) for name, a, b, is_cached in given),
        statuses=[status(name, f"pushing {a}", a, b) for name, a, b in moves],
    )
    seconds(found)
    for bar in timeline.timeline([found], own((Phase.START, 0, 100))).bars:
        assert HERE <= bar.begun <= bar.ended <= HERE + 100
