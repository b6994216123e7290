"""gcr.io and us.gcr.io, eu.gcr.io, asia.gcr.io, which Artifact Registry hosts now.

From cloud.google.com/artifact-registry/docs/transition: "gcr.io hosted on Artifact Registry", "Set
up repositories with gcr.io domain support": a first push with a certain role creates the
repository, whose name is the host's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from warmbuild.vendors import gar
from warmbuild.vendors.base import ANY

VENDOR: Final = replace(
    gar.VENDOR,
    name="gcr.io on Google Artifact Registry",
    hosts=r"([a-z]+\.)?gcr\.io",
    challenge=r'service="([a-z]+\.)?gcr\.io"',
    path="PROJECT/IMAGE",
    names=(2, ANY),
    create="push once with roles/artifactregistry.createOnPushWriter",
)
