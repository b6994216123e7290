"""Names of platforms, such as linux/arm64."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATTERN: Final = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9_.]+)?")
_SAME: Final[Mapping[str, str]] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "amd64/v1": "amd64",
    "arm64/v8": "arm64",
    "arm": "arm/v7",
}


def normalized(text: str) -> str:
    """Return a platform's canonical name: linux/arm64 for arm64 and linux/arm64/v8."""
    system, _, machine = (text if "/" in text else f"linux/{text}").partition("/")
    return f"{system}/{_SAME.get(machine, machine)}"


def unserved(wanted: Iterable[str], served: Iterable[str]) -> tuple[str, ...]:
    """Return the wanted platforms that are not served, each once."""
    known = {normalized(one) for one in served}
    return tuple(dict.fromkeys(one for one in map(normalized, wanted) if one not in known))
