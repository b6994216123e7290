"""Logins that are limited to a scope: which one fits a token, and where buildx looks for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from warmbuild import refs

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest_scope(scopes: Iterable[str], asked: str) -> str:
    """Return the scope that fits a token best, "" if none fits.

    `asked` is a token's scope, such as `repository:me/app:pull,push`. A scope with a path is
    preferred, then one with more actions. A token for several repositories at once fits none.
    """
    if " " in asked:
        return ""
    path, _, actions = asked.partition(":")[2].rpartition(":")
    wanted = set(actions.split(","))

    def fits(scope: str) -> bool:
        own, _, needed = scope.partition("@")
        return own in {"", path} and (not needed or set(needed.split(",")) <= wanted)

    def rank(scope: str) -> tuple[str, int]:
        own, _, needed = scope.partition("@")
        return own, len(needed.split(",")) if needed else 0

    return max(filter(fits, filter(None, scopes)), key=rank, default="")


def token_scope(scope: str) -> str:
    """Return the scope of a token that this login may get, "" for a login without a path."""
    path, _, actions = scope.partition("@")
    return f"repository:{path}:{actions or 'pull'}" if path else ""


def directory(host: str, scope: str) -> str:
    """Return where buildx looks for a scoped login, below the directory config of its state."""
    host = refs.HUB_API if host == refs.DOCKER_HUB else host
    return f"{host}{'' if scope.startswith('@') else '/'}{scope}"


def of_directory(name: str) -> tuple[str, str]:
    """Return the host and the scope of such a directory."""
    host = re.split("[/@]", name, maxsplit=1)[0]
    scope = name.removeprefix(host).removeprefix("/").removesuffix("@")
    return refs.DOCKER_HUB if host == refs.HUB_API else host, scope
