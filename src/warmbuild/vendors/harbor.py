"""Harbor.

From goharbor.io/docs: "Create projects", "Create robot accounts", "Tag immutability rules",
"Configure project quotas", and from Harbor's sources (server/middleware/v2auth, immutable): tokens
are of the service `harbor-registry`, an immutable tag answers 412 `configured as immutable`. An
index as a cache is refused with 404, an image manifest is accepted (goharbor/harbor#14774, #18941).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Harbor",
    hosts=r"(.*[.-])?harbor([.-].*)?",
    challenge=r'service="harbor-registry"|realm="harbor"',
    path="PROJECT/REPOSITORY",
    create="create its project",
    missing=(401, 404),
    mutable="exclude tags that begin with cache-tag-prefix from the tag immutability rules",
    accepts="only image manifests",
    login="a robot account, robot$PROJECT+NAME, and its secret",
    permission="Pull Repository and Push Repository in the project",
)
