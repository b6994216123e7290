from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.foreign import check_linear, shapes
from warmbuild import refs
from warmbuild.cache import probe
from warmbuild.cache.merging import Merged
from warmbuild.cache.probe import Found, Missing, NotACache, Refused, Silent
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.registry import client, transports
from warmbuild.registry.client import Registry, ask
from warmbuild.registry.transports import Transport, is_loopback
from warmbuild.vendors import harbor

if TYPE_CHECKING:
    from collections.abc import Iterator

    Answer = tuple[int, dict[str, str], str]

REF = refs.parse("r.io/me/app:cache-main")
LOGIN = Login(host="r.io", username="me", password='it\'s "pa:ss"')
IDENTITY = Login(host="r.io", username="<token>", password="refresh")
CONFIG_TYPE = "application/vnd.buildkit.cacheconfig.v0"
RECORDS = json.dumps({"layers": [], "records": [{"digest": "sha256:r"}]})
DIGEST = probe.digest_of(RECORDS.encode())
CONFIG = {"mediaType": CONFIG_TYPE, "digest": DIGEST, "size": 30}
CACHE = json.dumps({"config": CONFIG, "layers": []})
BLOB = f"https://r.io/v2/me/app/blobs/{DIGEST}"
IMAGE = json.dumps({"config": {"mediaType": "application/vnd.oci.image.config.v1+json"}})


class FakeRegistry:
    """A registry that behaves: challenges, tokens for a scope, manifests, the errors of the API."""

    def __init__(self, mocked: responses.RequestsMock, kind: str, host: str = "r.io") -> None:
        self.kind = kind
        self.manifests = {DIGEST: RECORDS}
        self.requests: list[str] = []
        self.users = {"me": LOGIN.password}
        anything = re.compile(rf"https?://{re.escape(host)}/v2/.*")
        mocked.add_callback(responses.GET, anything, self.get)
        realm = re.compile(r"https://auth\.io/token.*")
        mocked.add_callback(responses.GET, realm, self.token)
        mocked.add_callback(responses.POST, realm, self.exchange)

    def get(self, request: requests.PreparedRequest) -> Answer:
        path = urlsplit(request.url or "").path
        self.requests.append(path)
        match = re.fullmatch(r"/v2/(.+)/(?:manifests|blobs)/(.+)", path)
        scope = f"repository:{match[1]}:pull" if match else ""
        if not self.allows(request.headers.get("Authorization", ""), scope):
            challenge = {
                "bearer": f'Bearer realm="https://auth.io/token",service="r.io",scope="{scope}"',
                "basic": 'Basic realm="r"',
                "odd": "Negotiate",
            }[self.kind]
            return self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        if not match:
            return (200, {}, "{}")
        body = self.manifests.get(match[2])
        if body is None:
            return self.error(404, "MANIFEST_UNKNOWN")
        return (200, {}, body)

    def allows(self, authorization: str, scope: str) -> bool:
        if self.kind == "open":
            return True
        if self.kind == "bearer":
            return authorization == f"Bearer for {scope}"
        pair = base64.b64decode(authorization.removeprefix("Basic ") or "").decode()
        user, _, password = pair.partition(":")
        return bool(user) and self.users.get(user) == password

    def token(self, request: requests.PreparedRequest) -> Answer:
        query = parse_qs(urlsplit(request.url or "").query)
        pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        user, _, password = pair.partition(":")
        if self.users.get(user) != password:
            return self.error(401, "DENIED")
        return (200, {}, json.dumps({"token": f"for {query.get('scope', [''])[0]}"}))

    def exchange(self, request: requests.PreparedRequest) -> Answer:
        assert isinstance(request.body, bytes)
        form = parse_qs(request.body.decode())
        if form["refresh_token"] != ["refresh"]:
            return self.error(401, "DENIED")
        return (200, {}, json.dumps({"access_token": f"for {form['scope'][0]}"}))

    @staticmethod
    def error(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
        body = {"errors": [{"code": code, "message": "not today"}]}
        return (status, headers or {}, json.dumps(body))


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(client, "time", clock)
    return clock


def aborted() -> requests.ConnectionError:
    """Return what requests raises for a connection that is reset: urllib3's error is inside."""
    error = requests.ConnectionError("Connection aborted.")
    error.__context__ = ConnectionResetError(104, "Connection reset by peer")
    return error


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_a_part_of_a_repository_is_fetched(mocked: responses.RequestsMock) -> None:
    FakeRegistry(mocked, "basic")
    registry = Registry("r.io", LOGIN, None)
    assert registry.fetch(REF, "blobs", DIGEST) == RECORDS.encode()
    assert registry.fetch(REF, "manifests", "cache-main") is None
    with pytest.raises(RegistryError, match=r"the registry r\.io says 401"):
        Registry("r.io", None, None).fetch(REF, "blobs", DIGEST)


def test_a_part_that_is_not_answered_is_said(mocked: responses.RequestsMock) -> None:
    mocked.get(BLOB, body=requests.ConnectTimeout("timed out"))
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", None, None).fetch(REF, "blobs", DIGEST)
    assert str(raised.value) == "the registry r.io cannot be reached within 2 s"


@pytest.mark.parametrize("kind", ["open", "bearer", "basic"])
def test_a_cache_is_found_through_every_challenge(
    mocked: responses.RequestsMock, kind: str
) -> None:
    fake = FakeRegistry(mocked, kind)
    fake.manifests["cache-main"] = CACHE
    found = Registry("r.io", LOGIN, None).answer(REF)
    assert isinstance(found, Found)
    assert found.digest == f"sha256:{hashlib.sha256(CACHE.encode()).hexdigest()}"
    assert found.manifest == CACHE.encode()
    assert [record.digest for one in found.records for record in one.records] == ["sha256:r"]


def test_an_identity_token_is_exchanged(mocked: responses.RequestsMock) -> None:
    fake = FakeRegistry(mocked, "bearer")
    fake.manifests["cache-main"] = CACHE
    assert isinstance(Registry("r.io", IDENTITY, None).answer(REF), Found)


def test_a_token_serves_for_its_scope_again(mocked: responses.RequestsMock) -> None:
    fake = FakeRegistry(mocked, "bearer")
    fake.manifests["cache-main"] = CACHE
    client = Registry("r.io", LOGIN, None)
    client.answer(REF)
    client.answer(REF)
    # The challenge, then a manifest and a configuration each time.
    assert len(fake.requests) == 5


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_registry_may_say_the_digest_of_its_answer(
    mocked: responses.RequestsMock, algorithm: str
) -> None:
    said = f"{algorithm}:{hashlib.new(algorithm, CACHE.encode()).hexdigest()}"
    headers = {"Docker-Content-Digest": said}
    mocked.get("https://r.io/v2/me/app/manifests/cache-main", body=CACHE, headers=headers)
    mocked.get(BLOB, body=RECORDS)
    found = Registry("r.io", None, None).answer(REF)
    assert isinstance(found, Found)
    assert found.digest == probe.digest_of(CACHE.encode())


@pytest.mark.parametrize(
    "said", ["sha256:own", "md5:1", "own", f"sha256:{'0' * 64}", "sha256:" + "x" * 500]
)
def test_a_registry_that_says_another_digest_is_not_trusted(
    mocked: responses.RequestsMock, said: str
) -> None:
    headers = {"Docker-Content-Digest": said}
    mocked.get("https://r.io/v2/me/app/manifests/cache-main", body=CACHE, headers=headers)
    assert Registry("r.io", None, None).answer(REF) == Refused(
        "the registry r.io answers with content that does not have the digest " + said[:300]
    )


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_content_that_is_asked_for_by_digest_must_have_it(
    mocked: responses.RequestsMock, kind: str
) -> None:
    digest = DIGEST if kind == "blobs" else probe.digest_of(CACHE.encode())
    mocked.get(f"https://r.io/v2/me/app/manifests/{REF.tag}", body=CACHE)
    mocked.get(f"https://r.io/v2/me/app/{kind}/{digest}", body=" " + CACHE)
    ref = REF if kind == "blobs" else replace(REF, digest=digest)
    assert Registry("r.io", None, None).answer(ref) == Refused(
        f"the registry r.io answers with content that does not have the digest {digest}"
    )


def test_nothing_is_missing(mocked: responses.RequestsMock) -> None:
    FakeRegistry(mocked, "open")
    assert Registry("r.io", None, None).answer(REF) == Missing()


@pytest.mark.parametrize(
    ("kind", "login"),
    [
        pytest.param("basic", None, id="no login"),
        pytest.param(
            "basic", Login(host="r.io", username="me", password="wrong"), id="a wrong login"
        ),
        pytest.param(
            "bearer",
            Login(host="r.io", username="me", password="wrong"),
            id="a token that is refused",
        ),
        pytest.param("odd", LOGIN, id="a challenge nobody knows"),
    ],
)
def test_a_refusal_is_told_in_the_registrys_words(
    mocked: responses.RequestsMock, kind: str, login: Login | None
) -> None:
    FakeRegistry(mocked, kind)
    found = Registry("r.io", login, None).answer(REF)
    assert found == Refused(
        "the registry r.io says 401 to GET /v2/me/app/manifests/cache-main (UNAUTHORIZED: not "
        "today); set username and password to a login that may read it: for r.io a user name and "
        "a password, with the right to pull and push"
    )
    assert "wrong" not in str(found)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            "<html>",
            (
                "403 to GET /v2/me/app/manifests/cache-main; r.io requires the right to pull and "
                "push for a cache: grant the login that, or set cache-repository to one that the "
                "login may read"
            ),
        ),
        (
            429,
            '{"errors": []}',
            (
                "429 to GET /v2/me/app/manifests/cache-main; r.io limits the number of requests: "
                "give a login by username and password, or set cache-repository to another "
                "registry"
            ),
        ),
        (500, '{"errors": [{"code": "X"}]}', "500 to GET /v2/me/app/manifests/cache-main (X)"),
    ],
)
def test_every_other_status_is_a_refusal(
    mocked: responses.RequestsMock, status: int, body: str, said: str
) -> None:
    mocked.get("https://r.io/v2/me/app/manifests/cache-main", status=status, body=body)
    assert Registry("r.io", None, None).answer(REF) == Refused(f"the registry r.io says {said}")


def test_whose_registry_it_is_may_be_told_by_the_challenge_alone(
    mocked: responses.RequestsMock,
) -> None:
    challenge = 'Bearer realm="https://auth.io/token",service="harbor-registry"'
    path = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.get(path, status=401, headers={"WWW-Authenticate": challenge})
    mocked.get("https://auth.io/token", json={"token": "t"})
    mocked.get(path, status=404)
    found = Registry("r.io", None, None).answer(REF)
    assert found == Missing()
    assert found.vendor is harbor.VENDOR


def test_a_refusal_tells_the_vendor_too(mocked: responses.RequestsMock) -> None:
    challenge = 'Bearer realm="https://auth.io/token",service="harbor-registry"'
    path = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.get(path, status=401, headers={"WWW-Authenticate": challenge})
    mocked.get("https://auth.io/token", json={"token": "t"})
    mocked.get(path, status=403)
    found = Registry("r.io", None, None).answer(REF)
    assert isinstance(found, Refused)
    assert found.vendor is harbor.VENDOR


def test_a_tag_that_is_refused_comes_with_advice(mocked: responses.RequestsMock) -> None:
    refused = {"errors": [{"code": "DENIED", "message": "permission_denied: write_package"}]}
    mocked.put("https://ghcr.io/v2/me/app/manifests/cache-main", status=403, json=refused)
    with pytest.raises(RegistryError) as raised:
        Registry("ghcr.io", None, None).retag(refs.parse("ghcr.io/me/app:cache-main"), Found("d"))
    assert str(raised.value).startswith(
        "ghcr.io/me/app:cache-main is not written: the registry ghcr.io says 403 to PUT "
        "/v2/me/app/manifests/cache-main (DENIED: permission_denied: write_package); GHCR "
        "requires permissions: packages: write in the job"
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (IMAGE, NotACache),
        ("garbage", NotACache),
        ("[1]", NotACache),
        (json.dumps({"manifests": [3], "config": 4}), NotACache),
        (CACHE + " " * probe.LARGEST, Refused),
    ],
)
def test_what_is_no_readable_cache(
    mocked: responses.RequestsMock, body: str, kind: type[object]
) -> None:
    FakeRegistry(mocked, "open").manifests["cache-main"] = body
    assert isinstance(Registry("r.io", None, None).answer(REF), kind)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (requests.ConnectionError(), "cannot be reached"),
        (requests.ConnectTimeout(), "cannot be reached within 2 s"),
        (requests.ReadTimeout(), "does not answer within 15 s"),
    ],
)
def test_silence_is_told(
    mocked: responses.RequestsMock, error: requests.RequestException, why: str
) -> None:
    mocked.get("https://r.io/v2/me/app/manifests/cache-main", body=error)
    assert Registry("r.io", None, None).answer(REF) == Silent(f"the registry r.io {why}")


@pytest.mark.parametrize(
    "token",
    [
        '{"token": 3}',
        "{}",
        "{",
        "[]",
        "3",
        "null",
        '"token"',
        "[" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        r'{"token": "a\r\nX-Other: b"}',
        r'{"token": "\ud800"}',
        "9" * 5000,
    ],
    ids=lambda token: token[:12],
)
@pytest.mark.parametrize("status", [200, 500])
def test_a_token_service_that_makes_no_sense(
    mocked: responses.RequestsMock, token: str, status: int
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.io/token"'}
    mocked.get("https://r.io/v2/me/app/manifests/cache-main", status=401, headers=challenge)
    mocked.get("https://auth.io/token", body=token, status=status)
    assert isinstance(Registry("r.io", LOGIN, None).answer(REF), Refused)


@pytest.mark.parametrize(
    "realm",
    ["", "token", "/token", "ftp://auth.io/token", "https://", "https://[", "https://u:p@auth.io/"],
)
def test_a_token_service_that_is_nowhere(mocked: responses.RequestsMock, realm: str) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    mocked.get("https://r.io/v2/", status=401, headers=challenge)
    with pytest.raises(RegistryError, match="refuses the login of 'me': 401 to GET /v2/"):
        Registry("r.io", LOGIN, None).check_login()
    assert len(mocked.calls) == 1


@pytest.mark.parametrize(("scheme", "asked"), [("https", 1), ("http", 2)])
def test_a_token_service_has_https_if_its_registry_has(
    mocked: responses.RequestsMock, scheme: str, asked: int
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://auth.io/token"'}
    mocked.get(f"{scheme}://r.io/v2/", status=401, headers=challenge)
    mocked.get("http://auth.io/token", status=403)
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", LOGIN, Transport(scheme=scheme)).check_login()
    assert len(mocked.calls) == asked
    without = "the registry r.io names a token service without HTTPS: http://auth.io/token"
    assert (str(raised.value) == without) is (scheme == "https")


def test_a_realm_may_have_a_query(mocked: responses.RequestsMock) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.io/token?a=1#x",service="r"'}
    mocked.get("https://r.io/v2/", status=401, headers=challenge)
    query = responses.matchers.query_param_matcher({"a": "1", "service": "r", "scope": "s"})
    mocked.get("https://auth.io/token", json={"token": "t"}, match=[query])
    mocked.get("https://r.io/v2/", json={})
    Registry("r.io", LOGIN, None).check_login("s")


UPLOADS = "https://r.io/v2/me/app/blobs/uploads/"


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("/v2/me/app/blobs/uploads/1?_state=x", f"{UPLOADS}1?_state=x&"),
        ("1", f"{UPLOADS}1?"),
        (f"{UPLOADS}1", f"{UPLOADS}1?"),
        ("https://R.IO:443/v2/me/app/blobs/uploads/1", f"{UPLOADS}1?"),
        ("//r.io/v2/me/app/blobs/uploads/1#there", f"{UPLOADS}1?"),
        ("", f"{UPLOADS}?"),
        ("http://r.io/v2/me/app/blobs/uploads/1", None),
        ("https://r.io:444/v2/me/app/blobs/uploads/1", None),
        ("https://evil.io/v2/me/app/blobs/uploads/1", None),
        ("//evil.io/v2/me/app/blobs/uploads/1", None),
        ("https://r.io@evil.io/v2/me/app/blobs/uploads/1", None),
        ("https://evil.io\\@r.io/v2/me/app/blobs/uploads/1", f"{UPLOADS}1?"),
        ("https://r.io:x/", None),
        ("https://[", None),
    ],
)
def test_an_upload_stays_where_it_began(
    mocked: responses.RequestsMock, location: str, followed: str | None
) -> None:
    mocked.post(UPLOADS, status=202, headers={"Location": location})
    mocked.put(re.compile(".*"), status=201)
    merged = Merged(config=b"{}", config_digest="sha256:c", manifest=b"{}", digest="sha256:m")
    if followed is None:
        with pytest.raises(RegistryError, match="its upload location is another host"):
            Registry("r.io", LOGIN, None).write(REF, merged)
        assert len(mocked.calls) == 1
    else:
        Registry("r.io", LOGIN, None).write(REF, merged)
        assert mocked.calls[1].request.url == f"{followed}digest=sha256:c"


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_only_content_with_a_digest_may_come_without_https(
    mocked: responses.RequestsMock, kind: str
) -> None:
    manifest = "https://r.io/v2/me/app/manifests/cache-main"
    away = {"Location": "http://cdn.io/x"}
    mocked.get("http://cdn.io/x", body=RECORDS)
    if kind == "manifests":
        mocked.get(manifest, status=307, headers=away)
        assert Registry("r.io", None, None).answer(REF) == Refused(
            "the registry r.io redirects from HTTPS to an address without it"
        )
    else:
        mocked.get(manifest, body=CACHE)
        mocked.get(BLOB, status=307, headers=away)
        assert isinstance(Registry("r.io", None, None).answer(REF), Found)


def test_a_write_that_is_led_away_is_not_trusted(mocked: responses.RequestsMock) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://auth.io/token"'}
    url = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.put(url, status=401, headers=challenge)
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", LOGIN, None).retag(REF, Found("d"))
    assert str(raised.value) == (
        "r.io/me/app:cache-main is not written: the registry r.io names a token service without "
        "HTTPS: http://auth.io/token"
    )


def test_a_write_that_gets_no_answer(mocked: responses.RequestsMock) -> None:
    url = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.put(url, body=requests.ConnectionError("refused"))
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", LOGIN, None).retag(REF, Found("d"))
    assert str(raised.value) == (
        "r.io/me/app:cache-main is not written: the registry r.io cannot be reached"
    )


def test_what_a_registry_says_is_told_in_one_short_line(mocked: responses.RequestsMock) -> None:
    message = "a\r\n::error::b\u202e\0" + "x" * 200_000
    url = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.get(url, status=500, json={"errors": [{"code": "DENIED", "message": message}] * 4})
    found = Registry("r.io", None, None).answer(REF)
    assert isinstance(found, Refused)
    assert "(DENIED: a ::error::b xxx" in found.reason
    assert found.reason.isprintable()
    assert len(found.reason) < 600


def test_a_header_that_is_too_long_counts_as_absent(mocked: responses.RequestsMock) -> None:
    challenge = 'Bearer realm="https://auth.io/token",a="' + "a" * 9000
    url = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.get(url, status=401, headers={"WWW-Authenticate": challenge})
    assert isinstance(Registry("r.io", LOGIN, None).answer(REF), Refused)
    assert len(mocked.calls) == 1


@pytest.mark.parametrize("kind", ["open", "bearer", "basic"])
def test_a_login_is_checked(mocked: responses.RequestsMock, kind: str) -> None:
    FakeRegistry(mocked, kind)
    Registry("r.io", LOGIN, None).check_login()


class TestScopes:
    """A login for a token of one scope; `r.io` gives the user me every token."""

    PUSH = "repository:me/app:pull,push"

    @staticmethod
    def client(scoped: Login) -> Registry:
        client = Registry("r.io", replace(LOGIN, password="wrong"), None)
        client.scoped = lambda scope: scoped if "me/app" in scope else None
        return client

    def test_it_is_used_for_its_scope(self, mocked: responses.RequestsMock) -> None:
        FakeRegistry(mocked, "bearer")
        client = self.client(replace(LOGIN, scope="me/app"))
        assert client.answer(REF) == Missing()
        with pytest.raises(RegistryError, match="refuses the login of 'me'"):
            client.check_login()

    def test_it_is_used_for_tokens_alone(self, mocked: responses.RequestsMock) -> None:
        FakeRegistry(mocked, "basic")
        client = self.client(replace(LOGIN, scope="me/app"))
        assert isinstance(client.answer(REF), Refused)
        with pytest.raises(RegistryError) as raised:
            client.check_login(self.PUSH)
        assert str(raised.value) == (
            "the registry r.io uses no tokens, and a login with a scope (me/app) only gets "
            "tokens. Give the login without its scope."
        )


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_a_wrong_login_is_refused(mocked: responses.RequestsMock, kind: str) -> None:
    FakeRegistry(mocked, kind)
    login = Login(host="r.io", username="me", password="wrong")
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", login, None).check_login()
    assert str(raised.value) == (
        "the registry r.io refuses the login of 'me': 401 to GET /v2/ (UNAUTHORIZED: not today). "
        "Check username, password and registry."
    )


def test_a_login_at_a_registry_that_is_not_there(mocked: responses.RequestsMock) -> None:
    mocked.get("https://r.io/v2/", body=requests.ConnectionError())
    with pytest.raises(RegistryError, match=r"the registry r\.io cannot be reached, and the image"):
        Registry("r.io", LOGIN, None).check_login()


def test_a_login_at_a_registry_that_stays_ill(mocked: responses.RequestsMock, clock: Clock) -> None:
    mocked.get("https://r.io/v2/", status=503, body='{"errors": [{"code": "UNAVAILABLE"}]}')
    said: list[str] = []
    with pytest.raises(RegistryError) as raised:
        Registry("r.io", LOGIN, None, client.LOGIN, said.append).check_login()
    assert str(raised.value) == (
        "the registry r.io says 503 to GET /v2/ (UNAVAILABLE), and the image is pushed there. "
        "This may be transient: run the job again later."
    )
    # Within the 30 s that a login has, if there is no more time to try again.
    assert clock.pauses == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert said == ["the registry r.io says 503; retrying"] * 5


def test_a_login_that_is_refused_is_tried_once(
    mocked: responses.RequestsMock, clock: Clock
) -> None:
    fake = FakeRegistry(mocked, "basic")
    with pytest.raises(RegistryError):
        Registry("r.io", replace(LOGIN, password="wrong"), None, client.LOGIN).check_login()
    assert fake.requests == ["/v2/", "/v2/"]
    assert clock.pauses == []


def test_a_login_whose_token_service_is_overloaded(
    mocked: responses.RequestsMock, clock: Clock
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.io/token"'}
    mocked.get("https://r.io/v2/", status=401, headers=challenge)
    mocked.get("https://auth.io/token", status=429, headers={"Retry-After": "7"})
    with pytest.raises(
        RegistryError, match=r"r\.io says 429 to GET /token, and the image is pushed"
    ):
        Registry("r.io", LOGIN, None, client.LOGIN).check_login()
    assert clock.pauses == [7.0, 7.0, 7.0]


def test_a_token_service_that_recovers(mocked: responses.RequestsMock, clock: Clock) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="https://auth.io/token"'}
    mocked.get("https://r.io/v2/", status=401, headers=challenge)
    mocked.get("https://auth.io/token", status=500)
    mocked.get("https://r.io/v2/", status=401, headers=challenge)
    mocked.get("https://auth.io/token", body='{"token": "x"}')
    mocked.get("https://r.io/v2/", body="{}")
    Registry("r.io", LOGIN, None, client.LOGIN).check_login()
    assert clock.pauses == [1.0]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (429, "says 429"),
        (500, "says 500"),
        (aborted(), "closes the connection early"),
        (requests.ReadTimeout("timed out"), "does not answer within 15 s"),
    ],
)
def test_a_probe_that_fails_once_is_made_again(
    mocked: responses.RequestsMock, clock: Clock, first: int | Exception, said: str
) -> None:
    url = "https://r.io/v2/me/app/manifests/cache-main"
    if isinstance(first, int):
        mocked.get(url, status=first)
    else:
        mocked.get(url, body=first)
    mocked.get(url, body=CACHE)
    mocked.get(BLOB, body=RECORDS)
    heard: list[str] = []
    assert isinstance(Registry("r.io", None, None, say=heard.append).answer(REF), Found)
    assert clock.pauses == [0.5]
    assert heard == [f"the registry r.io {said}; retrying"]


@pytest.mark.parametrize(
    ("retry_after", "pauses"),
    [
        pytest.param("", [0.5, 1.0], id="as the probe does"),
        pytest.param("1", [1.0, 1.0], id="as the registry asks"),
        pytest.param("3", [3.0], id="once, for there is no time for twice"),
        pytest.param("4", [], id="not at all, for nothing could be asked after it"),
        pytest.param("3600", [], id="an hour"),
    ],
)
def test_a_probe_waits_within_its_limit(
    mocked: responses.RequestsMock, clock: Clock, retry_after: str, pauses: list[float]
) -> None:
    url = "https://r.io/v2/me/app/manifests/cache-main"
    mocked.get(url, status=429, headers={"Retry-After": retry_after})
    assert isinstance(Registry("r.io", None, None).answer(REF), Refused)
    assert clock.pauses == pauses


def test_docker_hub_answers_elsewhere(mocked: responses.RequestsMock) -> None:
    fake = FakeRegistry(mocked, "open", host="registry-1.docker.io")
    fake.manifests["latest"] = CACHE
    found = Registry("docker.io", None, None).answer(refs.parse("app:latest"))
    assert isinstance(found, Found)


def test_all_are_asked_and_one_that_hangs_is_left_behind(
    mocked: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeRegistry(mocked, "open")
    fake.manifests["cache-main"] = CACHE
    monkeypatch.setattr(client, "PROBE", replace(client.PROBE, total=0.3))

    def registry_of(host: str) -> Registry:
        if host == "slow.io":
            time.sleep(2)
        return Registry(host, None, None)

    slow = refs.parse("slow.io/a:b")
    begun = time.monotonic()
    found = ask([REF, slow, REF], registry_of)
    assert time.monotonic() - begun < 1.5
    assert isinstance(found[REF], Found)
    assert found[slow] == Silent("the registry slow.io does not answer within 0 s")


# What the mock can send as a header.
HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60)
CHALLENGE = st.text('realmservicBB ="/:.,@[]https', max_size=60)


@settings(max_examples=60)
@given(HEADER | CHALLENGE, HEADER, shapes(["token", "access_token"]), shapes(["errors", "code"]))
def test_every_answer_of_a_registry_is_an_answer_or_a_refusal(
    challenge: str, header: str, token: object, errors: object
) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        anything = re.compile(".*")
        headers = {"Retry-After": header, "Location": header, "Docker-Content-Digest": header}
        for scheme in (challenge, f'Bearer realm="https://auth.io/{challenge}"'):
            named = headers | {"WWW-Authenticate": scheme}
            mocked.get(BLOB, status=500, json=errors, headers=named)
            url = "https://r.io/v2/me/app/manifests/cache-main"
            mocked.get(url, status=401, json=errors, headers=named)
            mocked.get(url, status=307, json=errors, headers=headers)
            mocked.get(url, body=CACHE, headers={"Content-Type": header})
            mocked.get(re.compile("https://auth.io/.*"), json=token)
            mocked.get(anything, status=403, json=errors)
            answer = Registry("r.io", LOGIN, None).answer(REF)
            assert isinstance(answer, Found | Missing | NotACache | Refused | Silent)
            with suppress(RegistryError):
                Registry("r.io", IDENTITY, None, client.LOGIN).check_login()
            mocked.reset()


@pytest.mark.parametrize("part", ["a", "a=", 'a="', 'a="b",', '"'])
def test_a_long_challenge_is_read_in_linear_time(part: str) -> None:
    check_linear(client.challenge, lambda count: part * count, 2000)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("r.io", False),
        ("10.0.0.1", False),
    ],
)
def test_plain_http_is_for_this_machine(host: str, expected: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("localhost:5000", True, id="localhost"),
        pytest.param("127.0.0.1:5000", True, id="the loopback interface"),
        pytest.param("127.8.9.1", True, id="all of it"),
        pytest.param("[::1]:5000", True, id="of IPv6"),
        pytest.param("registry:5000", True, id="a service of the job"),
        pytest.param("registry", True, id="a name alone"),
        pytest.param("10.1.2.3:80", True, id="RFC 1918, class A"),
        pytest.param("172.16.0.1", True, id="RFC 1918, class B"),
        pytest.param("172.31.255.254", True, id="its end"),
        pytest.param("172.32.0.1", False, id="behind its end"),
        pytest.param("192.168.1.1:5000", True, id="RFC 1918, class C"),
        pytest.param("[fd00::1]:5000", True, id="RFC 4193"),
        pytest.param("169.254.169.254", False, id="a link's own, as metadata services have"),
        pytest.param("0.0.0.0:5000", False, id="no address"),
        pytest.param("[2001:db8::1]", False, id="any of IPv6"),
        pytest.param("8.8.8.8", False, id="any"),
        pytest.param("ghcr.io", False, id="a name with a dot"),
        pytest.param("registry.internal:5000", False, id="also of a private domain"),
    ],
)
def test_what_may_be_another_server_elsewhere(host: str, *, expected: bool) -> None:
    assert transports.is_private(host) is expected


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("localhost:5000", "http", ("localhost", 5000)),
        ("localhost", "http", ("localhost", 80)),
        ("registry", "https", ("registry", 443)),
        ("[::1]:5000", "http", ("::1", 5000)),
    ],
)
def test_the_server_of_a_registry(host: str, scheme: str, expected: tuple[str, int]) -> None:
    assert transports.server(host, scheme) == expected


def test_buildkits_configuration_says_how_a_registry_is_reached(
    mocked: responses.RequestsMock,
) -> None:
    text = """
        [registry."plain.io"]
        http = true
        [registry."self.io"]
        insecure = true
        [registry."own.io"]
        ca = ["/own.pem"]
        [registry."docker.io"]
        mirrors = ["plain.io"]
    """
    found = transports.transports(text)
    assert found == {
        "plain.io": Transport(scheme="http"),
        "self.io": Transport(verify=False),
        "own.io": Transport(verify="/own.pem"),
        "docker.io": Transport(mirrors=("plain.io",)),
    }
    fake = FakeRegistry(mocked, "open", host="plain.io")
    Registry("plain.io", None, found["plain.io"]).answer(refs.parse("plain.io/a:b"))
    assert fake.requests == ["/v2/a/manifests/b"]


@pytest.mark.parametrize("text", ["", "[[[", "registry = 3", '[registry]\n"a.io" = 3'])
def test_a_configuration_that_says_nothing(text: str) -> None:
    assert transports.transports(text) == {}
