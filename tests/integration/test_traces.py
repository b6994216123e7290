"""A run's trace is sent to a real collector, and read back from the file that this writes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Otelcol, Warmbuild

NANOSECONDS = 1_000_000_000
PARENT = "b7ad6b7169203331"
TOKEN = "tok3n-of-the-collector"
PHASES = {"start", "buildx", "report", "removal", "steps", "push", "cache export"}


@pytest.fixture
def trace() -> str:
    return secrets.token_hex(16)


@pytest.fixture
def extra(otelcol: Otelcol, trace: str) -> dict[str, str]:
    """Return the variables of a job that has a collector, and is part of a trace."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otelcol.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
        "OTEL_RESOURCE_ATTRIBUTES": "team=shop",
        "TRACEPARENT": f"00-{trace}-{PARENT}-01",
    }


def attributes(of: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span or a resource; integers are texts in OTLP's JSON."""
    return {
        one["key"]: next(iter(one["value"].values())) if one["value"] else None
        for one in of.get("attributes", ())
    }


def seconds(span: dict[str, Any]) -> float:
    return (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / NANOSECONDS


def test_a_build_is_a_trace(
    warmbuild: Warmbuild,
    otelcol: Otelcol,
    project: Callable[..., Path],
    repository: str,
    trace: str,
    extra: dict[str, str],
) -> None:
    place = project(
        "FROM busybox:1.37\n"
        "RUN --mount=type=secret,id=key cat /run/secrets/key && echo hunter2-is-here\n"
        "RUN sleep 1\n"
    )
    ended = warmbuild.succeed(
        place, image=repository, extra=extra, secrets="key=hunter2-is-here", summary_file=""
    )
    spans = otelcol.spans(trace)
    (run,) = (span for span in spans if span["parentSpanId"] == PARENT)
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans)

    # Run, phases, steps, transfers.
    above = {(one["name"], by_id.get(one["parentSpanId"], one)["name"]) for one in spans}
    phases = [span for span in spans if span["parentSpanId"] == run["spanId"]]
    assert {span["name"] for span in phases} >= PHASES
    step = "[stage-0 3/3] RUN sleep 1"
    assert {(step, "steps"), ("exporting layers", "exporting to image")} <= above

    # Times lie within those of the run, which is as long as its process.
    begun, end = int(run["startTimeUnixNano"]), int(run["endTimeUnixNano"])
    for span in spans:
        assert begun <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= end
    assert seconds(run) <= ended.seconds
    assert seconds(run) > 0.9 * ended.seconds - 0.5
    told = sum(attributes(span)["warmbuild.phase.seconds"] for span in phases)
    assert told == pytest.approx(seconds(run), abs=0.01)
    sleep = next(span for span in spans if span["name"] == step)
    assert 1.0 <= seconds(sleep) < 3.0
    assert attributes(sleep)["warmbuild.step.cached"] is False

    of_run = attributes(run)
    assert of_run["cicd.pipeline.task.run.result"] == "success"
    assert of_run["container.image.name"] == repository
    assert of_run["container.image.repo_digests"]["values"] == [
        {"stringValue": f"{repository}@{ended.outputs['digest']}"}
    ]
    origin = attributes(run["resource"])
    assert (origin["service.name"], origin["team"]) == ("warmbuild", "shop")
    assert origin["vcs.ref.head.name"] == "main"

    assert "hunter2" not in str(spans)
    assert TOKEN not in ended.log + str(spans)
    assert not ended.warnings


def test_a_cached_step_is_a_moment_and_says_so(
    warmbuild: Warmbuild,
    otelcol: Otelcol,
    small: Path,
    repository: str,
    trace: str,
    extra: dict[str, str],
) -> None:
    warmbuild.succeed(small, image=repository)
    warmbuild.succeed(small, image=repository, extra=extra)
    steps = [
        (seconds(span), attributes(span)["warmbuild.step.cached"])
        for span in otelcol.spans(trace)
        if "warmbuild.step.cached" in attributes(span)
    ]
    assert steps == [(0.0, True), (0.0, True)]


def test_a_failed_step_is_an_error_in_the_trace(
    warmbuild: Warmbuild,
    otelcol: Otelcol,
    project: Callable[..., Path],
    repository: str,
    trace: str,
    extra: dict[str, str],
) -> None:
    place = project("FROM busybox:1.37\nRUN exit 3\n")
    assert warmbuild.build(place, image=repository, extra=extra).code == 4
    found = {span["name"]: span for span in otelcol.spans(trace)}
    for name, result in (("warmbuild build", "failure"), ("[2/2] RUN exit 3", "failure")):
        assert found[name]["status"]["code"] == 2
        assert "exit code: 3" in found[name]["status"]["message"]
        assert attributes(found[name])["cicd.pipeline.task.run.result"] == result
        assert attributes(found[name])["error.type"] == "BuildError"


def test_a_run_that_does_not_ask_sends_nothing(
    warmbuild: Warmbuild,
    otelcol: Otelcol,
    small: Path,
    repository: str,
    trace: str,
    extra: dict[str, str],
) -> None:
    warmbuild.succeed(small, image=repository, extra=extra, cache="off", otel="false")
    unsampled = extra | {"TRACEPARENT": f"00-{trace}-{PARENT}-00"}
    warmbuild.succeed(small, image=repository, extra=unsampled, cache="off")
    assert otelcol.spans(trace, patience=1.0) == []
