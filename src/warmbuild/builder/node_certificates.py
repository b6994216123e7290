"""Reads and checks the client certificates of remote nodes, which are environment variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.drivers import Driver

# The driver's name of a file is the variable's suffix in lower case.
_FILES: Final = ("CACERT", "CERT", "KEY")
VARIABLE: Final = re.compile(rf"BUILDER_NODE_(\d+)_AUTH_TLS_({'|'.join(_FILES)})")


def certificates(env: Mapping[str, str]) -> Mapping[int, Mapping[str, str]]:
    """Return the certificates by node number and by the driver's name for them."""
    found: dict[int, dict[str, str]] = {}
    for variable, value in env.items():
        named = VARIABLE.fullmatch(variable)
        if named and value:
            found.setdefault(int(named[1]), {})[named[2].lower()] = value
    return found


def misfits(
    driver: Driver, endpoints: Sequence[str], found: Mapping[int, Mapping[str, str]]
) -> Mapping[str, str]:
    """Return the errors in the certificates, by variable."""
    wrong: dict[str, str] = {}
    for index, files in sorted(found.items()):
        prefix = f"BUILDER_NODE_{index}_AUTH_TLS"
        first = next(f"{prefix}_{end}" for end in _FILES if end.lower() in files)
        if not driver.takes_certificates:
            wrong[first] = f"is not supported by driver {driver.name!r}; use driver 'remote'."
        elif index >= len(endpoints):
            nodes = f"{len(endpoints)} node{'s' if len(endpoints) > 1 else ''}"
            wrong[first] = f"is for node {index}, but the builder has {nodes}, numbered from 0."
        elif not endpoints[index].startswith("tcp://"):
            wrong[first] = f"is not supported by endpoint {endpoints[index]}; TLS needs tcp://."
        elif ("cert" in files) != ("key" in files):
            missing = "KEY" if "cert" in files else "CERT"
            wrong[f"{prefix}_{missing}"] = "is missing: a certificate and its key go together."
    return wrong
