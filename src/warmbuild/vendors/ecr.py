"""Amazon Elastic Container Registry, private.

Hosts, permissions and immutable tags are those of the "Amazon ECR User Guide": "Registry
authentication", "IAM permissions for pushing an image", "Image tag mutability" (filters that
leave tags out since July 2025), "Repository creation templates" (create on push). An index as a
cache is refused by 400, an image manifest is taken: aws/containers-roadmap#876. An immutable tag
answers 400 `The image tag 'x' already exists in the 'y' repository and cannot be overwritten
because the tag is immutable.`, a missing repository 404 NAME_UNKNOWN.
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Amazon ECR",
    hosts=r"[0-9]{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)",
    challenge=r'service="ecr\.amazonaws\.com"',
    path="any name",
    create="create it (aws ecr create-repository --repository-name {path}), or a creation template "
    "that does so at a push",
    missing=(404,),
    mutable="let IMMUTABLE_WITH_EXCLUSION leave out the tags that begin with cache-tag-prefix",
    accepts="image manifests alone, and no tag twice where tags are immutable",
    login="AWS and what aws ecr get-login-password prints",
    permission="ecr:GetAuthorizationToken, BatchGetImage, GetDownloadUrlForLayer, "
    "BatchCheckLayerAvailability, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload and "
    "PutImage",
)
