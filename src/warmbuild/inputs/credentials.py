"""Reads build secrets and logins; no message shows any part of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, refs
from warmbuild.inputs.logins import Login, read_login
from warmbuild.inputs.table import BY_NAME
from warmbuild.inputs.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warmbuild.inputs import registry_auth
    from warmbuild.inputs.reading import Reader
    from warmbuild.refs import Reference
else:
    registry_auth = lazy.module("warmbuild.inputs.registry_auth")

# A login is taken from the CI system as a whole, or not at all.
LOGIN: Final = ("registry", "username", "password")
# It becomes a file's name, which may be as long as this, and neither of the two that are taken.
_SECRET_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,255}")
# Form of an item, and the field of Secret for its value. Of two items with one ID the last one is
# used, in the order in which docker/build-push-action passes them on.
_SECRET_FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "secret-envs": ("ID=VARIABLE", "variable"),
    "secrets": ("ID=value", "value"),
    "secret-files": ("ID=path", "path"),
}


def secrets(reader: Reader) -> tuple[Secret, ...]:
    """Return the build secrets of all three inputs."""
    found: dict[str, Secret] = {}
    places: dict[str, str] = {}
    for name, (form, source) in _SECRET_FORMS.items():
        for number, item in enumerate(reader.items(name), start=1):
            key, _, value = item.partition("=")
            key, place = key.strip(), f"item {number} of {name}"
            if not (_SECRET_ID.fullmatch(key) and value):
                # The line may be half of a secret.
                reader.bad(name, f"item {number} is not of the form {form}.")
                continue
            if key in places:
                reader.warnings.append(f"{places[key]} is ignored: {place} has the same ID")
            found[key], places[key] = Secret(id=key, **{source: value}), place
    return tuple(found.values())


def known_login(known: Mapping[str, str]) -> Login | None:
    """Return the CI system's login for its own registry."""
    if not all(known.get(name) for name in LOGIN):
        return None
    host, username, password = (known[name] for name in LOGIN)
    try:
        host = refs.host(host)
        return Login(host=host, username=username, password=password, is_known=True)
    except ValueError:
        return None


def logins(reader: Reader, images: Sequence[Reference], known: Login | None) -> tuple[Login, ...]:
    """Return the logins of the inputs, and the CI system's own if none is for its host."""
    one = {name: reader.values[name] for name in (*LOGIN, "scope")}
    is_ecr = reader.choice("ecr")
    has_one = is_ecr == "true" or any(value.strip() for value in one.values())
    found: list[Login] = []
    if reader.text("registry-auth"):
        found = _listed(reader, known)
        if has_one:
            text = (
                "conflicts with registry, username, password, scope and ecr; use one or the other."
            )
            reader.bad("registry-auth", text)
    elif has_one:
        place = images[0].host if images else refs.DOCKER_HUB
        one["ecr"] = is_ecr if is_ecr in BY_NAME["ecr"].choices else ""
        login = read_login(one, place, known, reader.bad)
        found = [login] if login else []
        if not login and one["scope"].strip():
            reader.bad("scope", "needs a login: set username and password.")
    if known and not any(login.host == known.host and not login.scope for login in found):
        found.append(known)
    return tuple(found)


def _listed(reader: Reader, known: Login | None) -> list[Login]:
    def bad_list(text: str) -> None:
        reader.bad("registry-auth", text)

    found: list[Login] = []
    for number, item in registry_auth.read(reader.values["registry-auth"], bad_list).items():

        def bad(name: str, text: str, number: int = number) -> None:
            bad_list(f"item {number}: {name} {text}")

        login = read_login(item, refs.DOCKER_HUB, known, bad)
        if login:
            found.append(login)
        elif not {"username", "password"} & set(item):
            bad_list(f"item {number} has neither username nor password.")
    last = {str(login): login for login in found}
    for place in sorted({str(login) for login in found if login is not last[str(login)]}):
        reader.warn("registry-auth", f"has several logins for {place}, and the last one is used")
    return list(last.values())
