"""How each registry is reached, as the BuildKit daemon's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import ipaddress
    import tomllib
    from collections.abc import Mapping
else:
    ipaddress = lazy.module("ipaddress")
    tomllib = lazy.module("tomllib")


@frozen
class Transport:
    """How a registry is reached."""

    scheme: str = "https"
    verify: bool | str = True  # whether to check certificates, or a file of authorities


def transports(buildkitd_config: str) -> Mapping[str, Transport]:
    """Return the transports in the BuildKit daemon's configuration, by host.

    The probe must reach a registry as BuildKit will. Invalid TOML is ignored, since BuildKit
    reports it.
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
        verify: bool | str = entry.get("insecure") is not True
        if verify and isinstance(authorities, list) and authorities:
            verify = str(authorities[0])
        scheme = "http" if entry.get("http") is True else "https"
        found[host] = Transport(scheme=scheme, verify=verify)
    return found


def is_loopback(host: str) -> bool:
    """Return whether a registry is on this machine, for which BuildKit uses plain HTTP."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
