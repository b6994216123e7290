"""Client certificates of remote nodes, from the environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.drivers import Driver

# What a driver calls a file of a login with certificates, by the end of its variable's name.
_FILES: Final[Mapping[str, str]] = {"CACERT": "cacert", "CERT": "cert", "KEY": "key"}
_VARIABLE: Final = re.compile(r"BUILDER_NODE_(\d+)_AUTH_TLS_(CACERT|CERT|KEY)")


def certificates(env: Mapping[str, str]) -> Mapping[int, Mapping[str, str]]:
    """Return the certificates of the nodes, by the node's number and what the driver calls them."""
    found: dict[int, dict[str, str]] = {}
    for variable, value in env.items():
        named = _VARIABLE.fullmatch(variable)
        if named and value:
            found.setdefault(int(named[1]), {})[_FILES[named[2]]] = value
    return found


def is_certificate(variable: str) -> bool:
    """Say whether a variable is one of the certificates."""
    return bool(_VARIABLE.fullmatch(variable))


def misfits(
    driver: Driver, endpoints: Sequence[str], found: Mapping[int, Mapping[str, str]]
) -> Mapping[str, str]:
    """Return what is wrong with the certificates, by variable."""
    wrong: dict[str, str] = {}
    for index, files in sorted(found.items()):
        prefix = f"BUILDER_NODE_{index}_AUTH_TLS"
        first = next(f"{prefix}_{end}" for end, name in _FILES.items() if name in files)
        if not driver.takes_certificates:
            wrong[first] = f"is of no use to the driver {driver.name}; the driver remote takes it."
        elif index >= len(endpoints):
            wrong[first] = (
                f"is for node {index}, and there is none: they are counted from 0, and there "
                f"{'is one' if len(endpoints) == 1 else f'are {len(endpoints)}'}."
            )
        elif not endpoints[index].startswith("tcp://"):
            wrong[first] = f"is of no use to {endpoints[index]}; tcp:// is what TLS goes over."
        elif ("cert" in files) != ("key" in files):
            missing = "KEY" if "cert" in files else "CERT"
            wrong[f"{prefix}_{missing}"] = "is missing: a certificate and its key go together."
    return wrong
