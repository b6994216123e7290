"""A registry that wants the run's time, memory or login, or to be believed more than it is due.

Each registry here is a true server of this machine, and the client is warmbuild's own.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.attacks.hostile import (
    HELD,
    PATIENCE,
    SECRET,
    Asked,
    Hostile,
    answer,
    head,
    hostile,
    in_time,
)
from tests.integration import authority
from warmbuild.cache import probe, records
from warmbuild.cache.merging import Merged
from warmbuild.cache.probe import Found, NotACache, Refused, Silent
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login
from warmbuild.registry import client
from warmbuild.registry.client import Registry
from warmbuild.registry.transports import Transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
# Bytes that may be on their way, in buffers of the kernel, when a client hangs up.
ON_ITS_WAY = 16 * 1024 * 1024
MERGED = Merged(
    config=b"{}",
    config_digest=probe.digest_of(b"{}"),
    manifest=b"{ }",
    digest=probe.digest_of(b"{ }"),
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


def challenge(realm: str) -> Iterator[bytes]:
    return answer(401, www_authenticate=f'Bearer realm="{realm}",service="r"')


def test_hold_the_login_by_a_body_of_single_bytes(tls: ssl.SSLContext, trusted: Transport) -> None:
    """The registry sends a byte before each limit of a single wait, and never the last one."""

    def slowly(registry: Hostile, _: Asked) -> Iterator[bytes]:
        yield head(200, content_length="100000")
        yield from registry.every(0.05, itertools.repeat(b" "))

    with hostile(slowly, tls) as registry, in_time():
        with pytest.raises(RegistryError, match="does not answer within 1 s"):
            registry.client(transport=trusted).check_login()
        assert registry.hung_up.wait(HELD)


def test_hold_the_login_by_headers_of_single_bytes() -> None:
    """The registry sends its headers a byte at a time."""

    def slowly(registry: Hostile, _: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nX-Filler: "
        yield from registry.every(0.05, itertools.repeat(b"a"))

    with hostile(slowly) as registry, in_time():
        with pytest.raises(RegistryError, match="does not answer within 1 s"):
            registry.client().check_login()
        assert registry.hung_up.wait(HELD)


def test_hold_the_login_by_interim_answers() -> None:
    """The registry says 100 Continue without end, as fast as it can."""

    def for_ever(_: Hostile, __: Asked) -> Iterator[bytes]:
        return itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with hostile(for_ever) as registry, in_time():
        with pytest.raises(RegistryError, match="does not answer within 1 s"):
            registry.client().check_login()
        assert registry.hung_up.wait(HELD)


def test_hold_the_login_by_trailers_without_end() -> None:
    """The registry ends its body, but never what may follow a body."""

    def for_ever(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield head(200, transfer_encoding="chunked") + b"0\r\n"
        yield from itertools.repeat(b"X-Trailer: a\r\n" * 100)

    with hostile(for_ever) as registry, in_time():
        with pytest.raises(RegistryError, match="does not answer within 1 s"):
            registry.client().check_login()
        assert registry.hung_up.wait(HELD)


def test_hold_the_login_by_its_token_service() -> None:
    """The registry answers at once, and the service that it names never does."""

    def slowly(registry: Hostile, _: Asked) -> Iterator[bytes]:
        yield head(200, content_length="100000")
        yield from registry.every(0.05, itertools.repeat(b" "))

    with (
        hostile(slowly) as service,
        hostile(lambda _, __: challenge(f"http://{service.host}/token")) as registry,
        in_time(),
    ):
        with pytest.raises(RegistryError, match="does not answer within 1 s"):
            registry.client().check_login()
        assert service.hung_up.wait(HELD)


def test_hold_the_run_by_an_upload() -> None:
    """The registry takes a merged cache, and confirms it a byte at a time."""

    def slowly(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.method == "POST":
            yield from answer(202, location="/v2/me/app/blobs/uploads/1")
        yield b"HTTP/1.1 "
        yield from registry.every(0.05, itertools.repeat(b"2"))

    with hostile(slowly) as registry, in_time():
        with pytest.raises(RegistryError, match=r"is not written: .* does not answer within 1 s"):
            registry.client().write(registry.ref, MERGED)
        assert registry.hung_up.wait(HELD)


def test_hold_the_probe_by_redirects_in_a_circle() -> None:
    """The registry redirects to itself for ever."""

    def around(_: Hostile, asked: Asked) -> Iterator[bytes]:
        return answer(307, location=asked.path + "x")

    with hostile(around) as registry, in_time():
        found = registry.client().answer(registry.ref)
        assert isinstance(found, Refused)
        assert "redirects more than 10 times" in found.reason
        assert len(registry.asked) == 11


def test_hold_the_probe_by_an_index_of_thousands_of_images() -> None:
    """The ref holds an index of ten thousand images, each of which would be fetched."""
    entries = [{"digest": probe.digest_of(str(at).encode())} for at in range(10_000)]
    index = json.dumps({"manifests": entries}).encode()

    def images(_: Hostile, asked: Asked) -> Iterator[bytes]:
        return answer(200, index) if asked.path.endswith("cache-main") else answer(404)

    with hostile(images) as registry, in_time():
        registry.client(client.PROBE).answer(registry.ref)
        assert len(registry.asked) < 40


def test_fill_the_memory_with_a_token() -> None:
    """The token service answers with gigabytes."""

    def for_ever(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if not asked.path.startswith("/token"):
            yield from challenge(f"http://{registry.host}/token")
            return
        yield head(200, content_length=str(10**10)) + b'{"token": "'
        yield from itertools.repeat(b"a" * 65536)

    with hostile(for_ever) as registry, in_time():
        with pytest.raises(RegistryError, match="refuses the login of 'me': 401"):
            registry.client(client.LOGIN).check_login()
        assert registry.hung_up.wait(HELD)
        assert registry.sent < ON_ITS_WAY


def test_fill_the_memory_with_the_length_of_a_chunk() -> None:
    """The registry sends a line that never ends where the length of a chunk is read."""

    def for_ever(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield head(200, transfer_encoding="chunked")
        yield from itertools.repeat(b"0" * 65536)

    with hostile(for_ever) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert isinstance(found, Silent)
        assert registry.hung_up.wait(HELD)
        assert registry.sent < ON_ITS_WAY


def test_fill_the_memory_with_a_compressed_manifest() -> None:
    """The registry sends 40 MB of spaces as 200 kB, though nothing compressed was asked for."""
    bomb = gzip.compress(b" " * 40_000_000, compresslevel=1)

    def compressed(_: Hostile, __: Asked) -> Iterator[bytes]:
        return answer(200, bomb, content_encoding="gzip")

    with hostile(compressed) as registry, in_time():
        patient = registry.client(client.PROBE)
        patient.answer(registry.ref)
        tracemalloc.start()
        found = patient.answer(registry.ref)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(found, NotACache | Refused)
        assert peak < 20_000_000
        assert registry.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("filler", ["a" * 60_000, 'a="' * 20_000, "a=" * 30_000])
def test_freeze_the_probe_with_a_long_challenge(filler: str) -> None:
    """The registry sends a challenge on which a pattern would work for half a minute."""

    def long(_: Hostile, __: Asked) -> Iterator[bytes]:
        return answer(401, www_authenticate=f"Bearer {filler}")

    with hostile(long) as registry, in_time():
        assert isinstance(registry.client(client.PROBE).answer(registry.ref), Refused)


def test_freeze_the_probe_with_a_long_status_line() -> None:
    """The registry answers with a word of 64 kB, which then is a part of the error's text."""

    def long(_: Hostile, __: Asked) -> Iterator[bytes]:
        yield b"a" * 65_000 + b"\r\n"

    with hostile(long) as registry, in_time():
        assert isinstance(registry.client(client.PROBE).answer(registry.ref), Silent)


@pytest.mark.parametrize(
    "token",
    [b"[]", b"3", b'"token"', b"[" * 500_000, b'{"token":' * 90_000, b"\xff\xfe", b"9" * 9000],
    ids=lambda token: repr(token[:9]),
)
def test_crash_the_login_with_a_token_that_is_none(token: bytes) -> None:
    """The token service answers with JSON of a shape that nobody expects."""

    def odd(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.path.startswith("/token"):
            return answer(200, token)
        return challenge(f"http://{registry.host}/token")

    refused = pytest.raises(RegistryError, match="refuses the login of 'me'")
    with hostile(odd) as registry, in_time(), refused:
        registry.client(client.LOGIN).check_login()


def test_put_a_header_of_their_own_into_the_next_request() -> None:
    """The token service gives a token with a line break in it."""

    def odd(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.path.startswith("/token"):
            return answer(200, json.dumps({"token": "a\r\nX-Evil: 1"}).encode())
        return challenge(f"http://{registry.host}/token")

    with hostile(odd) as registry, in_time():
        with pytest.raises(RegistryError, match="refuses the login of 'me'"):
            registry.client(client.LOGIN).check_login()
        assert not any("x-evil" in asked.headers for asked in registry.asked)


def test_take_the_login_by_a_redirect() -> None:
    """The registry asks for the login, and redirects the request with it to another server."""

    def away(_: Hostile, asked: Asked) -> Iterator[bytes]:
        if "authorization" in asked.headers:
            return answer(307, location=f"http://{thief.host}/v2/")
        return answer(401, www_authenticate="Basic realm=r")

    with (
        hostile(lambda _, __: answer(200, b"{}")) as thief,
        hostile(away) as registry,
        in_time(),
    ):
        registry.client(client.LOGIN).check_login()
        assert registry.got_a_login
        assert thief.asked
        assert not thief.got_a_login


def test_take_an_identity_token_by_a_redirect() -> None:
    """The token service redirects the request that has the login in its body."""

    def away(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.path.startswith("/token"):
            return answer(307, location=f"http://{thief.host}/token")
        return challenge(f"http://{registry.host}/token")

    with (
        hostile(lambda _, __: answer(200, b'{"token": "t"}')) as thief,
        hostile(away) as registry,
        in_time(),
    ):
        login = Login(host=registry.host, username=IDENTITY_TOKEN, password=SECRET)
        with pytest.raises(RegistryError, match="refuses the login"):
            Registry(registry.host, login, None, PATIENCE).check_login()
        assert registry.got_a_login
        assert not thief.asked


def test_take_the_login_by_the_location_of_an_upload() -> None:
    """The registry names an upload location at another port of its host."""

    def elsewhere(_: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.method == "POST" and "authorization" in asked.headers:
            return answer(202, location=f"http://{thief.host}/v2/me/app/blobs/uploads/1")
        return answer(401, www_authenticate="Basic realm=r")

    with (
        hostile(lambda _, __: answer(201)) as thief,
        hostile(elsewhere) as registry,
        in_time(),
    ):
        with pytest.raises(RegistryError, match="its upload location is another host"):
            registry.client(client.PROBE).write(registry.ref, MERGED)
        assert registry.got_a_login
        assert not thief.asked


def test_take_the_login_by_an_upload_without_tls(tls: ssl.SSLContext, trusted: Transport) -> None:
    """The registry names an upload location at its own host and port, but with http."""

    def plain(registry: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.method == "POST":
            return answer(202, location=f"http://{registry.host}/v2/me/app/blobs/uploads/1")
        return answer(201)

    with hostile(plain, tls) as registry, in_time():
        with pytest.raises(RegistryError, match="its upload location is another host"):
            registry.client(client.PROBE, trusted).write(registry.ref, MERGED)
        assert [asked.method for asked in registry.asked] == ["POST"]


def test_take_the_login_by_a_token_service_without_tls(
    tls: ssl.SSLContext, trusted: Transport
) -> None:
    """A registry with TLS names a token service without it."""
    with (
        hostile(lambda _, __: answer(200, b'{"token": "t"}')) as thief,
        hostile(lambda _, __: challenge(f"http://{thief.host}/token"), tls) as registry,
        in_time(),
    ):
        with pytest.raises(RegistryError, match="names a token service without HTTPS"):
            registry.client(client.LOGIN, trusted).check_login()
        assert not thief.asked


def test_put_a_manifest_on_the_wire_without_tls(tls: ssl.SSLContext, trusted: Transport) -> None:
    """A registry with TLS redirects the probe of a tag to a server without it."""
    with (
        hostile(lambda _, __: answer(200, b"{}")) as listener,
        hostile(lambda _, __: answer(302, location=f"http://{listener.host}/"), tls) as registry,
        in_time(),
    ):
        found = registry.client(client.PROBE, trusted).answer(registry.ref)
        assert isinstance(found, Refused)
        assert "redirects from HTTPS" in found.reason
        assert not listener.asked


def _cache(config: bytes, **changed: str) -> bytes:
    described = {"mediaType": records.CONFIG_TYPE, "digest": probe.digest_of(config)}
    return json.dumps({"config": {**described, **changed}, "layers": []}).encode()


def test_serve_another_configuration_than_the_manifest_names() -> None:
    """The manifest is honest, and the configuration behind its digest is not."""

    def other(_: Hostile, asked: Asked) -> Iterator[bytes]:
        return answer(200, b'{"records": []}' if "blobs" in asked.path else _cache(b"{}"))

    with hostile(other) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert isinstance(found, Refused)
        assert "does not have the digest" in found.reason


def test_have_another_manifest_pinned_than_was_read() -> None:
    """The registry sends a harmless manifest and says that it has the digest of another one."""
    said = probe.digest_of(b"poisoned")

    def other(_: Hostile, asked: Asked) -> Iterator[bytes]:
        body = b"{}" if "blobs" in asked.path else _cache(b"{}")
        return answer(200, body, docker_content_digest=said)

    with hostile(other) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert found == Refused(
            f"the registry {registry.host} answers with content that does not have the digest "
            f"{said}"
        )


def test_have_the_login_used_on_another_repository() -> None:
    """A manifest that anyone could push names its configuration `../../../other/blobs/…`."""
    place = f"../../../../v2/other/secret/blobs/{probe.digest_of(b'{}')}"

    def led(_: Hostile, asked: Asked) -> Iterator[bytes]:
        return answer(200, b"{}" if "blobs" in asked.path else _cache(b"{}", digest=place))

    with hostile(led) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert found == Refused("its configuration could not be fetched")
        assert len(registry.asked) == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_pass_for_the_registry_by_an_authority_of_the_environment(
    tls: ssl.SSLContext,
    trusted: Transport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """The environment trusts an authority that `ca` of the daemon's configuration does not."""
    monkeypatch.setenv(variable, str(trusted.verify))
    transport = Transport(verify=str(authority.make(tmp_path) / "server" / "ca.pem"))
    with hostile(lambda _, __: answer(200, b"{}"), tls) as registry, in_time():
        with pytest.raises(RegistryError, match="has a certificate that is not trusted here"):
            registry.client(client.LOGIN, transport).check_login()
        assert not registry.asked


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("own", [False, True], ids=["insecure", "ca"])
def test_keep_a_registry_from_being_reached_by_a_bundle_of_the_environment(
    tls: ssl.SSLContext,
    trusted: Transport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: bool,  # noqa: FBT001
) -> None:
    """The environment names a bundle, which must not replace `ca` and `insecure` for the daemon."""
    other = authority.make(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other / "server" / "ca.pem"))
    transport = trusted if own else Transport(verify=False)
    with hostile(lambda _, __: answer(200, b"{}"), tls) as registry, in_time():
        registry.client(client.LOGIN, transport).check_login()
        assert registry.asked


def test_write_a_line_into_the_log_by_an_error() -> None:
    """The registry's error has line breaks, control characters and 200 kB of text."""
    message = "\n::set-output name=a::b\r##[error]\x1b[2J\u202e" + "x" * 200_000
    errors = json.dumps({"errors": [{"code": message, "message": message}] * 2}).encode()
    with hostile(lambda _, __: answer(403, errors)) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert isinstance(found, Refused)
        assert found.reason.isprintable()
        assert len(found.reason) < 1000


def test_freeze_the_plan_with_the_chains_of_a_configuration() -> None:
    """A cache of 900 kB has layers upon each other, and a result for each: a billion steps."""
    count = 8_500
    layers = [{"blob": f"sha256:{at}", "parent": at - 1} for at in range(count)]
    steps = [
        {"digest": "sha256:s", "layers": [{"layer": at}], "inputs": [[{"link": at - 1}]]}
        for at in range(count)
    ]
    config = json.dumps({"layers": layers, "records": steps}, separators=(",", ":")).encode()
    assert 900_000 < len(config) < probe.LARGEST

    def deep(_: Hostile, asked: Asked) -> Iterator[bytes]:
        return answer(200, config if "blobs" in asked.path else _cache(config))

    with hostile(deep) as registry, in_time():
        found = registry.client(client.PROBE).answer(registry.ref)
        assert isinstance(found, Found)
        assert len(found.records[0].records) == count
        records.contradict(found.records[0], found.records[0])
