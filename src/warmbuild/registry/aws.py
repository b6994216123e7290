"""Asks AWS for the tokens that its registries use as passwords.

boto3 is an extra, `pip install warmbuild[ecr]`; a credential helper can replace it.
"""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy, vendors
from warmbuild.errors import InputError, InputProblem, RegistryError
from warmbuild.frozen import frozen
from warmbuild.vendors import ecr, ecr_public
from warmbuild.vendors.refusal import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import boto3
    import botocore.config
    import botocore.exceptions

    from warmbuild.inputs.logins import Login
else:
    boto3 = lazy.module("boto3")
    botocore = lazy.module("botocore", "config", "exceptions")

# AWS's credential helper, without docker-credential-.
_HELPER: Final = "ecr-login"
# The only region that gives tokens for the public registry.
_PUBLIC_REGION: Final = "us-east-1"
_CONNECT: Final = 5  # seconds
_ANSWER: Final = 30  # seconds
_ATTEMPTS: Final = 3
_MISSING: Final = (
    "the login for {0.host} needs a token from AWS, which boto3 would get, but boto3 is not "
    "installed. Install it (the extra ecr of warmbuild) or, if no username is given, "
    "docker-credential-ecr-login; or set username to AWS and password to what aws ecr "
    "get-login-password prints."
)


def tokens(login: Login, env: Mapping[str, str]) -> tuple[Login, ...]:
    """Return the logins that AWS gives for AWS keys, one for each account.

    Raises RegistryError if AWS gives none, and InputError if neither boto3 nor AWS's credential
    helper can ask.
    """
    try:
        session_of, known = boto3.Session, botocore.exceptions
    except ImportError as error:
        if not login.username and shutil.which(
            f"docker-credential-{_HELPER}", path=env.get("PATH")
        ):
            return (replace(login, is_ecr=False, helper=_HELPER),)
        raise InputError([InputProblem(name="registry", text=_MISSING.format(login))]) from error
    try:
        session = session_of(
            aws_access_key_id=login.username or None, aws_secret_access_key=login.password or None
        )
        return tuple(_granted(session, login, question(login.host, env)))
    except (known.BotoCoreError, known.ClientError, ValueError) as error:
        raise RegistryError(
            f"AWS gives no token for {login.host}: {excerpt(str(error))}"
        ) from error


def keys() -> tuple[str, str, str]:
    """Return access key, secret and session token of AWS's own sources; empty if there are none.

    There are none without boto3. Raises RegistryError if a source fails.
    """
    try:
        session_of, known = boto3.Session, botocore.exceptions
    except ImportError:
        return "", "", ""
    try:
        found = session_of().get_credentials()
        frozen_keys = found.get_frozen_credentials() if found else None
    except known.BotoCoreError as error:
        raise RegistryError(f"AWS's keys cannot be read: {excerpt(str(error))}") from error
    if frozen_keys is None:
        return "", "", ""
    return frozen_keys.access_key, frozen_keys.secret_key, frozen_keys.token or ""


@frozen
class Question:
    """Which AWS service is asked, and for what."""

    service: str = "ecr"
    region: str = ""  # the machine's if empty
    is_fips: bool = False
    is_dual_stack: bool = False
    accounts: tuple[str, ...] = ()


def question(host: str, env: Mapping[str, str]) -> Question:
    """Return what to ask for the tokens of a registry; its host decides, not the machine.

    AWS_ACCOUNT_IDS has further accounts, separated by commas, as for docker/login-action.
    """
    if vendors.detect(host) == ecr_public.VENDOR:
        return Question(service="ecr-public", region=_PUBLIC_REGION)
    place = ecr.place(host)
    if not place:
        # boto3 itself reads only AWS_DEFAULT_REGION.
        return Question(region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "")
    others = [part.strip() for part in env.get("AWS_ACCOUNT_IDS", "").split(",")]
    return Question(
        region=place.region,
        is_fips=place.is_fips,
        is_dual_stack=place.is_dual_stack,
        accounts=tuple(dict.fromkeys([place.account, *filter(None, others)])),
    )


def _granted(session: boto3.Session, login: Login, asked: Question) -> Iterator[Login]:
    config = botocore.config.Config(
        connect_timeout=_CONNECT,
        read_timeout=_ANSWER,
        retries={"max_attempts": _ATTEMPTS, "mode": "standard"},
        use_fips_endpoint=asked.is_fips or None,
        use_dualstack_endpoint=asked.is_dual_stack or None,
    )
    client = session.client(asked.service, region_name=asked.region or None, config=config)
    query = {"registryIds": list(asked.accounts)} if asked.accounts else {}
    granted = client.get_authorization_token(**query).get("authorizationData") or []
    # ECR Public answers with one grant instead of a list.
    grants = [granted] if isinstance(granted, dict) else granted
    for grant in grants or [{}]:
        pair = base64.b64decode(grant.get("authorizationToken") or "", validate=True).decode()
        username, _, password = pair.partition(":")
        if not password:
            raise ValueError("its answer contains none")
        host = _host(login.host, grant.get("proxyEndpoint") or "")
        yield replace(login, host=host, username=username, password=password, is_ecr=False)


def _host(asked: str, address: str) -> str:
    """Return the host that was asked for, with the account of the token's address.

    The address never has FIPS or dual stack in it, but the token is valid for them too.
    """
    own, theirs = ecr.place(asked), ecr.place(urlsplit(address).netloc)
    return asked.replace(own.account, theirs.account, 1) if own and theirs else asked
