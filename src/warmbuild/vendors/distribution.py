"""The distribution registry (`registry:2`, `registry:3`), and every unknown registry.

From distribution.github.io/distribution: "HTTP API V2" and "Configuration" (`maintenance:
readonly` and `proxy` answer writes with 405).
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="distribution",
    path="any name",
    missing=(404,),
    accepts="every kind",
    login="a user name and a password",
    permission="the right to pull and push",
)
