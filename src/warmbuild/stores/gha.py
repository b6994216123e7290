"""Records in GitHub's cache service, version 2: an entry beside the cache's.

Its interface is that of actions/toolkit (packages/cache) and tonistiigi/go-actions-cache, which
BuildKit uses. An entry never changes. So each record is an entry of its own, whose key ends in the
time and chance, and the newest is read by the beginning of its key. GitHub removes entries that
nothing has read for 7 days. It looks for an entry of the run's own branch first, then of the target
and of the default branch, and a run writes entries of its own branch alone.
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from warmbuild import lazy, run_context, untrusted_json
from warmbuild.errors import RegistryError
from warmbuild.stores import azblob, servers

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Mapping

    from warmbuild.registry import exchange
    from warmbuild.stores.spot import Spot
else:
    hashlib = lazy.module("hashlib")
    # It imports requests.
    exchange = lazy.module("warmbuild.registry.exchange")

_SERVICE: Final = "/twirp/github.actions.results.api.v1.CacheService/"
# A part of the host by which BuildKit knows version 2.
_GITHUB: Final = "results-receiver.actions.githubusercontent.com"
# Entries of one version are not found by another: BuildKit has a version of its own.
_VERSION: Final = b"warmbuild record 1"
_WHO: Final = "GitHub's cache service"
_STORAGE: Final = f"the storage of {_WHO}"
_CODE: Final = re.compile(r"[a-z_]{1,40}")
# The longest signed URL, in characters: servers take no longer ones.
_LONGEST_URL: Final = 8 * 1024


def read(spot: Spot) -> bytes | None:
    """Return the newest record, None if there is none; raises RegistryError if it fails."""
    begin = _begin(spot)
    found = _call(spot, "GetCacheEntryDownloadURL", {"key": begin, "restore_keys": [begin]})
    if found.get("ok") is not True:
        return None
    if not untrusted_json.text(found, "matched_key").startswith(begin):
        raise RegistryError(f"{_WHO} answers with another entry")
    url = _signed_url(spot, untrusted_json.text(found, "signed_download_url"))
    request = exchange.Request(url=url, headers={}, is_final=True)
    return servers.accepted(servers.send(request, spot.end, _STORAGE), _STORAGE).body


def write(spot: Spot, content: bytes) -> None:
    """Write a record that is newer than all others; raises RegistryError if that fails."""
    key = f"{_begin(spot)}{time.time_ns() // 1_000_000}-{os.urandom(4).hex()}"
    made = _call(spot, "CreateCacheEntry", {"key": key})
    url = _signed_url(spot, untrusted_json.text(made, "signed_upload_url"))
    request = exchange.Request(
        method="PUT", url=url, headers=azblob.WHOLE, content=content, is_final=True
    )
    servers.accepted(servers.send(request, spot.end, _STORAGE), _STORAGE)
    entry = {"key": key, "size_bytes": len(content)}
    if _call(spot, "FinalizeCacheEntryUpload", entry).get("ok") is not True:
        raise RegistryError(f"{_WHO} does not accept the entry")


def service(settings: Mapping[str, str], env: Mapping[str, str]) -> str:
    """Return the URL of version 2, as buildx and BuildKit choose it.

    Raises RegistryError if they would use version 1, whose entries need another interface.
    """
    version, results = settings.get("version", ""), env.get("ACTIONS_RESULTS_URL", "")
    is_on = run_context.is_true(env.get("ACTIONS_CACHE_SERVICE_V2", ""))
    is_new = version == "2" or (not version and is_on)
    newer = settings.get("url_v2") or (results if is_new else "")
    if version != "1" and newer:
        return newer
    url = settings.get("url") or env.get("ACTIONS_CACHE_URL") or results
    if url and (version == "2" or (not version and _GITHUB in url)):
        return url
    raise RegistryError(f"version 1 of {_WHO} keeps no records")


def _call(spot: Spot, method: str, question: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a method of the service answers; raises RegistryError for a refusal."""
    token = spot.settings.get("token", "")
    if not token:
        raise RegistryError(f"there is no ACTIONS_RUNTIME_TOKEN for {_WHO}")
    version = hashlib.sha256(_VERSION).hexdigest()
    request = exchange.Request(
        method="POST",
        url=service(spot.settings, spot.env).rstrip("/") + _SERVICE + method,
        headers={"Content-Type": "application/json"},
        authorization=f"Bearer {token}",
        content=json.dumps({**question, "version": version}).encode(),
        is_final=True,
    )
    reply = servers.send(request, spot.end, _WHO)
    try:
        found = untrusted_json.parsed(reply.body)
    except ValueError as error:
        servers.accepted(reply, _WHO)
        raise RegistryError(f"{_WHO} answers with something other than JSON") from error
    code = untrusted_json.text(found, "code")
    servers.accepted(reply, _WHO, code if _CODE.fullmatch(code) else "")
    return found


def _signed_url(spot: Spot, url: str) -> str:
    """Return the URL of an entry's content, which is sent no login.

    Raises RegistryError for one without HTTPS, unless the service has none either.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    schemes = {"https", urlsplit(service(spot.settings, spot.env)).scheme}
    if not (parts.scheme in schemes and parts.hostname) or len(url) > _LONGEST_URL:
        raise RegistryError(f"{_WHO} names no address of the entry with HTTPS")
    return url


def _begin(spot: Spot) -> str:
    """Return how the keys of a cache's records begin, and no other key does."""
    return f"{spot.name}#"
