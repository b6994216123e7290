"""GitLab's container registry, on gitlab.com and elsewhere.

From docs.gitlab.com: "GitLab container registry" (names up to two levels below the project),
"Authenticate with the container registry", "Immutable container tags" (since 18.1, Ultimate).
It asks for a token of the service `container_registry` from `/jwt/auth`, and refuses a project
that is not there, and a name that is too deep, as it does a forbidden one. The variable CI_REGISTRY
names it in a pipeline. Caches of both kinds are taken: moby/buildkit#2251.
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
    mutable="leave the tags that begin with cache-tag-prefix out of the project's immutable tags",
    accepts="every kind",
    login="CI_REGISTRY_USER and CI_REGISTRY_PASSWORD, which are taken by themselves in a job, or "
    "a deploy token",
    # A job token; the user name of a deploy token is its own.
    usernames=((r"glcbt-.+", "gitlab-ci-token"),),
    permission="the role Developer in the project, for a deploy token read_registry and "
    "write_registry",
)
