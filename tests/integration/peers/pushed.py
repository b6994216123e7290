"""What a registry has of the images that the jobs push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.conftest import Registry

PROVENANCE = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"


def manifests(registry: Registry, ref: str) -> list[dict[str, Any]]:
    path, _, tag = ref.removeprefix(f"{registry.host}/").partition(":")
    return list(registry.get(f"{path}/manifests/{tag}").json()["manifests"])


def processors(registry: Registry, ref: str) -> list[str]:
    """Return the processors that an image was pushed for."""
    found = (item["platform"]["architecture"] for item in manifests(registry, ref))
    return [architecture for architecture in found if architecture != "unknown"]


def statements(registry: Registry, ref: str) -> dict[str, Any]:
    """Return what is attested of an image, by its type."""
    path = ref.removeprefix(f"{registry.host}/").partition(":")[0]
    found: dict[str, Any] = {}
    for item in manifests(registry, ref):
        if item["platform"]["architecture"] == "unknown":
            attached = registry.get(f"{path}/manifests/{item['digest']}").json()
            for layer in attached["layers"]:
                statement = registry.get(f"{path}/blobs/{layer['digest']}").json()
                found[statement["predicateType"]] = statement["predicate"]
    return found
