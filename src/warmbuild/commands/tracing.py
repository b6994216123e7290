"""Sends the trace of a run, if inputs or the environment ask for that."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warmbuild import __version__, lazy, signals
from warmbuild.errors import InputError, InputProblem
from warmbuild.report import collector

if TYPE_CHECKING:
    from warmbuild.build import outcomes
    from warmbuild.build.outcomes import Outcome
    from warmbuild.commands.run import Run
    from warmbuild.report import spans, traces
else:
    outcomes = lazy.module("warmbuild.build.outcomes")
    spans = lazy.module("warmbuild.report.spans")
    traces = lazy.module("warmbuild.report.traces")

# Seconds for the whole exchange; a run that is told to stop may be killed soon.
_PATIENCE: Final = 5.0
_PATIENCE_OF_STOPPED: Final = 1.0
_MISSING: Final = (
    "needs OpenTelemetry's SDK, which is not installed: pip install warmbuild[otel]. warmbuild's "
    "image does not contain it."
)


def prepared(run: Run) -> Run:
    """Return a run that knows where its trace goes, if it has one.

    Raises InputError if the input asks for a trace that cannot be sent. Other programs do not get
    the variables of OpenTelemetry then: buildx sends a trace of its own by them, and each of its
    builds waits 10 to 30 s for a collector that does not answer (measured with 0.38).
    """
    asked, env = run.inputs.otel, run.env
    if asked is False or not (asked or collector.is_given(env)):
        return run
    if not traces.is_installed():
        # Machines set these variables for other programs, and most have no SDK for Python.
        if asked:
            raise InputError([InputProblem(name="otel", text=_MISSING)])
        return run
    try:
        found = collector.collector(env)
    except ValueError as error:
        if asked:
            raise InputError([InputProblem(name="otel", text=str(error))]) from error
        run.log.line(f"no trace is sent: {error}")
        return run
    return replace(run, env=collector.without(env), collector=found)


def send(run: Run, done: Outcome) -> None:
    """Send the trace of a run that has ended; warn if that fails.

    A run whose inputs are wrong has done nothing that a trace could show.
    """
    if run.collector is None or done.error_class == InputError.__name__:
        return
    redact = run.log.redact
    own = spans.resource(run.context, __version__)
    resource = {name: redact(value) for name, value in own.items()}
    ahead = time.time_ns() - time.monotonic_ns()
    found = spans.spans(outcomes.shown(done, redact), ahead)
    patience = _PATIENCE_OF_STOPPED if done.is_stopped else _PATIENCE
    # The result is still to be said.
    with signals.shielded():
        why = traces.send(run.collector, found, {**resource, **run.collector.resource}, patience)
    if why:
        run.log.warning(f"the trace of this run is not sent: {why}")
