"""JFrog Artifactory.

From jfrog.com/help: "Docker registry", "Permission types" (who has not Delete/Overwrite cannot
replace what is there), "Access tokens". Every answer carries X-JFrog-Version. An overwrite that is
not allowed answers 403 with the code MANIFEST_INVALID (GoogleContainerTools/kaniko#1095), an index
as a cache is refused: moby/buildkit#2251.
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Artifactory",
    hosts=r"[a-z0-9-]+(\.[a-z0-9-]+)*\.jfrog\.io|(.*[.-])?artifactory([.-].*)?",
    headers=("x-jfrog-version", "x-artifactory-id"),
    path="REPOSITORY-KEY/IMAGE, or IMAGE where the host names the repository",
    create="create the local Docker repository that it is in",
    missing=(403, 404),
    accepts="image manifests alone, from a login with Delete/Overwrite where the tag is there",
    login="a user name and an identity token",
    permission="Read, Deploy/Cache and Delete/Overwrite, since a cache ref is replaced",
)
