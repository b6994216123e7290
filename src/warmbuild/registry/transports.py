"""How each registry is reached, as the BuildKit daemon's configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from warmbuild import lazy

if TYPE_CHECKING:
    import ipaddress
    import tomllib
    from collections.abc import Mapping
else:
    ipaddress = lazy.module("ipaddress")
    tomllib = lazy.module("tomllib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """How a registry is reached; `verify` is what requests takes: a CA file, or yes or no."""

    scheme: str = "https"
    verify: bool | str = True


def transports(buildkitd_config: str) -> Mapping[str, Transport]:
    """Return what the BuildKit daemon's configuration says of registries, by host.

    The probe has to reach a registry in the way in which BuildKit will. A text that is no TOML
    says nothing here; BuildKit reports it.
    """
    try:
        registries = tomllib.loads(buildkitd_config).get("registry", {})
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, Transport] = {}
    for host, entry in registries.items() if isinstance(registries, dict) else ():
        if not isinstance(entry, dict):
            continue
        authorities = entry.get("ca")
        found[host] = Transport(
            scheme="http" if entry.get("http") is True else "https",
            verify=(
                False
                if entry.get("insecure") is True
                else str(authorities[0])
                if isinstance(authorities, list) and authorities
                else True
            ),
        )
    return found


def is_loopback(host: str) -> bool:
    """Say whether a registry is on this machine, where Docker and BuildKit speak plain HTTP."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
