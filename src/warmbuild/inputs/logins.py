"""Logins for registries.

Scopes are those of docker/login-action and buildx 0.31: `PATH`, `PATH@ACTIONS` or `@ACTIONS`. As in
buildx, a login with a scope is used only for tokens; a registry with basic authentication receives
the login without a scope.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, refs
from warmbuild.frozen import frozen
from warmbuild.inputs import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild import vendors
else:
    vendors = lazy.module("warmbuild.vendors")

# User name with which a credential store returns a refresh token instead of a password.
IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 (a name, no secret)
# User name of a token of Amazon's registries.
AWS: Final = "AWS"
_ECR: Final = ("auto", "true", "false")
_ACTIONS: Final = re.compile(r"[a-z]+(,[a-z]+)*")


@frozen
class Login:
    """Credentials for one registry."""

    host: str
    username: str
    password: str = field(repr=False)
    scope: str = ""  # the part of the registry that it is for; empty: all
    is_ecr: bool = False
    """User name and password are AWS keys, or empty to use the default credentials of AWS."""
    is_assumed: bool = False  # the user name is the registry's usual one
    is_known: bool = False  # the CI system provides it
    helper: str = ""  # a credential helper that has the login instead

    def __str__(self) -> str:
        """Return the public part, for messages."""
        return f"{self.host} for {self.scope}" if self.scope else self.host


def is_scope(text: str) -> bool:
    """Return whether a text is a scope."""
    path, at, actions = text.partition("@")
    has_actions = bool(_ACTIONS.fullmatch(actions))
    return (has_actions or not at) and (refs.is_path(path) if path else has_actions)


def read_login(
    item: Mapping[str, str], default: str, known: Login | None, bad: Callable[[str, str], None]
) -> Login | None:
    """Read a login with the keys of docker/login-action; None if it has none.

    `default` is the default registry. `bad` receives the key of each problem, and no value: a
    password may be under a wrong key.
    """
    name, username, scope, ecr = (
        item.get(part, "").strip() for part in ("registry", "username", "scope", "ecr")
    )
    password, ecr = item.get("password", ""), ecr.lower() or "auto"
    if scope and not is_scope(scope):
        bad("scope", "is not accepted; use PATH, PATH@push or @push.")
    if wrong := checks.among(_ECR, ecr):
        bad("ecr", wrong)
    try:
        host = refs.host(name) if name else default
    except ValueError:
        bad("registry", "is not a registry's host, such as ghcr.io.")
        return None
    vendor = vendors.detect(host)
    is_ecr = ecr == "true" or (ecr == "auto" and vendor in vendors.OF_AWS)
    if is_ecr and username != AWS and bool(username) == bool(password):
        return Login(host=host, username=username, password=password, scope=scope, is_ecr=True)
    if not username and not password:
        return None
    missing = "is missing: a login needs a user name and a password"
    missing += f"; {vendor.name} takes {vendor.login}." if vendor.hosts else "."
    if not password:
        bad("password", missing)
    # The user name that the registry requires with such a token.
    fitting = [name for form, name in vendor.usernames if re.fullmatch(form, password, re.DOTALL)]
    usual = fitting[0] if fitting and not username and ecr != "true" else ""
    if usual and known and known.host == host:
        usual = known.username
    if not username and not usual:
        bad("username", missing)
    return Login(
        host=host,
        username=username or usual,
        password=password,
        scope=scope,
        is_assumed=bool(usual),
    )
