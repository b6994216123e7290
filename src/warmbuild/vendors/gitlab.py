"""GitLab's container registry, on gitlab.com and elsewhere.

From docs.gitlab.com: "GitLab container registry" (names up to two levels below the project),
"Authenticate with the container registry", "Immutable container tags" (since 18.1, Ultimate).
It asks for a token of the service `container_registry` from `/jwt/auth`. A missing project and a
name that is too deep answer as a forbidden one does. CI_REGISTRY names the registry in a pipeline.
Caches of both kinds are accepted (moby/buildkit#2251).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="GitLab",
    hosts=r"(.*[.-])?gitlab([.-].*)?",
    challenge=r'service="container_registry"',
    headers=("gitlab-container-registry-version",),
    ci="gitlab",
    path="the path of a project, and up to two names below it",
    missing=(401, 403),
    mutable="exclude tags that begin with cache-tag-prefix from the project's immutable tags",
    accepts="every kind",
    login="CI_REGISTRY_USER and CI_REGISTRY_PASSWORD, which are the default in a job, or a deploy "
    "token",
    # A job token; each deploy token has its own user name.
    usernames=((r"glcbt-.+", "gitlab-ci-token"),),
    permission="the role Developer in the project, or for a deploy token read_registry and "
    "write_registry",
)
