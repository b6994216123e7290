"""Amazon Elastic Container Registry, private.

From the "Amazon ECR User Guide": "Registry authentication", "IAM permissions for pushing an image",
"Image tag mutability" (exclusion filters since July 2025), "Repository creation templates" (create
on push). An index as a cache is refused with 400, an image manifest is accepted
(aws/containers-roadmap#876). An immutable tag answers 400 `The image tag 'x' already exists in the
'y' repository and cannot be overwritten because the tag is immutable.`, a missing repository 404
NAME_UNKNOWN.
"""

from __future__ import annotations

import re
from typing import Final

from warmbuild.frozen import frozen
from warmbuild.vendors.base import Vendor

# All partitions, with FIPS and dual stack, from "Amazon ECR endpoints and quotas".
_HOSTS: Final = (
    r"(?P<account>[0-9]{12})\.dkr(?P<dash>[.-])ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(amazonaws\.(com(\.cn)?|eu)|on\.(aws|amazonwebservices\.(com\.cn|eu))"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)


@frozen
class Place:
    """Where a registry's tokens come from, according to its host."""

    account: str
    region: str
    is_fips: bool = False
    is_dual_stack: bool = False


def place(host: str) -> Place | None:
    """Return where a host's tokens come from, None if the host is not ECR's."""
    found = re.fullmatch(_HOSTS, host)
    return found and Place(
        account=found["account"],
        region=found["region"],
        is_fips=bool(found["fips"]),
        is_dual_stack=found["dash"] == "-",
    )


VENDOR: Final = Vendor(
    name="Amazon ECR",
    hosts=_HOSTS,
    challenge=r'service="ecr\.amazonaws\.com"',
    path="any name",
    create="create it (aws ecr create-repository --repository-name {path}), or a creation template "
    "that creates it at the first push",
    missing=(404,),
    mutable="exclude tags that begin with cache-tag-prefix by IMMUTABLE_WITH_EXCLUSION",
    accepts="only image manifests, and no tag twice if tags are immutable",
    login="AWS and what aws ecr get-login-password prints",
    usernames=((".+", "AWS"),),
    permission="ecr:GetAuthorizationToken, BatchGetImage, GetDownloadUrlForLayer, "
    "BatchCheckLayerAvailability, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload and "
    "PutImage",
)
