from __future__ import annotations

import pytest

from warmbuild.report import collector
from warmbuild.report.collector import Collector

BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Collector(url="http://localhost:4318/v1/traces")),
        (BASE, Collector(url="http://c:4318/v1/traces")),
        (
            {**BASE, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/in"},
            Collector(url="https://t/in"),
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20x, api-key=y",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/c.pem",
                "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/k.pem",
                "OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb,nothing,service.name=x",
                "OTEL_SERVICE_NAME": "shop",
                "TRACEPARENT": "00-1-2-01",
                "TRACESTATE": "x=y",
            },
            Collector(
                url="http://localhost:4318/v1/traces",
                headers={"authorization": "Bearer x", "api-key": "y"},
                authorities="/ca.pem",
                certificate="/c.pem",
                key="/k.pem",
                resource={"team": "a,b", "service.name": "shop"},
                parent="00-1-2-01",
                state="x=y",
            ),
        ),
    ],
    ids=["nothing", "a base", "a URL for traces", "everything else"],
)
def test_what_the_variables_say(env: dict[str, str], expected: Collector) -> None:
    assert collector.collector(env) == expected


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:99999"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({**BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({**BASE, "OTEL_EXPORTER_OTLP_HEADERS": "a=b%0D%0Ac"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        ({**BASE, "OTEL_EXPORTER_OTLP_HEADERS": "a b=hunter2"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        ({**BASE, "OTEL_SDK_DISABLED": "True"}, "OTEL_SDK_DISABLED"),
    ],
)
def test_what_is_wrong_with_them(env: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named} ") as caught:
        collector.collector(env)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, False),
        (BASE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/in"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://t/in"}, False),
        ({**BASE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**BASE, "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_whether_the_environment_asks_for_traces(env: dict[str, str], *, expected: bool) -> None:
    assert collector.is_given(env) is expected


def test_other_programs_get_nothing_of_it() -> None:
    env = {**BASE, "OTEL_EXPORTER_OTLP_HEADERS": "a=b", "TRACEPARENT": "x", "TRACESTATE": "y"}
    assert collector.without({**env, "PATH": "/bin"}) == {"PATH": "/bin"}


def test_a_token_is_secret_with_and_without_its_scheme_and_as_it_is_written() -> None:
    text = "authorization=Bearer%20hunter2hunter2,tenant=a"
    assert list(collector.secrets([text])) == [
        *(text, text),
        *("Bearer hunter2hunter2", "hunter2hunter2"),
    ]
    assert "hunter2" not in repr(collector.collector({"OTEL_EXPORTER_OTLP_HEADERS": text}))
