"""Logins for registries: what one is, and which one is used for what.

Scopes are those of docker/login-action and buildx 0.31: `PATH`, `PATH@ACTIONS` or `@ACTIONS`. A
login with a scope is used for tokens alone, as buildx does it; a registry that asks for a password
itself gets the login without one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, refs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from warmbuild import vendors
    from warmbuild.vendors.base import Vendor
else:
    vendors = lazy.module("warmbuild.vendors")

# The user name under which a credential store hands out a refresh token instead of a password.
IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 (a name, no secret)
# The user name of a token of Amazon's registries.
AWS: Final = "AWS"
_ECR: Final = ("auto", "true", "false")
_ACTIONS: Final = re.compile(r"[a-z]+(,[a-z]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials for one registry, or for what `scope` names of it.

    With `is_ecr` user name and password are AWS keys, or empty where AWS's own ways find some, and
    a token is still to be had for them. `helper` is a credential helper that has the login instead.
    `is_assumed` says that nobody gave the user name, `is_known`
    that the CI system gave it all.
    """

    host: str
    username: str
    password: str = field(repr=False)
    scope: str = ""
    is_ecr: bool = False
    is_assumed: bool = False
    is_known: bool = False
    helper: str = ""

    def __str__(self) -> str:
        """Return what a message may say of it."""
        return f"{self.host} for {self.scope}" if self.scope else self.host


def is_scope(text: str) -> bool:
    """Say whether a text is a scope."""
    path, at, actions = text.partition("@")
    return bool((path or at) and (not path or refs.is_path(path))) and (
        bool(_ACTIONS.fullmatch(actions)) if at else True
    )


def read_login(
    item: Mapping[str, str], default: str, known: Login | None, bad: Callable[[str, str], None]
) -> Login | None:
    """Read a login as docker/login-action names its parts; None where no login is in it.

    `default` is the registry where none is named. What is wrong is told to `bad`, by the part's
    name and with no value: a password may stand in another's place.
    """
    name, username, scope, ecr = (
        item.get(part, "").strip() for part in ("registry", "username", "scope", "ecr")
    )
    password, ecr = item.get("password", ""), ecr.lower() or "auto"
    if scope and not is_scope(scope):
        bad("scope", "is not accepted; use PATH, PATH@push or @push.")
    if ecr not in _ECR:
        bad("ecr", "is not accepted; use auto or true or false.")
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
    whose = f"; {vendor.name} takes {vendor.login}" if vendor.hosts else ""
    if not password:
        bad("password", f"is missing: a login takes a user name and a password{whose}.")
    usual = "" if username or ecr == "true" else _usual_name(vendor, password)
    if usual and known and known.host == host:
        usual = known.username
    if not username and not usual:
        bad("username", f"is missing: a login takes a user name and a password{whose}.")
    return Login(
        host=host,
        username=username or usual,
        password=password,
        scope=scope,
        is_assumed=bool(usual),
    )


def _usual_name(vendor: Vendor, password: str) -> str:
    """Return the user name that goes with such a password at a registry; "" for one's own."""
    names = (name for form, name in vendor.usernames if re.fullmatch(form, password, re.DOTALL))
    return next(names, "")
