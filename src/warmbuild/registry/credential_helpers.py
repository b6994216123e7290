"""Reads and stores logins in credential helpers, through the docker SDK."""

from __future__ import annotations

import copy
import json
import warnings
from functools import partial
from typing import TYPE_CHECKING, Final

from warmbuild import lazy, process, untrusted_json
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker
    import docker.auth
    import docker.credentials
    import docker.credentials.errors
    import docker.credentials.utils
    import docker.errors
    import requests
else:
    docker = lazy.module(
        "docker",
        *("auth", "credentials", "credentials.errors", "credentials.utils", "errors"),
    )
    requests = lazy.module("requests")

# How long a helper may take, in seconds: some ask a cloud for a token.
_PATIENCE: Final = 30.0
# What helpers say of a registry for which they have no login (docker-credential-helpers).
_UNKNOWN: Final = "credentials not found in native keychain"


def sdk_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions that the docker SDK raises."""
    return (
        docker.errors.DockerException,
        requests.RequestException,
        OSError,
        # For a configuration of an unexpected shape.
        AttributeError,
        ValueError,
    )


def credential(config: Mapping[str, object], host: str) -> Login | None:
    """Return a Docker configuration's login for a registry, also from its credential helpers.

    Raises RegistryError if a helper fails.
    """
    try:
        with warnings.catch_warnings():
            # The SDK warns of a missing helper, and then fails.
            warnings.simplefilter("ignore")
            # A copy, because the SDK removes what it reads.
            found = docker.auth.AuthConfig.load_config(None, copy.deepcopy(dict(config)))
            if name := found.get_credential_store(host):
                found._stores[name] = _helper(name)  # type: ignore[attr-defined]  # noqa: SLF001
            entry = found.resolve_authconfig(host)
    except docker.errors.DockerException as error:
        if not isinstance(error.__cause__, docker.credentials.StoreError):
            return None
        raise RegistryError(_helper_failed(host, error.__cause__)) from error
    except (json.JSONDecodeError, RecursionError) as error:
        # Of a helper's answer: the configuration has been parsed already.
        raise RegistryError(_helper_failed(host, "its answer is not JSON")) from error
    except (KeyError, TypeError) as error:
        raise RegistryError(_helper_failed(host, "its answer contains no login")) from error
    except sdk_failures():
        return None
    if not entry:
        return None
    text = partial(untrusted_json.text, entry)
    # The keys of the file are in lower case, those of a helper are not.
    if token := text("IdentityToken"):
        return Login(host=host, username=IDENTITY_TOKEN, password=token)
    username = text("username") or text("Username")
    password = text("password") or text("Password")
    return Login(host=host, username=username, password=password) if username else None


def store(name: str, login: Login, server: str) -> None:
    """Store a login in a credential helper; raises RegistryError if that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            helper = _helper(name)
            helper.store(server, login.username, login.password)  # type: ignore[no-untyped-call]  # its stubs lack it
    except (docker.credentials.StoreError, OSError) as error:
        raise RegistryError(_helper_failed(login.host, error)) from error


def _helper(name: str) -> docker.credentials.Store:
    """Return a credential helper of the SDK, for which the SDK would wait for ever."""
    helper = docker.credentials.Store(name)
    helper._execute = partial(_asked, helper)  # type: ignore[attr-defined]  # noqa: SLF001
    return helper


def _asked(helper: docker.credentials.Store, command: str, given: bytes | None) -> bytes:
    """Return a helper's answer; raises StoreError as the SDK does."""
    if helper.exe is None:
        raise docker.credentials.StoreError(f"{helper.program} is not installed")
    env = docker.credentials.utils.create_environment_dict(helper.environment)  # type: ignore[no-untyped-call]
    try:
        done = process.answered([helper.exe, command], env, given or b"", patience=_PATIENCE)
    except process.LateError as late:
        why = f"it did not answer within {_PATIENCE:.0f} s"
        raise docker.credentials.StoreError(why) from late
    if _UNKNOWN in done.output:
        raise docker.credentials.errors.CredentialsNotFound(done.output)
    if done.code:
        said = process.death(done.code) or done.output
        raise docker.credentials.StoreError(f'{helper.program} says "{said}"')
    return done.output.encode()


def _helper_failed(host: str, why: object) -> str:
    # A helper that fails late may have printed the login already, as JSON.
    said = excerpt(str(why).partition("{")[0]).rstrip(".")
    return (
        f"the credential helper that the Docker configuration names for {host} fails: {said}. "
        "Fix the helper, or give username and password."
    )
