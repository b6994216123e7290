"""Sends the trace of a run to a collector: spans by OpenTelemetry's SDK, encoded as OTLP.

The SDK's own exporter is not used: it takes tokens and settings from the environment of this
process, counts a redirect as success, and limits neither the size of an answer nor the time between
its bytes.
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from warmbuild import __version__, lazy
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import opentelemetry.exporter.otlp.proto.common.trace_encoder
    import opentelemetry.sdk.resources
    import opentelemetry.sdk.trace.sampling
    import opentelemetry.trace.propagation.tracecontext

    from warmbuild.registry import exchange
    from warmbuild.report.collector import Collector
    from warmbuild.report.spans import TraceSpan
else:
    exchange = lazy.module("warmbuild.registry.exchange")
    opentelemetry = lazy.module(
        "opentelemetry",
        "exporter.otlp.proto.common.trace_encoder",
        "sdk.resources",
        "sdk.trace.sampling",
        "trace.propagation.tracecontext",
    )

_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.common")
_TYPE: Final = "application/x-protobuf"


def is_installed() -> bool:
    """Return whether the packages of the extra `otel` are there."""
    try:
        return all(map(find_spec, _PACKAGES))
    except ModuleNotFoundError:  # for a package above them
        return False


def send(
    to: Collector, spans: Sequence[TraceSpan], resource: Mapping[str, str], seconds: float
) -> str:
    """Send spans within some seconds; return why that failed, or nothing.

    Each span has a parent before it. Nothing is sent if the trace of which the run is a part is not
    recorded. The text has neither headers nor what the collector answers.
    """
    encoded = _encoded(to, spans, resource)
    if not encoded:
        return ""
    session = exchange.session(Transport(verify=to.authorities or True), to.url)
    session.cert = (to.certificate, to.key) if to.key else to.certificate or None
    request = exchange.Request(
        method="POST",
        url=to.url,
        headers={**to.headers, "Content-Type": _TYPE, "Content-Encoding": "gzip"},
        content=gzip.compress(encoded),
        is_final=True,
    )
    try:
        reply = exchange.exchange(session, request, connect=seconds, answer=seconds, left=seconds)
    except exchange.SilentError as error:
        return f"the collector {error}"
    return "" if reply.is_ok else f"the collector answers {reply.status}"


def _encoded(to: Collector, spans: Sequence[TraceSpan], resource: Mapping[str, str]) -> bytes:
    """Return spans as OTLP; empty if the trace that they belong to is not recorded."""
    sdk, trace = opentelemetry.sdk, opentelemetry.trace
    origin = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": sdk.version.__version__,
        **resource,
    }
    # All that it would read from the environment is given.
    provider = sdk.trace.TracerProvider(
        sampler=sdk.trace.sampling.DEFAULT_ON,
        resource=sdk.resources.Resource(origin),
        shutdown_on_exit=False,
    )
    tracer = provider.get_tracer("warmbuild", __version__)
    context = trace.propagation.tracecontext.TraceContextTextMapPropagator()
    above = context.extract({"traceparent": to.parent, "tracestate": to.state})
    made: list[opentelemetry.trace.Span] = []
    for one in spans:
        inside = trace.set_span_in_context(made[one.parent]) if made else above
        made.append(
            tracer.start_span(one.name, inside, attributes=one.attributes, start_time=one.begun)
        )
        if one.error:
            made[-1].set_status(trace.Status(trace.StatusCode.ERROR, one.error))
    for span, one in zip(made, spans, strict=True):
        span.end(one.ended)
    recorded = [span for span in made if isinstance(span, sdk.trace.ReadableSpan)]
    encoder = opentelemetry.exporter.otlp.proto.common.trace_encoder
    return encoder.encode_spans(recorded).SerializeToString() if recorded else b""
