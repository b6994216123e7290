"""A push or an export that fails for a reason that passes is tried once more."""

from __future__ import annotations

import http.client
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

# What the distribution registry 2.8 says to a manifest while one of its blobs is being linked.
BLOB_UNKNOWN = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}'
DENIED = b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'


def test_a_push_that_the_export_got_in_the_way_of(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    with relay(registry.host, times=1, status=400, body=BLOB_UNKNOWN) as host:
        ended = warmbuild.succeed(small, image=f"{host}/{name}")
    assert "warning: the push failed for a reason that may pass; once more" in ended.log
    commands = [text for _, text in ended.lines if text.startswith("+ docker buildx build ")]
    assert ["--cache-to" in command for command in commands] == [True, False, True]
    assert ["--push" in command for command in commands] == [True, True, False]
    registry.check_image(f"{registry.host}/{name}:main")
    registry.check_cache(f"{registry.host}/{name}:cache-main")
    assert registry.digest(f"{registry.host}/{name}:main") == ended.outputs["digest"]
    assert ended.outputs["cache-written"] == f"{host}/{name}:cache-main"
    # The steps ran in the first try, and the others only found them done.
    assert ended.outputs["cache-hits"] == "0"
    assert len(ended.executed) == 2


def test_a_push_that_is_denied_is_not_tried_again(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    with relay(registry.host, times=100, status=403, body=DENIED) as host:
        ended = warmbuild.build(small, image=f"{host}/{name}")
    assert ended.code == 5
    assert ended.log.count("+ docker buildx build ") == 1
    assert "the image is built and was not pushed" in ended.errors[0]


def test_an_export_that_failed_once(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    with relay(registry.host, of="cache", times=1, status=400, body=BLOB_UNKNOWN) as host:
        ended = warmbuild.succeed(small, image=f"{host}/{name}")
    assert ended.log.count("+ docker buildx build ") == 2
    assert "the image is out; now the cache alone" in ended.log
    registry.check_cache(f"{registry.host}/{name}:cache-main")
    assert ended.outputs["cache-written"] == f"{host}/{name}:cache-main"
    assert ended.warnings == []
    assert len(ended.executed) == 2


def test_an_export_that_fails_again_is_told(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    with relay(registry.host, of="cache", times=100, status=400, body=BLOB_UNKNOWN) as host:
        ended = warmbuild.succeed(small, image=f"{host}/{name}")
    assert ended.log.count("+ docker buildx build ") == 2
    assert ended.outputs["cache-written"] == ""
    (warning,) = ended.warnings
    assert f"no cache is written to {host}/{name}:cache-main: " in warning


@contextmanager
def relay(
    upstream: str, *, of: str = "image", times: int, status: int, body: bytes
) -> Iterator[str]:
    """Relay to a registry, but answer the first manifests of images or caches by an error.

    Yields the relay's host.
    """
    left = threading.Semaphore(times)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relayed(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            manifest = self.path.partition("/manifests/")[2]
            kind = "cache" if manifest.startswith("cache-") else "image" if manifest else ""
            if self.command == "PUT" and kind == of and left.acquire(blocking=False):
                self.answer(status, [("Content-Type", "application/json")], body)
                return
            # With the relay's own Host header the registry's redirects lead back to it.
            with closing(http.client.HTTPConnection(upstream, timeout=30)) as connection:
                connection.request(self.command, self.path, sent, dict(self.headers.items()))
                response = connection.getresponse()
                self.answer(response.status, response.getheaders(), response.read())

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = relayed  # noqa: N815

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for key, value in headers:
                if key.lower() not in {"content-length", "transfer-encoding", "date"}:
                    self.send_header(key, value)
            length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            # BuildKit hangs up on what it no longer needs.
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
