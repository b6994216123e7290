"""Azure Container Registry.

From learn.microsoft.com/azure/container-registry: "Built-in roles", "Authentication options",
"Lock a container image", "Service tiers". A locked tag or repository answers
`unknown: The operation is disallowed on this registry, repository or image.`
"""

from __future__ import annotations

from typing import Final

from warmbuild.vendors.base import Vendor

VENDOR: Final = Vendor(
    name="Azure Container Registry",
    hosts=r"[a-z0-9-]+(\.[a-z0-9]+)*\.azurecr\.(io|cn|us)",
    challenge=r'service="[a-z0-9.-]+\.azurecr\.(io|cn|us)"',
    path="any name",
    missing=(404,),
    mutable="unlock it (az acr repository update --write-enabled true)",
    accepts="every kind",
    login="a service principal's ID and password, or a token's",
    # What az acr login --expose-token prints.
    usernames=((r"ey[\w-]+\.[\w.-]+", "00000000-0000-0000-0000-000000000000"),),
    permission="the role AcrPush, or Container Registry Repository Writer if roles are assigned "
    "by repository",
)
