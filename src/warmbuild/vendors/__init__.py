"""The registries, one module each; the first match wins, and `distribution` is the default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild.vendors import (
    artifactory,
    azure,
    distribution,
    dockerhub,
    ecr,
    ecr_public,
    gar,
    gcr,
    ghcr,
    gitlab,
    harbor,
    quay,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.refs import Reference
    from warmbuild.vendors.base import Vendor

MODULES: Final = (
    *(ecr, ecr_public, dockerhub, ghcr, gitlab, gar, gcr),
    *(azure, quay, harbor, artifactory, distribution),
)
VENDORS: Final = tuple(module.VENDOR for module in MODULES)
# Registries whose passwords are tokens from AWS.
OF_AWS: Final = (ecr.VENDOR, ecr_public.VENDOR)


def detect(host: str, headers: Mapping[str, str] | None = None, ci: str = "") -> Vendor:
    """Return the vendor of a host's registry.

    `headers` come from its answers, with names in lower case; `ci` is the CI system that it belongs
    to, if any.
    """
    name, sent = urlsplit(f"//{host}").hostname or "", headers or {}

    def is_it(vendor: Vendor) -> bool:
        challenge = sent.get("www-authenticate", "")
        return bool(
            re.fullmatch(vendor.hosts, name)
            or (vendor.challenge and re.search(vendor.challenge, challenge))
            or any(header in sent for header in vendor.headers)
            or (ci and ci == vendor.ci)
        )

    return next(filter(is_it, VENDORS), distribution.VENDOR)


def misfit(repository: Reference) -> str:
    """Return why a registry cannot have a repository of this name; empty if it can."""
    vendor = detect(repository.host)
    if vendor.takes(repository.path):
        return ""
    return f"{repository.path!r} cannot be a repository of {vendor.name}, which takes {vendor.path}"
