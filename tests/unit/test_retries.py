from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from warmbuild import buildx, plan, policy, retries
from warmbuild.context import RunContext
from warmbuild.progress import Failure, Progress
from warmbuild.retries import AnotherTry

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs import Inputs

PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main")


def planned(inputs: Inputs) -> plan.BuildPlan:
    return plan.make(inputs, PUSH, policy.decide(inputs, PUSH, plan.repository(inputs)))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, False),
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (413, False),
        (425, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
    ],
)
def test_which_status_passes(status: int, expected: bool) -> None:  # noqa: FBT001
    assert retries.status_passes(status) is expected


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            "failed to push r.io/a:1: unexpected status from HEAD request to "
            "http://r.io/v2/a/blobs/sha256:3: 500 Internal Server Error",
            id="a server's error, by BuildKit",
        ),
        pytest.param(
            "failed to authorize: failed to fetch oauth token: unexpected status from GET request "
            "to https://auth.r.io/token?scope=a: 503 Service Unavailable",
            id="a token service that is overloaded",
        ),
        pytest.param(
            'failed to do request: Put "http://r.io/v2/a/blobs/uploads/4?_state=x": read tcp '
            "10.0.0.2:4->10.0.0.3:5: read: connection reset by peer",
            id="a reset, by BuildKit",
        ),
        pytest.param(
            'failed to do request: Head "https://r.io/v2/": EOF', id="an end, by BuildKit"
        ),
        pytest.param("write tcp 10.0.0.2:4: write: broken pipe", id="a broken pipe"),
        pytest.param(
            'Get "https://r.io/v2/": net/http: TLS handshake timeout', id="a slow handshake"
        ),
        pytest.param("dial tcp 10.0.0.3:443: i/o timeout", id="a connection that hangs"),
        pytest.param("context deadline exceeded", id="a deadline"),
        pytest.param(
            "failed to push r.io/a:1: unknown: blob unknown to registry - sha256:1",
            id="a blob that is just being linked",
        ),
        pytest.param("failed to push r.io/a:1: unknown", id="the code UNKNOWN, by BuildKit"),
        pytest.param("unknown: unknown error", id="the code UNKNOWN, by the engine"),
        pytest.param(
            "toomanyrequests: You have reached your unauthenticated pull rate limit.",
            id="Docker Hub's limit",
        ),
        pytest.param("received unexpected HTTP status: 502 Bad Gateway", id="by the engine"),
        pytest.param(
            "lookup r.io on 10.0.0.1:53: server misbehaving", id="a name server's bad moment"
        ),
        pytest.param(
            "ConnectionResetError: [Errno 104] Connection reset by peer", id="a reset, by Python"
        ),
        pytest.param(
            "RemoteDisconnected: Remote end closed connection without response",
            id="an end, by Python",
        ),
        pytest.param(
            "IncompleteRead: IncompleteRead(1 bytes read, 1 more expected)",
            id="half a body, by Python",
        ),
        pytest.param("TimeoutError: timed out", id="a timeout, by Python"),
    ],
)
def test_an_error_that_passes(error: str) -> None:
    assert retries.passes(error)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("", id="nothing"),
        pytest.param("something that nobody knows", id="what nobody knows"),
        pytest.param("denied: requested access to the resource is denied", id="denied"),
        pytest.param("insufficient_scope: authorization failed", id="no right"),
        pytest.param("unknown: manifest invalid", id="a manifest that is refused"),
        pytest.param("repository name not known to registry: unknown name", id="no repository"),
        pytest.param(
            "unexpected status from PUT request to http://r.io/v2/a/manifests/1: 413 Request "
            "Entity Too Large: <html>the gateway's timeout page",
            id="a status that does not pass, with words that would",
        ),
        pytest.param(
            "failed to push r.io/a:1: failed to authorize: unexpected status from GET request to "
            "https://auth.r.io/token: 401 Unauthorized",
            id="a login that is wrong",
        ),
        pytest.param(
            "failed to push r.io/connection-reset/timeout:eof: denied", id="an image's name"
        ),
        pytest.param("dial tcp 127.0.0.1:9: connect: connection refused", id="nobody there"),
        pytest.param("dial tcp: lookup r.io on 10.0.0.1:53: no such host", id="no such host"),
        pytest.param("manifest for r.io/a:1 not found: manifest unknown", id="no such image"),
        pytest.param("tls: failed to verify certificate: x509: expired", id="a certificate"),
    ],
)
def test_an_error_that_stays(error: str) -> None:
    assert not retries.passes(error)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("Sat, 21 Nov 2026 08:00:07 GMT", 7.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
    ],
)
def test_how_long_a_registry_asks_to_wait(retry_after: str, expected: float | None) -> None:
    assert retries.asked_for(retry_after, "Sat, 21 Nov 2026 08:00:00 GMT") == expected


def test_a_point_in_time_says_nothing_without_the_registrys_clock() -> None:
    assert retries.asked_for("Sat, 21 Nov 2026 08:00:07 GMT", "") is None


@pytest.mark.parametrize(
    ("attempt", "retry_after", "first", "left", "expected"),
    [
        pytest.param(1, None, 2.0, math.inf, 2.0, id="the first pause"),
        pytest.param(2, None, 2.0, math.inf, 8.0, id="the second is longer"),
        pytest.param(3, None, 2.0, math.inf, None, id="the third attempt is the last"),
        pytest.param(1, 5.0, 2.0, math.inf, 5.0, id="as long as was asked for"),
        pytest.param(2, 5.0, 2.0, math.inf, 8.0, id="but growing"),
        pytest.param(1, 30.0, 2.0, math.inf, 30.0, id="the longest"),
        pytest.param(1, 3600.0, 2.0, math.inf, None, id="an hour is not waited for"),
        pytest.param(1, None, 0.5, 0.5, 0.5, id="just in time"),
        pytest.param(1, 1.0, 0.5, 0.9, None, id="longer than there is time"),
        pytest.param(1, None, 0.5, -1.0, None, id="too late already"),
    ],
)
def test_how_long_to_wait(
    attempt: int, retry_after: float | None, first: float, left: float, expected: float | None
) -> None:
    assert retries.pause(attempt, retry_after, first=first, left=left) == expected


RACE = Failure(
    title="exporting to image",
    error="failed to push r.io/a:1: unknown: blob unknown to registry",
    tail=(),
    source="",
)
BESIDE = AnotherTry(
    reason="the push failed for a reason that may pass (blob unknown to registry); once more in "
    "2 s, the cache after it",
    pause=2.0,
    export_after=True,
)
ALONE = AnotherTry(
    reason="the push failed for a reason that may pass (blob unknown to registry); once more in "
    "2 s",
    pause=2.0,
)
NEVER = AnotherTry(
    reason="no cache is written: this builder cannot; one of driver docker-container can",
    pause=0.0,
)
UNCLEAR = replace(RACE, error="failed to push r.io/a:1: unknown: ask the operator")
RETRIED = (
    "error: failed commit: unexpected status from PUT request to http://r.io/v2/: 502 Bad Gateway",
    "retrying in 4s",
)


@pytest.mark.parametrize(
    ("failure", "values", "expected"),
    [
        pytest.param(RACE, {}, BESIDE, id="a push beside an export"),
        pytest.param(RACE, {"cache": "read-only"}, ALONE, id="a push alone"),
        pytest.param(RACE, {"cache_to": "type=inline"}, BESIDE, id="beside an explicit export"),
        pytest.param(
            replace(RACE, error="failed to push: insufficient_scope: authorization failed"),
            {},
            None,
            id="a push that is forbidden",
        ),
        pytest.param(UNCLEAR, {}, None, id="a push that fails for nobody knows what"),
        pytest.param(
            replace(UNCLEAR, tail=RETRIED),
            {"cache": "off"},
            AnotherTry(
                reason="the push failed for a reason that may pass (ask the operator); once more "
                "in 2 s",
                pause=2.0,
            ),
            id="the same, and BuildKit had tried it again",
        ),
        pytest.param(
            replace(RACE, error="failed to push r.io/a:1: denied: no", tail=RETRIED),
            {},
            None,
            id="a push that is forbidden after a bad moment",
        ),
        pytest.param(
            replace(RACE, title="[2/3] RUN make", error="push: connection reset"),
            {},
            None,
            id="a step",
        ),
        pytest.param(
            Failure(
                title="",
                error="Cache export is not supported for the docker driver.",
                tail=(),
                source="",
            ),
            {},
            NEVER,
            id="a builder without exports",
        ),
    ],
)
def test_what_is_worth_another_try(
    parsed: Callable[..., Inputs],
    failure: Failure,
    values: dict[str, str],
    expected: AnotherTry | None,
) -> None:
    assert retries.another_try(planned(parsed(**values)), failure, 1) == expected


@pytest.mark.parametrize(("attempt", "expected"), [(1, 2.0), (2, 8.0), (3, None)])
def test_a_push_has_three_attempts_with_growing_pauses(
    parsed: Callable[..., Inputs], attempt: int, expected: float | None
) -> None:
    again = retries.another_try(planned(parsed()), RACE, attempt)
    assert (again.pause if again else None) == expected


def test_another_try_is_the_image_alone_and_then_the_cache(
    parsed: Callable[..., Inputs],
) -> None:
    decided = planned(parsed())
    image = buildx.build(plan.image_alone(decided), buildx.PLACEHOLDERS)
    assert "--cache-to" not in image
    assert "--push" in image
    cache = buildx.build(plan.cache_alone(decided), buildx.PLACEHOLDERS)
    assert "--cache-to" in cache
    assert cache[cache.index("--output") + 1] == "type=cacheonly"
    assert not {"--push", "--load", "--tag"} & set(cache)


@pytest.mark.parametrize(
    ("error", "values", "expected"),
    [
        pytest.param(
            "unexpected status: 500 Internal Server Error",
            {},
            AnotherTry(
                reason="the cache was not written for a reason that may pass (500 Internal Server "
                "Error); once more in 2 s",
                pause=2.0,
            ),
            id="a passing reason",
        ),
        pytest.param("401 Unauthorized", {}, None, id="one that stays"),
        pytest.param("", {}, None, id="none"),
        pytest.param(
            "500 Internal Server Error", {"cache_to": "type=gha"}, None, id="an explicit export"
        ),
    ],
)
def test_an_export_that_is_worth_another_try(
    parsed: Callable[..., Inputs],
    error: str,
    values: dict[str, str],
    expected: AnotherTry | None,
) -> None:
    at = "2026-11-21T05:00:00Z"
    vertex = {"digest": "d", "name": "exporting cache to registry", "started": at, "completed": at}
    progress = Progress()
    list(progress.feed(json.dumps({"vertexes": [vertex | {"error": error}]})))
    assert retries.exports_again(planned(parsed(**values)), progress) == expected


OWN = buildx.Boot(up=True, image="own", local=False, container=True, error="", output="")
COPY = replace(OWN, local=True)
GONE = replace(OWN, up=False, container=False, error="manifest unknown")
BUSY = replace(GONE, error="received unexpected HTTP status: 503 Service Unavailable")
BROKEN = replace(OWN, up=False, error="exit code 1")
MIRROR, MIRROR_COPY = replace(OWN, image="a"), replace(COPY, image="a")
MIRROR_GONE, OTHER_GONE = replace(GONE, image="a"), replace(GONE, image="b")


@pytest.mark.parametrize(
    ("boots", "mirrors", "expected"),
    [
        pytest.param([OWN], ["a"], None, id="its own image is there"),
        pytest.param([BROKEN], ["a"], None, id="no other image would help"),
        pytest.param([COPY], [], None, id="a copy will do where there are no mirrors"),
        pytest.param([GONE], [], None, id="no image and no mirror"),
        pytest.param([GONE], ["a"], ("a", 0.0), id="a mirror follows"),
        pytest.param([COPY], ["a"], ("a", 0.0), id="a mirror is better than a copy"),
        pytest.param([GONE, MIRROR], ["a", "b"], None, id="the mirror has it"),
        pytest.param([GONE, MIRROR_GONE], ["a", "b"], ("b", 0.0), id="the next mirror follows"),
        pytest.param([COPY, MIRROR_GONE], ["a"], ("own", 0.0), id="a copy of its own is left"),
        pytest.param([COPY, MIRROR_GONE, COPY], ["a"], None, id="and stands"),
        pytest.param(
            [GONE, MIRROR_COPY, OTHER_GONE], ["a", "b"], ("a", 0.0), id="a mirror's copy is left"
        ),
        pytest.param([GONE, MIRROR_COPY], ["a"], None, id="the last one's copy stands"),
        pytest.param([GONE, MIRROR_GONE], ["a"], None, id="nobody has one"),
        pytest.param([BUSY], [], ("", 1.0), id="once more after a second"),
        pytest.param([BUSY, BUSY], [], ("", 4.0), id="and after four"),
        pytest.param([BUSY, BUSY, BUSY], [], None, id="and then no more"),
        pytest.param([BUSY, MIRROR_GONE], ["a"], ("", 1.0), id="all of them once more"),
        pytest.param(
            [BUSY, MIRROR_GONE, GONE, MIRROR_GONE], ["a"], None, id="what passed left no hope"
        ),
    ],
)
def test_which_image_follows(
    boots: list[buildx.Boot], mirrors: list[str], expected: tuple[str, float] | None
) -> None:
    assert retries.next_image(boots, mirrors, left=60.0) == expected


def test_no_image_is_tried_again_when_the_time_is_up() -> None:
    assert retries.next_image([BUSY], [], left=0.5) is None
    assert retries.next_image([BUSY], ["a"], left=0.5) == ("a", 0.0)
