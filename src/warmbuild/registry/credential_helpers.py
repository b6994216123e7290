"""Reads and stores logins in credential helpers, through the docker SDK."""

from __future__ import annotations

import copy
import json
import warnings
from functools import partial
from typing import TYPE_CHECKING

from warmbuild import lazy, untrusted_json
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import IDENTITY_TOKEN, Login
from warmbuild.vendors.refusal import excerpt

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
            helper = docker.credentials.Store(name)
            helper.store(server, login.username, login.password)  # type: ignore[no-untyped-call]  # its stubs lack it
    except (docker.credentials.StoreError, OSError) as error:
        raise RegistryError(_helper_failed(login.host, error)) from error


def _helper_failed(host: str, why: object) -> str:
    # A helper that fails late may have printed the login already, as JSON.
    said = excerpt(str(why).partition("{")[0]).rstrip(".")
    return (
        f"the credential helper that the Docker configuration names for {host} fails: {said}. "
        "Fix the helper, or give username and password."
    )
