"""Records in Azure Blob Storage: a blob beside the cache's manifest.

BuildKit names that `<prefix>/<manifests_prefix>/<name>` (cache/remotecache/azblob, v0.34). Requests
are signed as "Authorize with Shared Key" of Azure's REST API has it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from warmbuild import lazy
from warmbuild.errors import RegistryError
from warmbuild.stores import servers

if TYPE_CHECKING:
    import base64
    import hmac
    from collections.abc import Mapping

    from warmbuild.registry import exchange
    from warmbuild.registry.exchange import Reply, Request
    from warmbuild.stores.spot import Spot
else:
    base64 = lazy.module("base64")
    hmac = lazy.module("hmac")
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")

_VERSION: Final = "2021-12-02"
_CODE: Final = re.compile(r"[A-Za-z]{1,64}")
# The blob is sent whole, by one request.
WHOLE: Final = {"x-ms-blob-type": "BlockBlob"}


def read(spot: Spot) -> bytes | None:
    """Return the record, None if there is none; raises RegistryError if it cannot be read."""
    reply = _ask(spot, "GET")
    return None if reply.status == HTTPStatus.NOT_FOUND else _accepted(spot, reply).body


def write(spot: Spot, content: bytes) -> None:
    """Write the record; raises RegistryError if that fails."""
    _accepted(spot, _ask(spot, "PUT", content))


def address(settings: Mapping[str, str], name: str) -> str:
    """Return the URL of a blob beside a cache's manifest, as BuildKit would ask for it."""
    base = urlsplit(settings["account_url"])
    parts = (settings.get("prefix", ""), settings.get("manifests_prefix", "manifests"), name)
    key = posixpath.normpath("/".join(filter(None, parts)))
    path = f"{base.path.rstrip('/')}/{settings.get('container', 'buildkit-cache')}/{quote(key)}"
    return base._replace(path=path, query="", fragment="").geturl()


def signed(request: Request, account: str, key: bytes, now: datetime) -> Request:
    """Return a request with its signature, by an account's shared key."""
    headers = {
        **request.headers,
        "x-ms-date": format_datetime(now, usegmt=True),
        "x-ms-version": _VERSION,
    }
    length = str(len(request.content) or "")
    # Of the headers that are signed by their place, only the fourth, the length, is set.
    unset = ("", "")
    text = "\n".join(
        [
            *(request.method, *unset, length, *unset, *unset, *unset, *unset),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            f"/{account}{urlsplit(request.url).path}",
        ]
    )
    signature = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
    return replace(request, headers=headers, authorization=f"SharedKey {account}:{signature}")


def _ask(spot: Spot, method: str, content: bytes = b"") -> Reply:
    settings = spot.settings
    if not settings.get("secret_access_key"):
        raise RegistryError("there is no key for Azure Blob Storage: set AZURE_STORAGE_KEY")
    url = address(settings, spot.name)
    account = settings.get("account_name") or (urlsplit(url).hostname or "").partition(".")[0]
    request = exchange.Request(
        method=method,
        url=url,
        headers=WHOLE if method == "PUT" else {},
        content=content,
        is_final=True,
    )
    key = base64.b64decode(settings["secret_access_key"], validate=True)
    return servers.send(signed(request, account, key, datetime.now(UTC)), spot.end, _who(spot))


def _accepted(spot: Spot, reply: Reply) -> Reply:
    code = reply.headers.get("x-ms-error-code", "")
    return servers.accepted(reply, _who(spot), code if _CODE.fullmatch(code) else "")


def _who(spot: Spot) -> str:
    return f"Azure Blob Storage at {servers.host(spot.settings['account_url'])}"
