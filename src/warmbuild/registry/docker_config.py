"""Reads the user's Docker configuration, and adds logins to it."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from warmbuild import refs, secret_texts, untrusted_json
from warmbuild.errors import RegistryError
from warmbuild.files import read_text, write_text
from warmbuild.registry import credential_helpers, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warmbuild.inputs.logins import Login

# The key of Docker Hub's login.
_HUB_KEY: Final = "https://index.docker.io/v1/"
# The directory of logins with a scope, in buildx's state.
SCOPED: Final = "config"
# The directory of contexts, beside config.json, and the context that has no file there.
CONTEXTS: Final = "contexts"
DEFAULT_CONTEXT: Final = "default"
_FILE: Final = "config.json"
_HELPER: Final = "docker-credential-"


def user_directory(env: Mapping[str, str]) -> Path:
    """Return the directory of the user's Docker configuration."""
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or "/", ".docker"))


def buildx_directory(env: Mapping[str, str]) -> Path:
    """Return the directory of the user's buildx state."""
    return Path(env.get("BUILDX_CONFIG") or user_directory(env) / "buildx")


def read_config(env: Mapping[str, str]) -> dict[str, object]:
    """Return the user's config.json, overridden by the logins of DOCKER_AUTH_CONFIG.

    An unreadable file counts as empty, as for Docker's clients, which warn. It may have come here
    without its contexts, so a current one that is not there counts as none.
    """
    config = _json_object(read_text(user_directory(env) / _FILE))
    if "currentContext" in config and config["currentContext"] not in contexts(env):
        del config["currentContext"]
    from_env = _section(_json_object(env.get("DOCKER_AUTH_CONFIG", "")), "auths")
    if from_env:
        config["auths"] = _section(config, "auths") | from_env
        config["credHelpers"] = _section(config, "credHelpers") | dict.fromkeys(from_env, "")
    return config


def faults(env: Mapping[str, str]) -> Iterator[str]:
    """Yield what of the user's Docker configuration counts for nothing, and why."""
    path = user_directory(env) / _FILE
    if not path.exists():
        return
    text = read_text(path)
    config = _json_object(text)
    if text is None or not (config or text.strip() in {"", "{}"}):
        why = "cannot be read" if text is None else "is no JSON object"
        yield f"the Docker configuration {path} {why}, so it is ignored"
    current = config.get("currentContext", DEFAULT_CONTEXT)
    if current not in contexts(env) and not (env.get("DOCKER_HOST") or env.get("DOCKER_CONTEXT")):
        yield (
            f"the Docker configuration {path} names the context {current!r}, which is not beside "
            "it, so the default one is used"
        )


def contexts(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the user's Docker contexts; the default one is always there."""
    found = sorted((user_directory(env) / CONTEXTS / "meta").glob("*/meta.json"))
    names = (untrusted_json.text(_json_object(read_text(path)), "Name") for path in found)
    return (DEFAULT_CONTEXT, *filter(None, names))


def proxy_passwords(config: Mapping[str, object]) -> Iterator[str]:
    """Yield the passwords of the proxies that a Docker configuration gives builds."""
    for entry in untrusted_json.objects(list(_section(config, "proxies").values())):
        for value in entry.values():
            yield from secret_texts.in_urls(str(value))


def without_proxies(config: Mapping[str, object]) -> dict[str, object]:
    """Return a Docker configuration without the proxies if any of them has a password."""
    has_password = any(proxy_passwords(config))
    return {name: value for name, value in config.items() if name != "proxies" or not has_password}


def merged(config: Mapping[str, object], logins: Sequence[Login]) -> dict[str, object]:
    """Return a Docker configuration with these logins added.

    An empty credential helper for a host makes Docker's clients read `auths` for it, even if a
    store is configured.
    """
    auths, helpers = _section(config, "auths"), _section(config, "credHelpers")
    for login in logins:
        key = server(login.host)
        helpers[key] = login.helper
        if not login.helper:
            pair = f"{login.username}:{login.password}".encode()
            auths[key] = {"auth": base64.b64encode(pair).decode()}
    laid = dict(config)
    if auths:
        laid["auths"] = auths
    if helpers:
        laid["credHelpers"] = helpers
    return laid


def server(host: str) -> str:
    """Return the key of a registry's login in a Docker configuration."""
    return _HUB_KEY if host == refs.DOCKER_HUB else host


def helper(config: Mapping[str, object], host: str) -> str:
    """Return the credential helper of a registry, without docker-credential-."""
    helpers = _section(config, "credHelpers")
    return str(helpers.get(server(host), config.get("credsStore")) or "")


def usable(
    config: Mapping[str, object], env: Mapping[str, str]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return a configuration without the helpers that are not installed, and these by host.

    The helper of all other hosts, `credsStore`, has the key "". A container may have the user's
    configuration without the machine's programs, and Docker's clients fail if the store is missing,
    even for a public image.
    """

    def is_gone(name: object) -> bool:
        return bool(name) and not shutil.which(f"{_HELPER}{name}", path=env.get("PATH"))

    helpers, store = _section(config, "credHelpers"), config.get("credsStore")
    gone = {host: f"{_HELPER}{name}" for host, name in helpers.items() if is_gone(name)}
    found = dict(config)
    if gone:
        found["credHelpers"] = {key: name for key, name in helpers.items() if key not in gone}
    if is_gone(store):
        del found["credsStore"]
        gone[""] = f"{_HELPER}{store}"
    return found, gone


def read_scoped(env: Mapping[str, str]) -> dict[str, dict[str, dict[str, object]]]:
    """Return the user's configurations for logins with a scope, by host and scope."""
    base = buildx_directory(env) / SCOPED
    found: dict[str, dict[str, dict[str, object]]] = {}
    for path in base.rglob("config.json"):
        host, scope = scopes.of_directory(str(path.parent.relative_to(base)))
        found.setdefault(host, {})[scope] = _json_object(read_text(path))
    return found


def leave(env: Mapping[str, str], logins: Sequence[Login]) -> list[str]:
    """Store logins in the user's configuration as docker login does; return the failures."""
    failures: list[str] = []
    for login in logins:
        directory = user_directory(env)
        if login.scope:
            directory = buildx_directory(env) / SCOPED
            directory /= scopes.directory(login.host, login.scope)
        try:
            _leave(directory / "config.json", login)
        except (RegistryError, ValueError) as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{error.filename}: {error.strerror}")
    return failures


def _leave(path: Path, login: Login) -> None:
    text = read_text(path) or ""
    config = _json_object(text)
    if path.exists() and not config and text.strip() not in {"", "{}"}:
        raise ValueError(f"{path} is not a Docker configuration")
    if (name := helper(config, login.host)) and not login.helper:
        credential_helpers.store(name, login, server(login.host))
        return
    laid = merged(config, [login])
    if not login.helper and not _section(config, "credHelpers"):
        del laid["credHelpers"]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only this user can read the file; if it is a link, the file behind it is written.
    write_text(path.resolve(), json.dumps(laid, indent="\t"), mode=0o600)


def secrets(config: Mapping[str, object]) -> Iterator[str]:
    """Return the passwords and tokens in a Docker configuration."""
    for entry in _section(config, "auths").values():
        login = entry if isinstance(entry, dict) else {}
        pair = untrusted_json.binary(login.get("auth")).decode(errors="replace")
        yield pair.partition(":")[2]
        yield from (
            untrusted_json.text(login, name)
            for name in ("password", "identitytoken", "registrytoken")
        )


def has_logins(config: Mapping[str, object]) -> bool:
    """Return whether a configuration may contain credentials."""
    return any(config.get(name) for name in ("auths", "credHelpers", "credsStore"))


def _section(config: Mapping[str, object], name: str) -> dict[str, object]:
    return dict(untrusted_json.child(config, name))


def _json_object(text: str | None) -> dict[str, object]:
    try:
        return dict(untrusted_json.parsed(text or "{}"))
    except ValueError:
        return {}
