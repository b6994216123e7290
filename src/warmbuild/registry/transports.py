"""How each registry is reached, as the BuildKit daemon's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy
from warmbuild.frozen import frozen

if TYPE_CHECKING:
    import ipaddress
    import socket
    import tomllib
    from collections.abc import Callable, Mapping
else:
    ipaddress = lazy.module("ipaddress")
    tomllib = lazy.module("tomllib")

PORTS: Final = {"http": 80, "https": 443}
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


@frozen
class Transport:
    """How a registry is reached."""

    scheme: str = "https"
    verify: bool | str = True  # whether to check certificates, or a file of authorities
    mirrors: tuple[str, ...] = ()  # hosts that BuildKit asks before it, each with a path perhaps
    connect: Callable[[], socket.socket] | None = None
    """Connects to it if only the builder reaches it; raises OSError."""


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
        mirrors = entry.get("mirrors")
        found[host] = Transport(
            scheme=scheme,
            verify=verify,
            mirrors=tuple(map(str, mirrors)) if isinstance(mirrors, list) else (),
        )
    return found


def default(host: str) -> Transport:
    """Return how a registry is reached that no configuration names."""
    return Transport(scheme="http" if is_loopback(host) else "https")


def server(host: str, scheme: str) -> tuple[str, int]:
    """Return the name and the port of a registry's server."""
    parts = urlsplit(f"{scheme}://{host}")
    return parts.hostname or "", parts.port or PORTS[scheme]


def is_loopback(host: str) -> bool:
    """Return whether a registry is on this machine, for which BuildKit uses plain HTTP."""
    name, address = _named(host)
    return address.is_loopback if address else name == "localhost"


def is_private(host: str) -> bool:
    """Return whether a name or address may mean another server, or none, in another network.

    Such are the loopback interface, the addresses of RFC 1918 and RFC 4193, and names without a
    dot, as the services of a job have.
    """
    name, address = _named(host)
    if address is None:
        return "." not in name
    if address.is_loopback:
        return True
    return any(address in network for network in map(ipaddress.ip_network, _PRIVATE))


def _named(host: str) -> tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address | None]:
    """Return a registry's name without its port, and the address that it is, if it is one."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name, ipaddress.ip_address(name)
    except ValueError:
        return name, None
