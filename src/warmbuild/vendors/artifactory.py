"""JFrog Artifactory.

From jfrog.com/help: "Docker registry", "Permission types" (replacing a tag needs Delete/Overwrite),
"Access tokens". Every answer carries X-JFrog-Version. A forbidden overwrite answers 403 with the
code MANIFEST_INVALID (GoogleContainerTools/kaniko#1095). An index as a cache is refused
(moby/buildkit#2251).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Artifactory",
    hosts=r"[a-z0-9-]+(\.[a-z0-9-]+)*\.jfrog\.io|(.*[.-])?artifactory([.-].*)?",
    headers=("x-jfrog-version", "x-artifactory-id"),
    path="REPOSITORY-KEY/IMAGE, or IMAGE if the host names the repository",
    create="create its local Docker repository",
    missing=(403, 404),
    accepts="only image manifests, from a login with Delete/Overwrite if the tag exists",
    login="a user name and an identity token",
    permission="Read, Deploy/Cache and Delete/Overwrite, because a cache ref is replaced",
)
