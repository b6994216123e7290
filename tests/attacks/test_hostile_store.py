"""A server of records that wants the run's time, memory or keys, or to pass off another record.

The servers are true ones of this machine: S3, Azure Blob Storage, GitHub's cache service, and
registries.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.attacks.hostile import SECRET, Asked, Hostile, answer, head, hostile, in_time
from warmbuild import stores
from warmbuild.backends import BACKENDS
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.errors import RegistryError
from warmbuild.stores import artifact

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from warmbuild.registry.transports import Transport

RECORD: Final = b"a record"
# In base64, as Azure's keys are.
KEY: Final = "aHVudGVyMg=="
TOKEN: Final = "session-token"
ENV: Final = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
    "AZURE_STORAGE_KEY": KEY,
    "ACTIONS_RUNTIME_TOKEN": TOKEN,
}
# Options by backend; the server is at {}.
OPTIONS: Final = {
    "s3": ("bucket=b", "region=r", "endpoint_url={}", "use_path_style=true"),
    "azblob": ("account_url={}/a", "account_name=a"),
    "gha": ("url_v2={}",),
    "registry": (),
}
EVERY = pytest.mark.parametrize("backend", OPTIONS)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_READ", 0.6)
    monkeypatch.setattr(stores, "_WRITE", 0.6)


def plan(backend: str, server: Hostile, scheme: str = "http") -> CachePlan:
    url = f"{scheme}://{server.host}"
    options = tuple(option.format(url) for option in OPTIONS[backend])
    return CachePlan(backend=BACKENDS[backend], options=options)


def read(backend: str, server: Hostile, scheme: str = "http") -> bytes | None:
    place = server.ref if backend == "registry" else "cache-main"
    return stores.read(plan(backend, server, scheme), place, ENV, lambda _: server.client())


def write(backend: str, server: Hostile, scheme: str = "http") -> None:
    place = server.ref if backend == "registry" else "cache-main"
    cache = plan(backend, server, scheme)
    stores.write(cache, place, ENV, lambda _: server.client(), RECORD)


def found(url: str, key: str = "cache-main---record#1") -> Iterator[bytes]:
    """Yield an answer of GitHub's cache service, which has the record at a URL."""
    body = {"ok": True, "matched_key": key, "signed_download_url": url, "signed_upload_url": url}
    return answer(200, json.dumps(body).encode())


def got_a_key(server: Hostile) -> bool:
    """Say whether a server was sent a key, a token or a signature."""
    texts = [text for one in server.asked for pair in one.headers.items() for text in pair] + [
        one.path for one in server.asked
    ]
    secrets = (SECRET, KEY, TOKEN, "authorization", "security-token", "AWS4", "SharedKey")
    return any(secret.lower() in text.lower() for secret in secrets for text in texts)


@EVERY
@pytest.mark.usefixtures("_hurried")
def test_hold_the_run_by_a_record_of_single_bytes(backend: str) -> None:
    """The server sends a byte of the record now and then, and never the last one."""

    def slowly(server: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.method == "POST":
            return found(f"http://{server.host}/blob")
        beginning = iter([head(200, content_length="100000")])
        return itertools.chain(beginning, server.every(0.05, itertools.repeat(b" ")))

    with hostile(slowly) as server, in_time():
        with pytest.raises(RegistryError, match=r"within 1 s|in time"):
            read(backend, server)
        with pytest.raises(RegistryError, match=r"within 1 s|in time"):
            write(backend, server)


@EVERY
def test_fill_the_memory_with_a_record(backend: str) -> None:
    """The server sends a record without end."""

    def for_ever(server: Hostile, asked: Asked) -> Iterator[bytes]:
        if asked.method == "POST":
            return found(f"http://{server.host}/blob")
        if asked.path.startswith("/v2/me/app/manifests/"):
            return answer(200, artifact.pack(RECORD).manifest)
        return itertools.chain([head(200)], itertools.repeat(bytes(64 * 1024)))

    with hostile(for_ever) as server, in_time():
        with pytest.raises(RegistryError, match="it is larger than 1 MiB"):
            read(backend, server)
        assert server.sent < 16 * 1024 * 1024


@pytest.mark.parametrize("backend", ["s3", "azblob", "gha"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_take_the_keys_of_a_store_by_a_redirect(backend: str, status: int) -> None:
    """The server redirects a request, which has a signature or token, to another server."""
    with hostile(lambda _, __: answer(200, RECORD)) as thief:
        to = f"http://{thief.host}/"
        with hostile(lambda _, __: answer(status, location=to)) as server, in_time():
            with pytest.raises(RegistryError, match=f"says {status}$"):
                read(backend, server)
            with pytest.raises(RegistryError, match=f"says {status}$"):
                write(backend, server)
            assert not thief.asked


def test_take_the_token_of_a_job_by_a_signed_address() -> None:
    """GitHub's cache service is another one, and says that the record is on a server of theirs."""
    with hostile(lambda _, __: answer(200, RECORD)) as thief:
        url = f"http://{thief.host}/blob?sig=1"
        with hostile(lambda _, __: found(url)) as server, in_time():
            assert read("gha", server) == RECORD
            write("gha", server)
            assert [one.method for one in thief.asked] == ["GET", "PUT"]
            assert not got_a_key(thief)


@pytest.mark.parametrize("address", ["http://{}/blob", "//{}/blob", "file:///etc/passwd", ""])
def test_put_a_record_on_the_wire_without_tls(
    address: str, tls: ssl.SSLContext, trusted: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's cache service has TLS, and names an address of the record without it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted.verify))
    with hostile(lambda _, __: answer(200, RECORD)) as thief:
        url = address.format(thief.host)
        with hostile(lambda _, __: found(url), tls) as server, in_time():
            with pytest.raises(RegistryError, match="names no address of the entry with HTTPS"):
                read("gha", server, "https")
            with pytest.raises(RegistryError, match="names no address of the entry with HTTPS"):
                write("gha", server, "https")
            assert not thief.asked


def test_take_the_login_by_the_location_of_a_record() -> None:
    """The registry names an upload location of the record on another server."""
    with hostile(lambda _, __: answer(200)) as thief:

        def astray(_: Hostile, asked: Asked) -> Iterator[bytes]:
            if asked.method == "POST":
                return answer(202, location=f"http://{thief.host}/upload")
            return answer(404)

        with hostile(astray) as server, in_time():
            with pytest.raises(RegistryError, match="its upload location is another host"):
                write("registry", server)
            assert not thief.asked


def test_have_another_record_read_than_was_written() -> None:
    """The registry sends another record than the one whose digest the manifest has."""

    def other(_: Hostile, asked: Asked) -> Iterator[bytes]:
        is_manifest = "/manifests/" in asked.path
        return answer(200, artifact.pack(RECORD).manifest if is_manifest else b"another")

    said = "content that does not have the digest"
    with hostile(other) as server, in_time(), pytest.raises(RegistryError, match=said):
        read("registry", server)


def test_have_a_record_of_another_branch_read() -> None:
    """GitHub's cache service answers with an entry that was not asked for."""

    def other(server: Hostile, _: Asked) -> Iterator[bytes]:
        return found(f"http://{server.host}/blob", "cache-other---record#1")

    with hostile(other) as server, in_time():
        with pytest.raises(RegistryError, match="answers with another entry"):
            read("gha", server)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../../v2/_catalog", "", "sha256:" + "a" * 63, "sha256:" + "a" * 64 + "\n"],
)
def test_have_another_path_asked_for_by_a_digest(digest: str) -> None:
    """The manifest of a record names a digest that is none, and leads elsewhere in a path."""
    manifest = json.loads(artifact.pack(RECORD).manifest)
    manifest["config"]["digest"] = digest
    body = json.dumps(manifest).encode()
    with hostile(lambda _, __: answer(200, body)) as server, in_time():
        with pytest.raises(RegistryError, match="holds no record"):
            read("registry", server)
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[" * 1_000_000, b"\xff" * 1000, b'{"config": 1}', b"[]"])
@pytest.mark.parametrize("backend", ["registry", "gha"])
def test_have_a_record_overwrite_what_is_none(backend: str, body: bytes) -> None:
    """The server answers everything with something that has no meaning."""
    with hostile(lambda _, __: answer(200, body)) as server, in_time():
        with pytest.raises(RegistryError):
            write(backend, server)
        assert "PUT" not in {one.method for one in server.asked}


@EVERY
def test_write_a_line_into_the_log_by_a_refused_record(backend: str) -> None:
    """The server's error repeats what it was sent, with line breaks and 200 kB of text."""

    def repeat(_: Hostile, asked: Asked) -> Iterator[bytes]:
        said = "\n::set-output name=a::b\r\x1b[2J" + "".join(asked.headers.values())
        code = said + "x" * 200_000
        error = {"code": code, "msg": code, "errors": [{"code": said, "message": code}]}
        body = json.dumps(error).encode() + f"<Code>{code}</Code>".encode()
        return answer(403, body if asked.method == "GET" else json.dumps(error).encode())

    with hostile(repeat) as server, in_time():
        for does in (read, write):
            with pytest.raises(RegistryError) as raised:
                does(backend, server)
            said = str(raised.value)
            assert said.isprintable()
            assert len(said) < 1000
            assert "set-output" not in said or backend == "registry"
            assert not any(secret in said for secret in (SECRET, KEY, TOKEN, "AWS4", "SharedKey"))
