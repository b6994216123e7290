"""Logins in the user's Docker configuration and its credential helpers, through the docker SDK."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING

from warmbuild import lazy
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker
    import docker.auth
    import docker.credentials
    import docker.errors
    import requests
else:
    docker = lazy.module("docker", "auth", "credentials", "errors")
    requests = lazy.module("requests")


def sdk_failures() -> tuple[type[Exception], ...]:
    """Return what the docker SDK raises."""
    return (
        docker.errors.DockerException,
        requests.RequestException,
        OSError,
        # What the SDK lets through for a configuration that is not as it expects.
        AttributeError,
        ValueError,
    )


def credential(config: Mapping[str, object], host: str) -> Login | None:
    """Return what the user's Docker configuration holds for a registry, helpers included.

    Raises RegistryError where a helper fails.
    """
    try:
        with warnings.catch_warnings():
            # The SDK warns of a helper that is not installed, and then fails.
            warnings.simplefilter("ignore")
            # A copy, for the SDK takes what it reads out of it.
            found = docker.auth.AuthConfig.load_config(None, copy.deepcopy(dict(config)))
            entry = found.resolve_authconfig(host)
    except docker.errors.DockerException as error:
        if not isinstance(error.__cause__, docker.credentials.StoreError):
            return None
        raise RegistryError(_helper_failed(host, error.__cause__)) from error
    except json.JSONDecodeError as error:
        # Of a helper's answer: the configuration has been read already.
        raise RegistryError(_helper_failed(host, "it answers no JSON")) from error
    except (KeyError, TypeError) as error:
        raise RegistryError(_helper_failed(host, "its answer has no login in it")) from error
    except sdk_failures():
        return None
    if not entry:
        return None
    # Entries of the file are in lower case, those of a helper are not.
    if entry.get("IdentityToken"):
        return Login(host=host, username=IDENTITY_TOKEN, password=entry["IdentityToken"])
    username = entry.get("username") or entry.get("Username") or ""
    password = entry.get("password") or entry.get("Password") or ""
    return Login(host=host, username=username, password=password) if username else None


def store(name: str, login: Login, server: str) -> None:
    """Have a credential helper keep a login; raises RegistryError where it does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            helper = docker.credentials.Store(name)
            helper.store(server, login.username, login.password)  # type: ignore[no-untyped-call]  # its stubs lack it
    except (docker.credentials.StoreError, OSError) as error:
        raise RegistryError(_helper_failed(login.host, error)) from error


def _helper_failed(host: str, why: object) -> str:
    # A helper that fails late may have said the login already, as JSON.
    said = " ".join(str(why).partition("{")[0].split())[:300].rstrip(".")
    return (
        f"the credential helper that the Docker configuration names for {host} fails: {said}. "
        "Mend it, or give username and password."
    )
