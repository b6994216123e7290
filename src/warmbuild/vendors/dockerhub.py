"""Docker Hub.

From docs.docker.com: "Repositories" (a namespace and one name), "Usage and limits: pulls" (to read
a manifest is a pull; 429 with `toomanyrequests`), "Immutable tags" (in beta), "Access tokens". A
missing repository answers as a forbidden one does, with 401 or `insufficient_scope`. An index is
accepted as a cache (moby/buildkit#2251).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Docker Hub",
    hosts=r"docker\.io",
    challenge=r'service="registry\.docker\.io"',
    path="NAMESPACE/REPOSITORY",
    names=(2, 2),
    missing=(401,),
    mutable="make tags immutable by a pattern that excludes tags that begin with cache-tag-prefix",
    accepts="every kind",
    login="a user name and an access token",
    permission="a token for Read & Write, and a namespace that its user may push to",
    limits="100 pulls in 6 hours without a login and 200 with a personal one",
)
