"""A registry that takes the image and refuses its cache is named, and so is what to set.

The stand-in speaks as a registry does: it asks for a login as that one, and refuses in its words.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild

MANIFEST = r"PUT .*/manifests/cache-"
ANY_MANIFEST = r".* .*/manifests/cache-"
UPLOAD = r"POST .*/cache/blobs/uploads/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a registry asks for a login, and what it says to the requests that `to` matches."""

    to: str = MANIFEST
    status: int
    code: str = ""
    message: str = ""
    challenge: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def body(self) -> bytes:
        if not self.code:
            return b""
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


def bearer(service: str, realm: str = "token") -> str:
    return f'Bearer realm="http://{{host}}/{realm}",service="{service}"'


@pytest.mark.parametrize(
    ("speech", "path", "inputs", "expected"),
    [
        pytest.param(
            Speech(
                status=400,
                code="TAG_INVALID",
                message="The image tag 'cache-main' already exists in the 'app' repository and "
                "cannot be overwritten because the tag is immutable.",
                challenge='Basic realm="ecr",service="ecr.amazonaws.com"',
            ),
            "{name}",
            {"INPUT_USERNAME": "AWS", "INPUT_PASSWORD": "made-up"},
            "Amazon ECR does not let this tag be overwritten: set cache-repository to a repository "
            "of its own with mutable tags, or let IMMUTABLE_WITH_EXCLUSION leave out the tags",
            id="ECR, immutable tags",
        ),
        pytest.param(
            Speech(
                to=UPLOAD,
                status=404,
                code="NAME_UNKNOWN",
                message="The repository with name 'cache' does not exist in the registry with id "
                "'123456789012'",
                challenge='Basic realm="ecr",service="ecr.amazonaws.com"',
            ),
            "{name}",
            {
                "INPUT_USERNAME": "AWS",
                "INPUT_PASSWORD": "made-up",
                "INPUT_CACHE_REPOSITORY": "{host}/{name}/cache",
            },
            "there is no such repository at Amazon ECR: create it (aws ecr create-repository "
            "--repository-name {name}/cache), or ",
            id="ECR, no repository",
        ),
        pytest.param(
            Speech(
                to=UPLOAD,
                status=401,
                code="UNAUTHORIZED",
                message="authentication required",
                challenge=bearer("registry.docker.io"),
                headers=(
                    (
                        "WWW-Authenticate",
                        bearer("registry.docker.io") + ',error="insufficient_scope"',
                    ),
                ),
            ),
            "{name}/app",
            {"INPUT_CACHE_REPOSITORY": "{host}/{name}/cache"},
            "Docker Hub wants a token for Read & Write, and a namespace that its user may push to "
            "for a cache, and says the same where there is no such repository",
            id="Docker Hub, a token for reading",
        ),
        pytest.param(
            Speech(
                status=403,
                code="DENIED",
                message="permission_denied: write_package",
                challenge=bearer("ghcr.io"),
            ),
            "acme/{name}",
            {},
            "GHCR wants permissions: packages: write in the job, and access to a package that "
            "another repository has made",
            id="GHCR, a job without packages: write",
        ),
        pytest.param(
            Speech(
                status=403,
                code="DENIED",
                message="requested access to the resource is denied",
                challenge=bearer("container_registry", "jwt/auth"),
            ),
            "acme/{name}",
            {},
            "GitLab wants the role Developer in the project",
            id="GitLab, a reporter",
        ),
        pytest.param(
            Speech(
                to=UPLOAD,
                status=403,
                code="DENIED",
                message='Permission "artifactregistry.repositories.uploadArtifacts" denied on '
                'resource "projects/p/locations/l/repositories/r" (or it may not exist)',
                challenge=bearer("europe-west1-docker.pkg.dev", "v2/token"),
            ),
            "acme/{name}/app",
            {"INPUT_CACHE_REPOSITORY": "{host}/acme/{name}/cache"},
            "Google Artifact Registry wants roles/artifactregistry.writer for a cache, and says "
            "the same where there is no such repository (PROJECT/REPOSITORY/IMAGE)",
            id="Google Artifact Registry, a reader",
        ),
        pytest.param(
            Speech(
                status=405,
                code="REGISTRY_DISALLOWED_OPERATION",
                message="The operation is disallowed on this registry, repository or image.",
                challenge=bearer("acme.azurecr.io", "oauth2/token"),
            ),
            "{name}",
            {},
            "Azure Container Registry does not let this tag be overwritten: set cache-repository "
            "to a repository of its own with mutable tags, or unlock it",
            id="Azure, a lock",
        ),
        pytest.param(
            Speech(
                status=400,
                code="MANIFEST_INVALID",
                message="manifest invalid",
                challenge=bearer("quay", "v2/auth"),
            ),
            "acme/{name}",
            {},
            "Quay does not take this as a cache (accepted: image manifests alone, on one's own "
            "Quay with IGNORE_UNKNOWN_MEDIATYPES: true",
            id="Quay, artifact types that it checks",
        ),
        pytest.param(
            Speech(
                status=405,
                code="DENIED",
                message="System is currently read-only. Pulls will succeed but all write "
                "operations are currently suspended.",
                challenge=bearer("quay", "v2/auth"),
            ),
            "acme/{name}",
            {},
            "Quay takes no writes there, being read-only or a mirror: set cache-repository",
            id="Quay, read-only",
        ),
        pytest.param(
            Speech(
                status=412,
                code="PRECONDITION",
                message="Failed to process request due to 'app:cache-main' configured as "
                "immutable.",
                challenge=bearer("harbor-registry", "service/token"),
            ),
            "acme/{name}",
            {},
            "Harbor does not let this tag be overwritten: set cache-repository",
            id="Harbor, immutable tags",
        ),
        pytest.param(
            Speech(status=404, challenge=bearer("harbor-registry", "service/token")),
            "acme/{name}",
            {},
            "Harbor does not take this as a cache (accepted: image manifests alone): set "
            "cache-backend to inline",
            id="Harbor, a manifest that it takes apart",
        ),
        pytest.param(
            Speech(
                status=403,
                code="MANIFEST_INVALID",
                message="manifest invalid",
                headers=(("X-JFrog-Version", "Artifactory/7.90.1 79001900"),),
            ),
            "docker-local/{name}",
            {},
            "Artifactory does not take this as a cache (accepted: image manifests alone, from a "
            "login with Delete/Overwrite where the tag is there)",
            id="Artifactory, an overwrite",
        ),
        pytest.param(
            Speech(status=405, code="UNSUPPORTED", message="The operation is unsupported."),
            "{name}",
            {},
            "{host} takes no writes there, being read-only or a mirror: set cache-repository",
            id="distribution, a mirror",
        ),
        pytest.param(
            Speech(status=405),
            "{name}",
            {},
            "{host} takes no writes there, being read-only or a mirror: set cache-repository",
            id="distribution, without a word",
        ),
    ],
)
def test_a_cache_that_is_not_taken(
    warmbuild: Warmbuild,
    registry: Registry,
    name: str,
    small: Path,
    speech: Speech,
    path: str,
    inputs: Mapping[str, str],
    expected: str,
) -> None:
    with speaking(registry.host, speech) as host:
        path, expected = path.format(name=name), expected.format(name=name, host=host)
        given = {key: value.format(name=name, host=host) for key, value in inputs.items()}
        ended = warmbuild.succeed(small, image=f"{host}/{path}", extra=given)
    cache = given.get("INPUT_CACHE_REPOSITORY", f"{host}/{path}")
    registry.check_image(f"{registry.host}/{path}:main")
    assert registry.digest(f"{registry.host}/{path}:main") == ended.outputs["digest"]
    (warning,) = ended.warnings
    assert warning.startswith(f"warning: no cache is written to {cache}:cache-main: error writing ")
    assert f"; {expected}" in warning
    assert ended.outputs["cache-written"] == ""
    assert ended.outputs["cache-write-error"]
    assert "cache-main" not in registry.tags(f"{registry.host}/{path}")
    # What would be said again is not asked again.
    assert ended.log.count("--cache-to") == 1


def test_a_cache_that_may_not_be_read_either(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    denied = Speech(
        to=ANY_MANIFEST,
        status=403,
        code="DENIED",
        message="requested access to the resource is denied",
        challenge=bearer("ghcr.io"),
    )
    with speaking(registry.host, denied) as host:
        ended = warmbuild.succeed(small, image=f"{host}/acme/{name}")
    registry.check_image(f"{registry.host}/acme/{name}:main")
    read, written = ended.warnings
    assert (
        f"{host}/acme/{name}:cache-main is not read: the registry {host} says 403 to GET " in read
    )
    assert "; GHCR wants permissions: packages: write in the job" in read
    assert read.endswith("set cache-repository to one that it may read")
    assert "; GHCR wants permissions: packages: write in the job" in written
    assert written.endswith("set cache-repository to one that it may write")
    assert ended.outputs["cache-read"] == ended.outputs["cache-written"] == ""


def test_a_generation_that_is_not_kept(
    warmbuild: Warmbuild, registry: Registry, name: str, small: Path
) -> None:
    mirror = Speech(to=r"PUT .*/manifests/cache-.*1$", status=405, code="UNSUPPORTED")
    with speaking(registry.host, mirror) as host:
        image = f"{host}/{name}"
        warmbuild.succeed(small, image=image, cache_history="2")
        (small / "source.txt").write_text("two")
        ended = warmbuild.succeed(small, image=image, cache_history="2")
    assert ended.outputs["cache-written"] == f"{image}:cache-main"
    (warning,) = ended.warnings
    assert f"the registry {host} says 405 to PUT /v2/{name}/manifests/cache-" in warning
    assert f"; {host} takes no writes there, being read-only or a mirror: set cache-repo" in warning


def test_a_cache_repository_that_its_registry_cannot_have(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, cache_repository="docker.io/me/app/cache")
    assert ended.code == 2
    assert "'me/app/cache' cannot be a repository of Docker Hub" in ended.log
    assert "docker buildx" not in ended.log


@contextmanager
def speaking(upstream: str, speech: Speech) -> Iterator[str]:
    """Stand in front of a registry and speak for it; yields the host."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answered(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host, request = self.headers["Host"], f"{self.command} {self.path}"
            challenge = speech.challenge.format(host=host)
            if challenge and re.match(r'GET [^"?]*\?.*service=', request):
                self.answer(200, [], b'{"token":"made-up"}')
            elif challenge and "Authorization" not in self.headers:
                self.answer(401, [("WWW-Authenticate", challenge)], b"")
            elif re.match(speech.to, request):
                headers = [(key, value.format(host=host)) for key, value in speech.headers]
                self.answer(speech.status, headers, speech.body)
            else:
                self.relay(sent)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answered  # noqa: N815

        def relay(self, sent: bytes) -> None:
            # With the stand-in's own Host header the registry's redirects lead back to it.
            headers = {key: value for key, value in self.headers.items() if key != "Authorization"}
            with closing(http.client.HTTPConnection(upstream, timeout=30)) as connection:
                connection.request(self.command, self.path, sent, headers)
                response = connection.getresponse()
                relayed = [*response.getheaders(), *speech.headers]
                self.answer(response.status, relayed, response.read())

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
                self.wfile.write(b"" if self.command == "HEAD" else content)

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
