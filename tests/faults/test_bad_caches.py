"""The cache never fails a build, and a registry that is no help is named in a warning."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import CACHE_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild

HELM_CHART = "application/vnd.cncf.helm.config.v1+json"
# How much longer a build may take for a cache registry that does not answer, in seconds.
LONGER = 25.0


def check_pushed_without_cache(ended: Ended, registry: Registry, repository: str) -> None:
    """Fail unless the image is there, and the run says that no cache is."""
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    registry.check_image(f"{repository}:main")
    assert ended.outputs["cache-read"] == ""
    assert ended.outputs["cache-written"] == ""
    assert ended.warnings


def test_a_cache_registry_that_is_down(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, unused_port: int
) -> None:
    cache = f"127.0.0.1:{unused_port}/cache"
    ended = warmbuild.succeed(small, image=repository, cache_repository=cache)
    check_pushed_without_cache(ended, registry, repository)
    reason = (
        f"the registry 127.0.0.1:{unused_port} cannot be reached, neither from here nor from the "
        "builder"
    )
    assert f"warning: {cache}:cache-main is not read: {reason}" in ended.warnings
    assert f"warning: {cache}:cache-main is not written: {reason}" in ended.warnings
    said = ended.summary.replace("`", "")
    assert f"- {cache}:cache-main is not written: {reason}" in said


def test_a_cache_registry_that_accepts_and_never_answers(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    normal = warmbuild.succeed(small, image=repository)
    with silence() as port:
        cache = f"127.0.0.1:{port}/cache"
        ended = warmbuild.succeed(small, image=repository, cache_repository=cache)
    check_pushed_without_cache(ended, registry, repository)
    assert ended.seconds < normal.seconds + LONGER
    silent = f"the registry 127.0.0.1:{port} does not answer within 15 s"
    assert f"warning: {cache}:cache-main is not read: {silent}" in ended.warnings
    # BuildKit would wait without limit.
    assert str(port) not in ended.command


def test_a_cache_registry_that_talks_nonsense(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    with nonsense() as port:
        cache = f"127.0.0.1:{port}/cache"
        ended = warmbuild.succeed(small, image=repository, cache_repository=cache)
    check_pushed_without_cache(ended, registry, repository)
    assert f"warning: {cache}:cache-main is not read: it holds no manifest" in ended.log


def test_a_cache_ref_that_is_forbidden(
    warmbuild: Warmbuild, registry: Registry, repository: str, secured: str, small: Path
) -> None:
    ended = warmbuild.succeed(small, image=repository, cache_repository=secured)
    check_pushed_without_cache(ended, registry, repository)
    read, written = ended.warnings
    assert f"{secured}:cache-main is not read: the registry " in read
    assert "401" in read
    assert "UNAUTHORIZED" in read
    assert "set username and password to a login that may read it" in read
    assert f"no cache is written to {secured}:cache-main: " in written


def test_an_image_where_the_cache_should_be_is_left_alone(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository, tags="cache-main", cache="off")
    before = registry.digest(f"{repository}:cache-main")
    ended = warmbuild.succeed(small, image=repository)
    check_pushed_without_cache(ended, registry, repository)
    assert registry.digest(f"{repository}:cache-main") == before
    ref = f"{repository}:cache-main"
    assert f"warning: {ref} is not read: it holds an image and no cache" in ended.log
    assert f"warning: {ref} is not written: it holds an image and no cache" in ended.log


def test_a_helm_chart_where_the_cache_should_be_is_left_alone(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    registry.put_artifact(f"{repository}:cache-main", HELM_CHART, *map(os.urandom, (512, 512)))
    before = registry.digest(f"{repository}:cache-main")
    ended = warmbuild.succeed(small, image=repository)
    check_pushed_without_cache(ended, registry, repository)
    assert registry.digest(f"{repository}:cache-main") == before


def test_a_cache_that_is_corrupt_is_not_read_and_replaced(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    registry.put_artifact(f"{repository}:cache-main", CACHE_CONFIG, *map(os.urandom, (512, 512)))
    corrupt = registry.digest(f"{repository}:cache-main")
    ended = warmbuild.succeed(small, image=repository)
    (warning,) = ended.warnings
    assert warning.startswith(f"warning: {repository}:cache-main@{corrupt} is not read: ")
    assert ended.outputs["cache-read"] == ""
    assert ended.cached == []
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    # The ref is ours, so that the next build is warm again.
    assert ended.outputs["cache-written"] == f"{repository}:cache-main"
    registry.check_cache(f"{repository}:cache-main")
    assert warmbuild.succeed(small, image=repository).executed == []


@pytest.mark.parametrize("cache", ["off", "auto"])
def test_a_cache_that_is_not_wanted_is_not_asked_for(
    cache: str,
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
) -> None:
    ended = warmbuild.succeed(small, image=repository, cache=cache)
    asked = [path for path in registry.asked(repository, "GET") if "cache-main" in path]
    assert bool(asked) is (cache == "auto")
    assert ("--cache-to" in ended.log) is (cache == "auto")
    assert registry.tags(repository) == (["cache-main"] if cache == "auto" else []) + [
        "latest",
        "main",
    ]


@contextmanager
def silence() -> Iterator[int]:
    """Listen on a port, accept every connection, and never say a word."""
    accepted: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone does not wake the thread.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in accepted:
                connection.close()
    assert accepted, "nobody came, so nothing was shown"


@contextmanager
def nonsense() -> Iterator[int]:
    """Answer every GET with 200 and random bytes."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = os.urandom(1000)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/v2/cache/manifests/cache-main"], "only the probe asks"
