"""Amazon ECR Public.

From the "Amazon ECR Public User Guide": "Public registries" (an alias precedes the
repository), "Registry authentication" and "IAM permissions for pushing" (logins come from
us-east-1). Tags are always mutable there. It is assumed to accept the same caches as ECR.
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import ANY, Vendor

VENDOR: Final = Vendor(
    name="Amazon ECR Public",
    hosts=r"public\.ecr\.aws|ecr-public\.aws\.com",
    path="ALIAS/REPOSITORY",
    names=(2, ANY),
    create="create it (aws ecr-public create-repository --region us-east-1)",
    missing=(404,),
    accepts="only image manifests",
    login="AWS and what aws ecr-public get-login-password --region us-east-1 prints",
    usernames=((".+", "AWS"),),
    permission="sts:GetServiceBearerToken and ecr-public:GetAuthorizationToken, "
    "BatchCheckLayerAvailability, InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload and "
    "PutImage",
)
