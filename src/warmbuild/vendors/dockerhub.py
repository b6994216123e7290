"""Docker Hub.

From docs.docker.com: "Repositories" (a namespace and one name), "Usage and limits: pulls" (a
manifest that is read is a pull, 429 with `toomanyrequests`), "Immutable tags" (in beta),
"Access tokens". A repository that is not there is refused as a forbidden one is, by 401 or
`insufficient_scope`; an index as a cache is taken too: moby/buildkit#2251.
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
    mutable="make tags immutable by a pattern that leaves out what begins with cache-tag-prefix",
    accepts="every kind",
    login="a user name and an access token",
    permission="a token for Read & Write, and a namespace that its user may push to",
    limits="100 pulls in 6 hours without a login and 200 with a personal one",
)
