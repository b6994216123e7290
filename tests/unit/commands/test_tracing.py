"""Whether a run has a trace, and what other programs get then."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.runs import SHOP
from warmbuild import ci, process
from warmbuild.build.outcomes import Outcome
from warmbuild.commands import tracing
from warmbuild.commands.run import Run
from warmbuild.errors import InputError
from warmbuild.log import Log
from warmbuild.mounts import Mounts
from warmbuild.report import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}


@pytest.fixture
def run(parsed: Callable[..., Inputs]) -> Callable[..., Run]:
    def make(otel: str = "", **env: str) -> Run:
        local = ci.named("local")
        return Run(
            inputs=parsed(otel=otel),
            context=SHOP,
            env={"PATH": "/bin", **env},
            log=Log(local),
            provider=local,
            runner=process.started,
            mounts=Mounts(),
        )

    return make


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "is_installed", lambda: False)


@pytest.mark.parametrize(
    ("otel", "env", "expected"),
    [
        ("", {}, ""),
        ("", ENDPOINT, "http://c:4318/v1/traces"),
        ("false", ENDPOINT, ""),
        ("true", {}, "http://localhost:4318/v1/traces"),
    ],
)
def test_whether_a_run_has_a_trace(
    run: Callable[..., Run], otel: str, env: dict[str, str], expected: str
) -> None:
    prepared = tracing.prepared(run(otel, **env))
    assert (prepared.collector.url if prepared.collector else "") == expected


def test_only_a_run_with_a_trace_keeps_the_variables_from_buildx(run: Callable[..., Run]) -> None:
    assert tracing.prepared(run("true", **ENDPOINT)).env == {"PATH": "/bin"}
    assert tracing.prepared(run("false", **ENDPOINT)).env == {"PATH": "/bin", **ENDPOINT}


@pytest.mark.usefixtures("_missing")
def test_a_package_that_is_asked_for_has_to_be_there(
    run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"pip install warmbuild\[otel\]"):
        tracing.prepared(run("true"))
    assert tracing.prepared(run(**ENDPOINT)).collector is None
    assert capsys.readouterr().out == ""


def test_a_variable_that_is_wrong_fails_only_a_run_that_asks(
    run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}
    with pytest.raises(InputError, match="OTEL_EXPORTER_OTLP_ENDPOINT is not a URL"):
        tracing.prepared(run("true", **env))
    assert tracing.prepared(run(**env)).collector is None
    assert capsys.readouterr().out.startswith("no trace is sent: OTEL_EXPORTER_OTLP_ENDPOINT is")


@pytest.mark.parametrize(("is_stopped", "seconds"), [(False, 5.0), (True, 1.0)])
def test_a_trace_that_is_not_sent_is_a_warning(
    run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_stopped: bool,
    seconds: float,
) -> None:
    patience: list[float] = []

    def send(_to: object, _spans: object, _resource: object, limit: float) -> str:
        patience.append(limit)
        return "the collector answers 500"

    monkeypatch.setattr(traces, "send", send)
    done = Outcome(metadata="{}", notes=(), is_stopped=is_stopped)
    tracing.send(tracing.prepared(run("true")), done)
    assert patience == [seconds]
    said = capsys.readouterr().out
    assert said == "warning: the trace of this run is not sent: the collector answers 500\n"


def test_a_run_with_wrong_inputs_has_no_trace(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "send", lambda *_: pytest.fail("it is sent"))
    prepared = tracing.prepared(run("true"))
    tracing.send(prepared, Outcome(metadata="{}", notes=(), error_class="InputError"))
    tracing.send(run(), Outcome(metadata="{}", notes=()))


def test_a_signal_does_not_cut_off_what_follows_a_trace(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_: object) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return ""

    def stop(*_: object) -> None:
        pytest.fail("the run is stopped")

    monkeypatch.setattr(traces, "send", send)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        tracing.send(tracing.prepared(run("true")), Outcome(metadata="{}", notes=()))
    finally:
        signal.signal(signal.SIGTERM, before)
