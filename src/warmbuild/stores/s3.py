"""Records in S3: an object beside the cache's manifest.

BuildKit names that `<prefix><manifests_prefix><name>` (cache/remotecache/s3, v0.34). Requests are
signed by version 4 of AWS's signatures, for which boto3 is not needed: it is in no image.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from warmbuild import lazy, run_context
from warmbuild.errors import RegistryError
from warmbuild.frozen import frozen
from warmbuild.registry import aws, transports
from warmbuild.stores import servers

if TYPE_CHECKING:
    import hashlib
    import hmac
    from collections.abc import Mapping

    from warmbuild.registry import exchange
    from warmbuild.registry.exchange import Reply, Request
    from warmbuild.stores.spot import Spot
else:
    hashlib = lazy.module("hashlib")
    hmac = lazy.module("hmac")
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")

# A bucket that can be a part of a host; one with a dot would have no valid certificate.
_IN_HOST: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ADDRESS: Final = re.compile(r"[0-9.]+|.*:.*")
_CODE: Final = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


@frozen
class Keys:
    """Keys of AWS."""

    access: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)


def read(spot: Spot) -> bytes | None:
    """Return the record, None if there is none; raises RegistryError if it cannot be read."""
    reply = _ask(spot, "GET")
    return None if reply.status == HTTPStatus.NOT_FOUND else _accepted(spot, reply).body


def write(spot: Spot, content: bytes) -> None:
    """Write the record; raises RegistryError if that fails."""
    _accepted(spot, _ask(spot, "PUT", content))


def address(settings: Mapping[str, str], name: str) -> str:
    """Return the URL of an object beside a cache's manifest, as BuildKit would ask for it."""
    region, bucket = settings["region"], settings["bucket"]
    key = f"{settings.get('prefix', '')}{settings.get('manifests_prefix', 'manifests/')}{name}"
    given = settings.get("endpoint_url", "")
    end = ".cn" if region.startswith("cn-") else ""
    base = urlsplit(given or f"https://s3.{region}.amazonaws.com{end}")
    is_in_path = (
        (given and run_context.is_true(settings.get("use_path_style", "")))
        or not _IN_HOST.fullmatch(bucket)
        or _ADDRESS.fullmatch(base.hostname or "")
    )
    path = f"{base.path.rstrip('/')}/{quote(f'{bucket}/{key}' if is_in_path else key)}"
    netloc = base.netloc if is_in_path else f"{bucket}.{base.netloc}"
    return base._replace(netloc=netloc, path=path, query="", fragment="").geturl()


def signed(request: Request, keys: Keys, region: str, now: datetime) -> Request:
    """Return a request with its signature, by AWS's "Signature Version 4" for S3."""
    url = urlsplit(request.url)
    # As it is sent: without the port that the scheme has anyway.
    host = servers.host(request.url).removesuffix(f":{transports.PORTS.get(url.scheme)}").lower()
    day, service = f"{now:%Y%m%d}", f"{region}/s3/aws4_request"
    digest = hashlib.sha256(request.content).hexdigest()
    headers = {"x-amz-content-sha256": digest, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}"}
    if keys.session:
        headers["x-amz-security-token"] = keys.session
    covered = {"host": host, **headers}
    names = ";".join(covered)
    lines = (f"{name}:{value}\n" for name, value in covered.items())
    asked = "\n".join([request.method, url.path, url.query, "".join(lines), names, digest])
    stamp = headers["x-amz-date"]
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{day}/{service}", _digest(asked)])
    key = f"AWS4{keys.secret}".encode()
    for part in (day, *service.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    return replace(
        request,
        headers={**request.headers, **headers},
        authorization=f"AWS4-HMAC-SHA256 Credential={keys.access}/{day}/{service},"
        f"SignedHeaders={names},Signature={key.hex()}",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _ask(spot: Spot, method: str, content: bytes = b"") -> Reply:
    url = address(spot.settings, spot.name)
    request = exchange.Request(method=method, url=url, headers={}, content=content, is_final=True)
    request = signed(request, _keys(spot), spot.settings["region"], datetime.now(UTC))
    return servers.send(request, spot.end, _who(spot))


def _keys(spot: Spot) -> Keys:
    """Return the keys of the environment, or else those that boto3 finds; as buildx does."""
    names = ("access_key_id", "secret_access_key", "session_token")
    access, secret, session = (spot.settings.get(name, "") for name in names)
    if not (access and secret):
        access, secret, session = aws.keys()
    if not (access and secret):
        raise RegistryError(
            "there are no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "install boto3 (the extra ecr of warmbuild), which looks for others"
        )
    return Keys(access=access, secret=secret, session=session)


def _accepted(spot: Spot, reply: Reply) -> Reply:
    found = _CODE.search(reply.body)
    return servers.accepted(reply, _who(spot), found[1].decode() if found else "")


def _who(spot: Spot) -> str:
    return f"S3 at {servers.host(address(spot.settings, spot.name))}"
