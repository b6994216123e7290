"""Google Artifact Registry.

From cloud.google.com/artifact-registry/docs: "Repository and image names", "Configure
authentication to Artifact Registry for Docker", "Access control with IAM", "Immutable image
tags" (of a repository as a whole). A name without an image answers `name invalid: Missing image
name`, a missing repository `denied: Permission "artifactregistry.repositories.uploadArtifacts"
denied on resource … (or it may not exist)`.
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import ANY, Vendor

VENDOR: Final = Vendor(
    name="Google Artifact Registry",
    hosts=r"[a-z0-9-]+-docker\.pkg\.dev",
    challenge=r'service="[a-z0-9-]+-docker\.pkg\.dev"',
    path="PROJECT/REPOSITORY/IMAGE",
    names=(3, ANY),
    create="create it (gcloud artifacts repositories create --repository-format=docker)",
    missing=(403, 404),
    mutable="turn immutable tags off for this repository",
    accepts="every kind",
    login="oauth2accesstoken and an access token, or _json_key and a service account's key",
    usernames=(
        (r"\s*\{.*", "_json_key"),
        # Such a key in base64; a JWT has dots.
        (r"\s*e[yw][A-Za-z0-9+/=\s]+", "_json_key_base64"),
        (".+", "oauth2accesstoken"),
    ),
    permission="roles/artifactregistry.writer",
)
