"""Quay, on quay.io and elsewhere.

From docs.redhat.com ("Red Hat Quay"): "Robot accounts", "Configuring artifact types",
"Immutability policies" (since 3.17), and from Quay's sources (endpoints/v2/errors.py,
image/oci). An immutable tag answers `unknown: tag is immutable and cannot be overwritten` or 409
`tag was already pushed`, a read-only namespace or registry 405. An index as a cache is refused with
400 MANIFEST_INVALID (moby/buildkit#1440), and so is a configuration of BuildKit's type if artifact
types are checked.
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Quay",
    hosts=r"(.*[.-])?quay([.-].*)?",
    challenge=r'realm="[^"]*/v2/auth"',
    path="NAMESPACE/REPOSITORY",
    missing=(401,),
    mutable="exclude tags that begin with cache-tag-prefix from the immutability policy",
    accepts="only image manifests, and self-hosted only with IGNORE_UNKNOWN_MEDIATYPES: true or "
    "with application/vnd.buildkit.cacheconfig.v0 in ALLOWED_OCI_ARTIFACT_TYPES",
    login="a robot account, NAMESPACE+ROBOT, and its token",
    permission="Write on the repository, or Creator in the organization if the push creates it",
)
