from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.printed import printed
from warmbuild.build import outcomes
from warmbuild.buildkit.progress import Failure, Progress, Step, Transfer, Unpacked
from warmbuild.report.plain_text import hit_ratio

DATA = Path(__file__).parents[2] / "data"
T0 = "2026-11-21T05:00:00Z"


def replay(name: str) -> tuple[Progress, list[str]]:
    text = (DATA / f"buildx-0.36.1-{name}.jsonl").read_text()
    progress = Progress()
    return progress, printed(progress, text.splitlines())


def time(seconds: float) -> str:
    return f"2026-11-21T05:00:{seconds:09.6f}Z"


def vertex(**values: object) -> str:
    return json.dumps({"vertexes": [{"digest": "sha256:1", "name": "[2/3] RUN make", **values}]})


def log(text: str, at: float = 1.0, stream: int = 1) -> dict[str, object]:
    data = base64.b64encode(text.encode()).decode()
    return {"vertex": "sha256:1", "stream": stream, "data": data, "timestamp": time(at)}


def fed(*lines: str) -> tuple[Progress, list[str]]:
    progress = Progress()
    return progress, printed(progress, lines)


def test_a_cold_build_runs_every_step() -> None:
    progress, _ = replay("cold")
    assert [step.title for step in progress.steps()] == [
        "[build 2/4] WORKDIR /src",
        "[build 3/4] COPY one.txt .",
        r"[build 4/4] RUN echo hello && printf 'a\rb\r\nno end' > /dev/stderr",
        "[stage-1 2/3] COPY --from=build /src/one.txt /",
        "[stage-1 3/3] RUN cat /one.txt",
    ]
    assert hit_ratio(progress.steps()) == (0, 5, 0.0)
    assert progress.imports() == ()
    (export,) = progress.exports()
    assert (export.name, export.error) == ("registry", "")
    assert export.digest.startswith("sha256:39ead495")


def test_output_is_printed_in_order_each_line_with_its_step() -> None:
    _, shown = replay("cold")
    said = [line.split(" ", 2)[2] for line in shown if line.startswith("#8 0.")]
    assert said == ["hello", "a", "b", "no end"]
    begun = next(index for index, line in enumerate(shown) if line.startswith("#8 [build 4/4]"))
    ended = shown.index("#8 DONE 0.1s")
    spoken = [index for index, line in enumerate(shown) if line.startswith("#8 0.")]
    assert begun < min(spoken) <= max(spoken) < ended


def test_a_warm_build_is_all_cached_and_says_what_failed_about_the_cache() -> None:
    progress, shown = replay("warm")
    assert hit_ratio(progress.steps()) == (5, 5, 1.0)
    assert [line for line in shown if line.endswith("CACHED")] == [
        f"#{number} CACHED" for number in range(8, 13)
    ]
    found, missing = progress.imports()
    assert found == Transfer(name="127.0.0.1:5000/rec:cache-main", error="")
    assert missing.error.endswith("127.0.0.1:5000/rec:cache-none: not found")
    (export,) = progress.exports()
    assert "connection refused" in export.error


def test_a_failed_step_has_its_last_lines_and_the_dockerfiles_line() -> None:
    progress, shown = replay("failed")
    step = "[3/3] RUN for i in 1 2 3; do echo line $i; done; false"
    assert progress.failure() == Failure(
        title=step,
        error='process "/bin/sh -c for i in 1 2 3; do echo line $i; done; false" did not complete '
        "successfully: exit code: 1",
        tail=("line 1", "line 2", "line 3"),
        source="Dockerfile.failing:3",
    )
    assert shown[-1].startswith("ERROR: failed to build: ")
    assert progress.steps()[-1].error


def test_a_refused_push_is_no_steps_failure() -> None:
    progress, _ = replay("push-refused")
    assert progress.failure().title == "exporting to image"
    assert progress.failure().error.startswith("failed to push 127.0.0.1:9/rec:2")


def test_what_buildx_said_last_is_the_reason_where_no_step_failed() -> None:
    progress, shown = fed("unknown flag: --frob", "", "See 'buildx build --help'")
    assert progress.failure().error == "unknown flag: --frob\nSee 'buildx build --help'"
    assert shown == ["unknown flag: --frob", "", "See 'buildx build --help'"]


OF_ENGINE = "Error response from daemon: received unexpected HTTP status: 500"


@pytest.mark.parametrize(
    ("name", "values", "said", "expected"),
    [
        pytest.param("pushing a with docker", {"completed": T0}, OF_ENGINE, True, id="it is done"),
        pytest.param("pushing a with docker", {}, OF_ENGINE, False, id="it is not done"),
        pytest.param(
            "pushing a with docker",
            {"completed": T0},
            "Unavailable: EOF",
            False,
            id="another error",
        ),
        pytest.param("[2/2] RUN a", {"completed": T0}, OF_ENGINE, False, id="a step"),
    ],
)
def test_what_fails_after_the_engines_push_is_its_confirmation(
    name: str, values: dict[str, str], said: str, *, expected: bool
) -> None:
    step = vertex(digest="sha256:2", started=T0, completed=T0)
    pushed = vertex(name=name, started=T0, **values)
    failure = fed(step, pushed, f"ERROR: failed to build: {said}")[0].failure()
    assert failure.unconfirmed is expected
    assert (failure.title, failure.error) == (name if expected else "", said)


def test_a_vertex_that_was_cancelled_is_not_the_reason() -> None:
    cancelled = vertex(digest="sha256:2", started=T0, error="context canceled")
    failed = vertex(started=T0, error="exit code: 1")
    progress, _ = fed(failed, cancelled)
    assert progress.failure().title == "[2/3] RUN make"
    assert progress.failure().error == "exit code: 1"


def test_a_step_that_turned_out_to_be_needless_is_cached() -> None:
    """buildx 0.38 begins a COPY from another target, and cancels it once what follows is cached."""
    needless = vertex(started=T0, error="context canceled: context canceled")
    after = vertex(digest="sha256:2", name="[3/3] RUN ls", cached=True)
    progress, _ = fed(needless, after)
    first, _ = progress.steps()
    assert (first.cached, first.seconds, first.error) == (True, None, "")
    again, _ = fed(vertex(started=T0, cached=True, completed=T0))
    again.goes_on(progress)
    assert [step.cached for step in again.steps()] == [True]
    failed = vertex(digest="sha256:3", name="[x 1/1] RUN false", started=T0, error="exit code: 1")
    progress, _ = fed(needless, failed)
    assert [step.cached for step in progress.steps()] == [False, False]


@pytest.mark.parametrize("is_cached", [False, True])
def test_the_download_of_an_add_is_no_step_of_its_own(*, is_cached: bool) -> None:
    """BuildKit calls both `[2/2] ADD https://...`, and each may be cached without the other."""
    name, download = "[2/2] ADD https://x.test/a /", "sha256:2"
    first = vertex(digest=download, name=name, started=T0, completed=time(2), cached=not is_cached)
    second = {"started": time(2), "completed": time(5), "cached": is_cached}
    copy = vertex(digest="sha256:3", name=name, inputs=[download], **second)
    for vertices in ((first, copy), (copy, first)):
        progress, _ = fed(*vertices)
        assert [(step.cached, step.seconds) for step in progress.steps()] == [(is_cached, 3.0)]


def test_a_step_that_never_started_is_neither_hit_nor_miss() -> None:
    progress, shown = fed(vertex())
    assert progress.steps() == ()
    assert shown == []
    assert hit_ratio(progress.steps()) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("name", "prefix", "position", "instruction"),
    [
        ("[2/2] RUN make", "", "2/2", "RUN make"),
        ("[deps  4/12] COPY a b", "deps", "4/12", "COPY a b"),
        ("[linux/amd64->arm64 build 1/3] RUN x", "linux/amd64->arm64 build", "1/3", "RUN x"),
        ("[2/2] ONBUILD RUN x", "", "2/2", "ONBUILD RUN x"),
    ],
)
def test_the_name_of_a_step(name: str, prefix: str, position: str, instruction: str) -> None:
    progress, _ = fed(vertex(name=name, started=T0, completed=time(2)))
    assert progress.steps() == (
        Step(
            prefix=prefix,
            position=position,
            instruction=instruction,
            cached=False,
            seconds=2.0,
            error="",
        ),
    )


@pytest.mark.parametrize(
    "name",
    ["[internal] load .dockerignore", "[1/2] FROM a", "[2/2] LINK COPY --link a /b", "exporting"],
)
def test_what_is_no_step(name: str) -> None:
    progress, _ = fed(vertex(name=name, started=T0, completed=time(2)))
    assert progress.steps() == ()


def test_a_steps_time_is_the_union_of_its_intervals() -> None:
    progress, shown = fed(
        vertex(started=time(1)),
        vertex(started=time(1), completed=time(3)),
        vertex(started=time(2), completed=time(4)),
        vertex(started=time(10), completed=time(11)),
    )
    assert progress.steps()[0].seconds == 4.0
    assert shown == ["#1 [2/3] RUN make", "#1 DONE 2.0s"]


def test_a_cached_step_without_times_is_cached() -> None:
    progress, shown = fed(vertex(cached=True))
    assert shown == ["#1 [2/3] RUN make", "#1 CACHED"]
    assert progress.steps()[0].seconds is None


def test_output_comes_before_the_end_that_arrives_with_it() -> None:
    message = json.loads(vertex(started=T0, completed=time(2)))
    message["logs"] = [log("one\ntwo", at=1.5)]
    progress, shown = fed(json.dumps(message))
    assert shown == ["#1 [2/3] RUN make", "#1 1.500 one", "#1 2.000 two", "#1 DONE 2.0s"]
    assert progress.steps()[0].seconds == 2.0


def test_a_line_that_comes_in_pieces_is_printed_whole() -> None:
    _, shown = fed(
        vertex(started=T0),
        json.dumps({"logs": [log("he")]}),
        json.dumps({"logs": [log("llo\r")]}),
        json.dumps({"logs": [log("\nworld\n")]}),
    )
    assert shown == ["#1 [2/3] RUN make", "#1 1.000 hello", "#1 1.000 world"]


def test_pieces_of_two_streams_are_two_lines() -> None:
    _, shown = fed(
        vertex(started=T0),
        json.dumps({"logs": [log("out"), log("err\n", stream=2), log("put\n")]}),
    )
    assert shown == ["#1 [2/3] RUN make", "#1 1.000 err", "#1 1.000 output"]


def test_no_text_from_outside_begins_a_line() -> None:
    _, shown = fed(
        vertex(name="[2/3] RUN a\n::set-output name=x::y", started=T0),
        json.dumps({"logs": [log("a\r::add-mask::b\n")]}),
        vertex(name="", started=T0, error="bad\n::error::x"),
        json.dumps({"warnings": [{"short": base64.b64encode(b"w\n::x::").decode()}]}),
    )
    assert shown == [
        "#1 [2/3] RUN a ::set-output name=x::y",
        "#1 1.000 a",
        "#1 1.000 ::add-mask::b",
        "WARNING: w ::x::",
    ]


def test_an_error_is_one_line() -> None:
    _, shown = fed(vertex(started=T0, completed=time(1), error="bad\nworse"))
    assert shown[-1] == "#1 ERROR: bad worse"


def test_an_export_that_never_ended_was_not_written() -> None:
    progress, _ = fed(vertex(name="exporting cache to registry", started=T0))
    assert progress.exports() == (Transfer(name="registry", error="it did not finish"),)


@pytest.mark.parametrize(
    "line",
    [
        "{not json",
        "[]",
        '{"vertexes": 3, "logs": [4], "statuses": [{"vertex": "x", "id": "y"}]}',
        '{"logs": [{"vertex": "x", "data": "%%%"}], "warnings": [{"short": "a"}]}',
        '{"vertexes": [{"digest": 1, "name": 2, "started": "never"}]}',
    ],
)
def test_a_strange_stream_is_survived(line: str) -> None:
    progress, shown = fed(line)
    assert progress.steps() == ()
    assert len(shown) <= 1


def going_on(name: str, **more: object) -> dict[str, object]:
    return {"digest": name, "name": name, "started": T0, **more}


IMPORTING = going_on("importing cache manifest from r.io/a:cache-main")
EXPORTING = going_on("exporting cache to registry")
TO_GITHUB = going_on("exporting to GitHub Actions Cache")
PUSHING = going_on("exporting to image")
STEP = going_on("[2/3] RUN make")
PULLING = going_on("[1/3] COPY . .", cached=True)


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([STEP], "", id="a step"),
        pytest.param([IMPORTING], "import", id="the records of a cache"),
        pytest.param([STEP, IMPORTING], "import", id="the records, whatever else goes on"),
        pytest.param([PULLING], "layers", id="the layers of a cached step"),
        pytest.param([PULLING, STEP], "", id="the layers, while a step runs"),
        pytest.param([EXPORTING], "export", id="an export"),
        pytest.param([EXPORTING, TO_GITHUB], "export", id="two exports"),
        pytest.param([EXPORTING, PUSHING], "", id="an export beside a push"),
        pytest.param([EXPORTING | {"completed": T0}], "", id="an export that is over"),
        pytest.param([IMPORTING | {"error": "gone"}], "", id="an import that failed"),
    ],
)
def test_what_is_waited_for(running: list[dict[str, object]], expected: str) -> None:
    progress, _ = fed(json.dumps({"vertexes": running}))
    assert progress.waiting_for() == expected


def test_layers_are_unpacked_below_the_last_step_in_them() -> None:
    def status(what: str, begun: float, ended: float) -> str:
        times = {"started": time(begun), "completed": time(ended), "timestamp": time(ended)}
        return json.dumps({"statuses": [{"vertex": "sha256:1", "id": what, **times}]})

    progress, _ = fed(
        vertex(name="[linux/arm64 web 2/3] RUN make", cached=True, started=T0, completed=T0),
        status("extracting sha256:a", 1, 3),
        status("extracting sha256:b", 3, 3.5),
        status("sha256:c", 1, 2),
    )
    moment = datetime(2026, 11, 21, 5, tzinfo=UTC)
    assert progress.unpacked() == (
        Unpacked(
            prefix="linux/arm64 web",
            begun=moment.replace(second=1),
            ended=moment.replace(second=3),
        ),
        Unpacked(
            prefix="linux/arm64 web",
            begun=moment.replace(second=3),
            ended=moment.replace(second=3, microsecond=500_000),
        ),
    )


def test_what_unpacks_no_layer_of_a_step() -> None:
    times = {"started": T0, "completed": time(2)}
    status = {"vertex": "sha256:1", "id": "extracting sha256:a", **times}
    progress, _ = fed(vertex(name="[internal] load", **times), json.dumps({"statuses": [status]}))
    assert progress.unpacked() == ()


def test_several_errors_of_a_registry_are_one_failure() -> None:
    lines = "ERROR: failed to build: failed to push a/b: errors:", "blob unknown: c", "denied: d"
    progress, _ = fed(*lines, "", "below")
    assert progress.failure().error == "failed to push a/b: errors: blob unknown: c denied: d"


def test_output_that_comes_after_the_end_of_its_step_is_printed() -> None:
    """BuildKit may send the last of it in a message of its own."""
    ended = vertex(started=time(0), completed=time(2))
    late = json.dumps({"logs": [log("no end", at=1.5)]})
    _, shown = fed(vertex(started=time(0)), ended, late)
    assert shown[-1] == "#1 2.000 no end"


def test_a_push_that_gets_no_token_is_known_as_a_push() -> None:
    why = "failed to fetch oauth token: unavailable"
    whole = f"failed to push r.io/a:main: failed to authorize: {why}"
    pushed = vertex(name="exporting to image", started=time(0), completed=time(1), error=whole)
    progress, _ = fed(pushed, f"ERROR: failed to build: failed to solve: {why}")
    assert progress.failure().error == whole
    assert outcomes.is_push(progress.failure())


def test_a_farewell_to_a_pod_is_no_news() -> None:
    progress = Progress()
    line = (
        'E1201 01:13:05.683045   26827 v2.go:105] "Copying stdin failed" '
        'err="io: read/write on closed pipe" logger="UnhandledError"'
    )
    assert progress.take(line) == ()
    assert progress.take("ERROR: " + line[:40]) != ()
