"""Where the trace of a run goes, as OpenTelemetry's variables say.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ defines them; those for traces precede
those for everything.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from warmbuild.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PREFIXES: Final = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_")
# Where a collector beside the run listens, by the specification.
_DEFAULT: Final = "http://localhost:4318"
_PATH: Final = "/v1/traces"
_PROTOCOL: Final = "http/protobuf"
# In characters; what is shorter is no token, and may be any word of the log.
_SHORTEST_TOKEN: Final = 8
# Names and values as RFC 9110 has them.
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")


@frozen
class Collector:
    """A collector of traces, and what a trace for it has from the environment."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorities: str = ""  # path of a file; empty for those of this machine
    certificate: str = ""  # path of the client's certificate, which may have its key in it
    key: str = ""  # path of the key otherwise
    resource: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""  # TRACEPARENT of W3C's Trace Context
    state: str = ""  # its TRACESTATE


def is_given(env: Mapping[str, str]) -> bool:
    """Return whether the environment names a collector, and does not turn traces off."""
    is_off = env.get("OTEL_TRACES_EXPORTER", "") == "none" or _is_disabled(env)
    return bool(_variable(env, "ENDPOINT")[1]) and not is_off


def collector(env: Mapping[str, str]) -> Collector:
    """Return the collector; raises ValueError with what is wrong, by the name of the variable."""
    name, endpoint = _variable(env, "ENDPOINT")
    url = endpoint if name.startswith(_PREFIXES[0]) else f"{endpoint.rstrip('/')}{_PATH}"
    if not endpoint:
        url = f"{_DEFAULT}{_PATH}"
    if not _is_url(url):
        raise ValueError(f"{name} is not a URL with http:// or https:// and a host.")
    name, protocol = _variable(env, "PROTOCOL")
    if protocol not in {"", _PROTOCOL}:
        raise ValueError(
            f"{name} is {protocol!r}, and warmbuild sends {_PROTOCOL} alone; set "
            f"{_PREFIXES[0]}PROTOCOL to that, and {_PREFIXES[0]}ENDPOINT to a collector that takes "
            "it."
        )
    name, text = _variable(env, "HEADERS")
    headers = pairs(text)
    if not all(_NAME.fullmatch(one) and _VALUE.fullmatch(headers[one]) for one in headers):
        raise ValueError(f"{name} holds what cannot be a header.")
    if _is_disabled(env):
        raise ValueError("OTEL_SDK_DISABLED is true, so the package sends nothing.")
    own = pairs(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    service = env.get("OTEL_SERVICE_NAME", "")
    return Collector(
        url=url,
        headers=headers,
        authorities=_variable(env, "CERTIFICATE")[1],
        certificate=_variable(env, "CLIENT_CERTIFICATE")[1],
        key=_variable(env, "CLIENT_KEY")[1],
        resource={**own, "service.name": service} if service else own,
        parent=env.get("TRACEPARENT", ""),
        state=env.get("TRACESTATE", ""),
    )


def without(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment without what OpenTelemetry reads."""
    return {
        name: value
        for name, value in env.items()
        if not name.startswith("OTEL_") and name not in {"TRACEPARENT", "TRACESTATE"}
    }


def secrets(headers: Iterable[str]) -> Iterator[str]:
    """Yield what may be secret in texts such as that of OTEL_EXPORTER_OTLP_HEADERS."""
    for text in headers:
        for value in (text, *pairs(text).values()):
            # The name of a scheme precedes its token.
            yield from (
                secret
                for secret in (value, value.rpartition(" ")[2])
                if len(secret) >= _SHORTEST_TOKEN
            )


def pairs(text: str) -> Mapping[str, str]:
    """Return the pairs of a text such as a=b,c=d%20e; what is no pair is left out."""
    found = (item.partition("=") for item in text.split(","))
    return {
        unquote(name.strip()): unquote(value.strip())
        for name, equals, value in found
        if equals and name.strip()
    }


def _variable(env: Mapping[str, str], suffix: str) -> tuple[str, str]:
    """Return the variable that counts, and its value."""
    names = [f"{prefix}{suffix}" for prefix in _PREFIXES]
    name = next(filter(env.get, names), names[-1])
    return name, env.get(name, "").strip()


def _is_disabled(env: Mapping[str, str]) -> bool:
    return env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _is_url(text: str) -> bool:
    try:
        found = urlsplit(text)
        return found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        return False
