"""A collector of traces that means harm, or is broken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.attacks.hostile import Asked, Hostile, answer, head, hostile
from warmbuild.report import traces
from warmbuild.report.collector import Collector
from warmbuild.report.spans import TraceSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Warmbuild

TOKEN = "hunter2-hunter2"
SPAN = TraceSpan(name="run", parent=-1, begun=1, ended=2, attributes={})
PATIENCE = 0.6


def sent(collector: Hostile, path: str = "") -> tuple[str, float]:
    """Send a trace; return why that failed, and the seconds that it took."""
    to = Collector(url=f"http://{collector.host}{path}", headers={"authorization": TOKEN})
    begun = time.monotonic()
    why = traces.send(to, [SPAN], {"service.name": "warmbuild"}, PATIENCE)
    return why, time.monotonic() - begun


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load what a first trace imports, so that a test measures how long a collector holds it."""
    with hostile(lambda *_: answer(200)) as collector:
        assert sent(collector)[0] == ""


def _hang(_: Hostile, __: Asked) -> Iterator[bytes]:
    time.sleep(3 * PATIENCE)
    yield b""


def _trickle(server: Hostile, _: Asked) -> Iterator[bytes]:
    yield head(200, content_length="9999")
    yield from server.every(0.1, iter([b"x"] * 9999))


def _headers(server: Hostile, _: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX: "
    yield from server.every(0.1, iter([b"x"] * 9999))


@pytest.mark.parametrize("answers", [_hang, _trickle, _headers])
def test_hold_the_run_at_its_end(
    answers: Callable[[Hostile, Asked], Iterator[bytes]],
) -> None:
    """The collector does not answer, or sends a byte of its answer now and then."""
    with hostile(answers) as collector:
        why, seconds = sent(collector)
    assert why == "the collector does not answer within 1 s"
    assert seconds < 2 * PATIENCE


def test_fill_the_memory_with_an_answer_to_a_trace() -> None:
    """The collector answers without an end."""

    def endless(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield head(200)
        while True:
            yield b"x" * 65536

    with hostile(endless) as collector:
        _, seconds = sent(collector)
        assert collector.hung_up.wait(5)
    assert seconds < 2 * PATIENCE
    assert collector.sent < 64 * 1024 * 1024


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_take_the_token_of_the_collector_by_a_redirect(status: int) -> None:
    """The collector redirects the request, which has a token in its headers, to another server."""
    with hostile(lambda *_: answer(200)) as other:

        def redirects(_: Hostile, __: Asked) -> Iterator[bytes]:
            return answer(status, location=f"http://{other.host}/v1/traces")

        with hostile(redirects) as collector:
            why, _ = sent(collector)
    assert why == f"the collector answers {status}"
    assert other.asked == []


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[2J::error",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
        b"HTTP/1.1 401 hunter2-hunter2\r\nContent-Length: 15\r\n\r\nhunter2-hunter2",
        b"",
    ],
)
def test_write_a_line_into_the_log_by_the_answer_to_a_trace(reply: bytes) -> None:
    """The collector answers with what is no HTTP, or with an error that repeats the token."""

    def answers(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield reply

    with hostile(answers) as collector:
        why, _ = sent(collector)
    assert why.startswith("the collector ")
    assert why.isprintable()
    assert TOKEN not in why


def test_have_a_build_fail_by_its_trace(
    warmbuild: Warmbuild, small: Path, repository: str, name: str
) -> None:
    """The collector of a real run does not answer: not when the run ends, nor to buildx."""
    token = f"tok3n-{name}"

    def hang(server: Hostile, _: Asked) -> Iterator[bytes]:
        return server.every(60, iter([b"", b""]))

    with hostile(hang) as collector:
        extra: Mapping[str, str] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.host}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{token}",
        }
        ended = warmbuild.succeed(small, image=repository, extra=extra, cache="off")
    assert [asked.path for asked in collector.asked] == ["/v1/traces"]
    why = "the trace of this run is not sent: the collector does not answer within 5 s"
    assert ended.warnings == [f"warning: {why}"]
    assert why in ended.summary
    assert token not in ended.log


def test_read_the_token_of_the_collector_in_a_build(
    warmbuild: Warmbuild,
    project: Callable[..., Path],
    github: Callable[..., dict[str, str]],
    repository: str,
) -> None:
    """Their bake file makes the variable of the collector's headers an argument of a step."""
    place = project(
        "FROM busybox:1.37\nARG HEADERS\nRUN echo $HEADERS | rev\n",
        {
            "docker-bake.hcl": 'variable "OTEL_EXPORTER_OTLP_HEADERS" { default = "none" }\n'
            'target "default" { args = { HEADERS = OTEL_EXPORTER_OTLP_HEADERS } }\n'
        },
    )
    ended = warmbuild.succeed(
        place,
        image=repository,
        bake_files="docker-bake.hcl",
        ci=github("pull_request", "github-pull-request-from-fork.json", "refs/pull/42/merge"),
        extra={"OTEL_EXPORTER_OTLP_HEADERS": f"authorization={TOKEN}"},
        lint="false",
    )
    assert any(line.endswith(" enon") for line in ended.log.splitlines())
    # The log hides it, so it is printed backwards.
    assert TOKEN[::-1] not in ended.log
