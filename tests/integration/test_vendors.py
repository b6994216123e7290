"""A registry that takes the image and refuses its cache is named, and so is what to set.

A proxy makes itself known as a registry does, when it asks for a login, and refuses in its words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild
    from tests.integration.faults import Proxy

CACHE = "/manifests/cache-"
UPLOAD = "/cache/blobs/uploads/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a registry makes itself known, and how it refuses: {host} is the proxy's."""

    method: str = "PUT"
    path: str = CACHE
    status: int
    code: str = ""
    message: str = ""
    challenge: str = ""
    introduction: Mapping[str, str] = field(default_factory=dict)

    def speak(self, proxy: Proxy) -> None:
        """Have a proxy say all this."""
        challenge = self.challenge.format(host=proxy.host)
        if challenge:
            known = {"WWW-Authenticate": challenge}
            proxy.answer("GET", CACHE, 401, headers=known)
            proxy.answer("GET", "[?&]service=", 200, body=b'{"token":"made-up"}', times=None)
        if self.introduction:
            proxy.answer("GET", CACHE, 404, headers=self.introduction)
        errors = [{"code": self.code, "message": self.message}]
        body = json.dumps({"errors": errors}).encode() if self.code else b""
        again = {"WWW-Authenticate": f'{challenge},error="insufficient_scope"'}
        headers = again if self.status == 401 else {}
        proxy.answer(self.method, self.path, self.status, body=body, headers=headers, times=None)


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
            "Amazon ECR does not let this tag be overwritten: set cache-repository to a separate "
            "repository with mutable tags, or exclude tags that begin with cache-tag-prefix by "
            "IMMUTABLE_WITH_EXCLUSION",
            id="ECR, immutable tags",
        ),
        pytest.param(
            Speech(
                method="POST",
                path=UPLOAD,
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
            "the repository does not exist at Amazon ECR: create it (aws ecr create-repository "
            "--repository-name {name}/cache), or ",
            id="ECR, no repository",
        ),
        pytest.param(
            Speech(
                method="POST",
                path=UPLOAD,
                status=401,
                code="UNAUTHORIZED",
                message="authentication required",
                challenge=bearer("registry.docker.io"),
            ),
            "{name}/app",
            {"INPUT_CACHE_REPOSITORY": "{host}/{name}/cache"},
            "Docker Hub requires a token for Read & Write, and a namespace that its user may push "
            "to for a cache, and says the same if the repository does not exist",
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
            "GHCR requires permissions: packages: write in the job, and access to a package that "
            "another repository created",
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
            "GitLab requires the role Developer in the project",
            id="GitLab, a reporter",
        ),
        pytest.param(
            Speech(
                method="POST",
                path=UPLOAD,
                status=403,
                code="DENIED",
                message='Permission "artifactregistry.repositories.uploadArtifacts" denied on '
                'resource "projects/p/locations/l/repositories/r" (or it may not exist)',
                challenge=bearer("europe-west1-docker.pkg.dev", "v2/token"),
            ),
            "acme/{name}/app",
            {"INPUT_CACHE_REPOSITORY": "{host}/acme/{name}/cache"},
            "Google Artifact Registry requires roles/artifactregistry.writer for a cache, and says "
            "the same if the repository does not exist (PROJECT/REPOSITORY/IMAGE)",
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
            "to a separate repository with mutable tags, or unlock it",
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
            "Quay does not accept this as a cache (accepted: only image manifests, and self-hosted "
            "only with IGNORE_UNKNOWN_MEDIATYPES: true",
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
            "Quay accepts no writes there because it is read-only or a mirror: set "
            "cache-repository",
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
            "Harbor does not accept this as a cache (accepted: only image manifests): set "
            "cache-backend to inline",
            id="Harbor, a manifest that it takes apart",
        ),
        pytest.param(
            Speech(
                status=403,
                code="MANIFEST_INVALID",
                message="manifest invalid",
                introduction={"X-JFrog-Version": "Artifactory/7.90.1 79001900"},
            ),
            "docker-local/{name}",
            {},
            "Artifactory does not accept this as a cache (accepted: only image manifests, from a "
            "login with Delete/Overwrite if the tag exists)",
            id="Artifactory, an overwrite",
        ),
        pytest.param(
            Speech(status=405, code="UNSUPPORTED", message="The operation is unsupported."),
            "{name}",
            {},
            "{host} accepts no writes there because it is read-only or a mirror: set "
            "cache-repository",
            id="distribution, a mirror",
        ),
        pytest.param(
            Speech(status=405),
            "{name}",
            {},
            "{host} accepts no writes there because it is read-only or a mirror: set "
            "cache-repository",
            id="distribution, without a word",
        ),
    ],
)
def test_a_cache_that_is_not_taken(
    warmbuild: Warmbuild,
    registry: Registry,
    proxy: Proxy,
    name: str,
    small: Path,
    speech: Speech,
    path: str,
    inputs: Mapping[str, str],
    expected: str,
) -> None:
    speech.speak(proxy)
    path = path.format(name=name)
    given = {key: value.format(name=name, host=proxy.host) for key, value in inputs.items()}
    ended = warmbuild.succeed(small, image=f"{proxy.host}/{path}", extra=given)
    registry.check_image(f"{registry.host}/{path}:main")
    assert registry.digest(f"{registry.host}/{path}:main") == ended.outputs["digest"]
    cache = given.get("INPUT_CACHE_REPOSITORY", f"{proxy.host}/{path}")
    (warning,) = ended.warnings
    assert warning.startswith(f"warning: no cache is written to {cache}:cache-main: error writing ")
    assert f"; {expected.format(name=name, host=proxy.host)}" in warning
    assert ended.outputs["cache-written"] == ""
    assert ended.outputs["cache-write-error"]
    assert "cache-main" not in registry.tags(f"{registry.host}/{path}")
    # What would be said again is not asked again.
    assert ended.log.count("--cache-to") == 1


def test_a_cache_that_may_not_be_read_either(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, name: str, small: Path
) -> None:
    Speech(
        method="GET|HEAD|PUT",
        status=403,
        code="DENIED",
        message="requested access to the resource is denied",
        challenge=bearer("ghcr.io"),
    ).speak(proxy)
    image = f"{proxy.host}/acme/{name}"
    ended = warmbuild.succeed(small, image=image)
    registry.check_image(f"{registry.host}/acme/{name}:main")
    read, written = ended.warnings
    assert f"{image}:cache-main is not read: the registry {proxy.host} says 403 to GET " in read
    assert "; GHCR requires permissions: packages: write in the job" in read
    assert read.endswith("set cache-repository to one that the login may read")
    assert "; GHCR requires permissions: packages: write in the job" in written
    assert written.endswith("set cache-repository to one that the login may write")
    assert ended.outputs["cache-read"] == ended.outputs["cache-written"] == ""


def test_a_generation_that_is_not_kept(
    warmbuild: Warmbuild, proxy: Proxy, name: str, small: Path
) -> None:
    proxy.answer("PUT", f"{CACHE}.*1$", 405, body=b"", times=None)
    image = f"{proxy.host}/{name}"
    warmbuild.succeed(small, image=image, cache_history="2")
    (small / "source.txt").write_text("two")
    ended = warmbuild.succeed(small, image=image, cache_history="2")
    assert ended.outputs["cache-written"] == f"{image}:cache-main"
    (warning,) = ended.warnings
    assert f"the registry {proxy.host} says 405 to PUT /v2/{name}/manifests/cache-" in warning
    assert (
        f"; {proxy.host} accepts no writes there because it is read-only or a mirror: set "
        in warning
    )


def test_a_cache_repository_that_its_registry_cannot_have(
    warmbuild: Warmbuild, repository: str, small: Path
) -> None:
    ended = warmbuild.build(small, image=repository, cache_repository="docker.io/me/app/cache")
    assert ended.code == 2
    assert "'me/app/cache' cannot be a repository of Docker Hub" in ended.log
    assert "docker buildx" not in ended.log
