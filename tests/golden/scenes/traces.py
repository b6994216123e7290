"""Traces: when none is sent, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from unittest import mock

from tests.golden import machine
from tests.golden.made_up import BUILT
from tests.golden.scene import Scene, Subject
from warmbuild.report import traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.golden.machine import Reply

_COLLECTOR: Final = "collector.example.com:4318"
_ENV: Final = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{_COLLECTOR}"}
_TO: Final = f"POST {_COLLECTOR}/v1/traces"
# By title: flags, variables beside the endpoint, and what the collector answers.
_CASES: Final[dict[str, tuple[tuple[str, ...], dict[str, str], Reply]]] = {
    "a trace that is sent": ((), {}, (200, {}, "")),
    "a trace that is refused": ((), {}, (401, {}, "who are you?")),
    "a trace that is not recorded": (
        (),
        {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
        (200, {}, ""),
    ),
    "gRPC": ((), {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, (200, {}, "")),
    "gRPC, and otel=true": (("--otel",), {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, (200, {}, "")),
    "no URL": (("--otel",), {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, (200, {}, "")),
    "no header": (("--otel",), {"OTEL_EXPORTER_OTLP_HEADERS": "a b=c"}, (200, {}, "")),
    "it is turned off": (("--otel",), {"OTEL_SDK_DISABLED": "true"}, (200, {}, "")),
}


def _scenes() -> Iterator[Scene]:
    for title, (flags, env, reply) in _CASES.items():
        yield Scene(title=title, said=_said(*flags, env=env, reply=reply))
    with mock.patch.object(traces, "is_installed", return_value=False):
        yield Scene(title="no package", said=_said())
        yield Scene(title="no package, and otel=true", said=_said("--otel"))


def _said(*flags: str, env: dict[str, str] | None = None, reply: Reply = (200, {}, "")) -> str:
    said = machine.built(
        *flags,
        env=_ENV | (env or {}),
        buildx={"build": BUILT},
        registries={_TO: reply or (200, {}, "")},
    )
    told = ("trace", "otel", "OTEL_", "error", "nothing was started")
    return "\n".join(line for line in said.splitlines() if any(word in line for word in told))


SUBJECT = Subject(name="traces", about="What is said of traces.", scenes=_scenes)
