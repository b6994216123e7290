"""GitHub Packages' container registry.

From docs.github.com: "Working with the Container registry" and "About permissions for GitHub
Packages": GITHUB_TOKEN has the rights that `permissions:` grants. It reaches a package that another
repository created only if "Manage Actions access" of the package names its repository. A refused or
missing package answers `denied: permission_denied: write_package` or `denied: installation not
allowed to Create organization package`. Cache manifests are accepted since December 2020
(moby/buildkit#1865).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import ANY, Vendor

VENDOR: Final = Vendor(
    name="GHCR",
    hosts=r"ghcr\.io|containers\.[a-z0-9.-]+\.ghe\.com",
    challenge=r'service="ghcr\.io"',
    path="OWNER/IMAGE",
    names=(2, ANY),
    missing=(403, 404),
    accepts="every kind",
    login="any user name and GITHUB_TOKEN, or a classic personal access token",
    usernames=((".+", "token"),),
    permission="permissions: packages: write in the job, and access to a package that another "
    "repository created (Package settings, Manage Actions access: Write)",
)
