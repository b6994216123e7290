"""GitHub's cache service, version 2, for BuildKit and for warmbuild: entries are in Azurite.

As GitHub's, it answers with signed URLs of Azure's storage, never changes an entry, and looks for
it in the scopes of a token one after the other, by the beginning of its key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import Azblob

_SERVICE = "/twirp/github.actions.results.api.v1.CacheService/"
_WRITE = 2
_SIGNED_FOR = timedelta(hours=1)


@dataclass(slots=True)
class Entry:
    """A part of the cache, which can be read once it is complete."""

    scope: str
    version: str
    key: str
    url: str
    is_complete: bool = False


@dataclass(slots=True)
class Service:
    """The service, and what was asked of it."""

    azblob: Azblob
    container: str
    url: str = ""
    entries: list[Entry] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def keys(self) -> list[str]:
        return [entry.key for entry in self.entries if entry.is_complete]

    def signed(self, name: str) -> str:
        """Return the URL of a blob or the container, signed for an hour."""
        azblob, end = self.azblob, f"{datetime.now(UTC) + _SIGNED_FOR:%Y-%m-%dT%H:%M:%SZ}"
        fields = {"sp": "rcw", "ss": "b", "srt": "sco", "se": end, "sv": "2018-11-09"}
        order = (azblob.account, "rcw", "b", "sco", "", end, "", "", "2018-11-09", "")
        signature = hmac.digest(base64.b64decode(azblob.key), "\n".join(order).encode(), "sha256")
        fields["sig"] = base64.b64encode(signature).decode()
        place = f"{azblob.url}/{self.container}{name}"
        return str(requests.Request("GET", place, params=fields).prepare().url)

    def answer(self, method: str, token: str, asked: dict[str, Any]) -> dict[str, Any]:
        scopes = _scopes(token)
        with self._lock:
            self.asked.append(method)
            if method == "GetCacheEntryDownloadURL":
                found = self._found(list(scopes), asked)
                if found is None:
                    return {"ok": False}
                return {"ok": True, "matched_key": found.key, "signed_download_url": found.url}
            (scope,) = [name for name, permission in scopes.items() if permission & _WRITE]
            known = [one for one in self.entries if one.scope == scope]
            known = [one for one in known if one.version == asked["version"]]
            same = [one for one in known if one.key == asked["key"]]
            if method == "CreateCacheEntry" and not same:
                url = self.signed(f"/{secrets.token_hex(8)}")
                self.entries.append(Entry(scope, asked["version"], asked["key"], url))
                return {"ok": True, "signed_upload_url": url}
            if method == "FinalizeCacheEntryUpload" and same:
                size = requests.head(same[0].url, timeout=10).headers["Content-Length"]
                same[0].is_complete = int(size) == asked["size_bytes"]
                return {"ok": same[0].is_complete, "entry_id": "1"}
            return {"ok": False}

    def _found(self, scopes: list[str], asked: dict[str, Any]) -> Entry | None:
        for scope in scopes:
            for begin in (asked["key"], *asked["restore_keys"]):
                for entry in reversed(self.entries):
                    is_it = entry.scope == scope and entry.version == asked["version"]
                    if is_it and entry.is_complete and entry.key.startswith(begin):
                        return entry
        return None


def _scopes(token: str) -> dict[str, int]:
    claims = json.loads(base64.urlsafe_b64decode(f"{token.split('.')[1]}=="))
    found: dict[str, int] = {}
    for one in json.loads(claims["ac"]):
        found[one["Scope"]] = found.get(one["Scope"], 0) | one["Permission"]
    return found


@contextmanager
def github_cache_service(azblob: Azblob) -> Iterator[Service]:
    """Have such a service on this machine."""
    service = Service(azblob, f"gha-{hashlib.sha256(secrets.token_bytes()).hexdigest()[:12]}")
    made = requests.put(service.signed(""), params={"restype": "container"}, timeout=10)
    made.raise_for_status()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            token = self.headers["Authorization"].removeprefix("Bearer ")
            method = self.path.removeprefix(_SERVICE)
            answer = json.dumps(service.answer(method, token, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
