"""Asks AWS for the tokens that its registries take for passwords; the home of boto3.

boto3 is an extra, `pip install warmbuild[ecr]`; without it a credential helper does as well.
"""

from __future__ import annotations

import base64
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy, vendors
from warmbuild.errors import InputError, InputProblem, RegistryError
from warmbuild.vendors import ecr, ecr_public

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import boto3
    import botocore.config
    import botocore.exceptions

    from warmbuild.inputs.logins import Login
else:
    boto3 = lazy.module("boto3")
    botocore = lazy.module("botocore", "config", "exceptions")

# AWS's own credential helper, without docker-credential-.
_HELPER: Final = "ecr-login"
# The one region that gives tokens for the public registry.
_PUBLIC_REGION: Final = "us-east-1"
# In seconds.
_CONNECT: Final = 5
_ANSWER: Final = 30
_ATTEMPTS: Final = 3


def tokens(login: Login, env: Mapping[str, str]) -> tuple[Login, ...]:
    """Return the logins that AWS gives for AWS keys: one for each account that is asked for.

    Raises RegistryError where AWS gives none, and InputError where there is nothing to ask it with.
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
        raise RegistryError(f"AWS gives no token for {login.host}: {error}") from error


_MISSING: Final = (
    "AWS has to give a token for {0.host}, and there is nothing to ask it with. Install boto3 (the "
    "extra ecr of warmbuild) or docker-credential-ecr-login; or give the username AWS, with what "
    "aws ecr get-login-password prints for a password."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What AWS is asked, and where; the default region is the one that the machine has."""

    service: str = "ecr"
    region: str = ""
    is_fips: bool = False
    is_dual_stack: bool = False
    accounts: tuple[str, ...] = ()


def question(host: str, env: Mapping[str, str]) -> Question:
    """Return whom to ask for the tokens of a registry: as its host says, not as the machine does.

    AWS_ACCOUNT_IDS has further accounts, by comma, as docker/login-action takes them.
    """
    if vendors.detect(host) == ecr_public.VENDOR:
        return Question(service="ecr-public", region=_PUBLIC_REGION)
    place = ecr.place(host)
    if not place:
        # boto3 itself reads the second one alone.
        return Question(region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "")
    others = [part.strip() for part in env.get("AWS_ACCOUNT_IDS", "").split(",")]
    return Question(
        region=place.region,
        is_fips=place.is_fips,
        is_dual_stack=place.is_dual_stack,
        accounts=tuple(dict.fromkeys([place.account, *filter(None, others)])),
    )


def _granted(session: boto3.Session, login: Login, asked: Question) -> Iterator[Login]:
    """Ask, and yield a login for each account."""
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
    # The public registry is one, and has no list.
    grants = [granted] if isinstance(granted, dict) else granted
    if not grants:
        raise ValueError("its answer has none")
    for grant in grants:
        pair = base64.b64decode(grant.get("authorizationToken") or "", validate=True).decode()
        username, _, password = pair.partition(":")
        if not password:
            raise ValueError("its answer has none")
        host = _host(login.host, grant.get("proxyEndpoint") or "")
        yield replace(login, host=host, username=username, password=password, is_ecr=False)


def _host(asked: str, address: str) -> str:
    """Return the host that a token is for: the one that was asked for, of the account it names.

    An address is never one of FIPS or dual stack, for which the token is good too.
    """
    own, theirs = ecr.place(asked), ecr.place(urlsplit(address).netloc)
    return asked.replace(own.account, theirs.account, 1) if own and theirs else asked
