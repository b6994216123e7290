"""Several registries, each with a login of its own: passwords, tokens, scopes and helpers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry, Warmbuild


def registry_auth(*logins: Mapping[str, str]) -> str:
    """Return a list of logins; JSON is YAML."""
    return json.dumps(logins)


def test_two_registries_in_one_build(
    warmbuild: Warmbuild,
    lab: Lab,
    registry: Registry,
    auth_registry: Registry,
    name: str,
    small: Path,
) -> None:
    """The image goes to one and the cache to the other."""
    ended = warmbuild.succeed(
        small,
        image=f"{registry.host}/{name}",
        cache_repository=f"{auth_registry.host}/{name}",
        registry_auth=registry_auth(
            {"registry": lab.auth_registry, "username": lab.username, "password": lab.password},
            {"registry": registry.host, "username": "any", "password": "anything"},
        ),
    )
    registry.check_image(f"{registry.host}/{name}:main")
    auth_registry.check_cache(f"{auth_registry.host}/{name}:cache-main")
    assert ended.warnings == []
    assert lab.password not in ended.log
