"""Why the record beside a cache cannot be read or written."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Final
from unittest import mock

from tests.golden import adapters, machine
from tests.golden.machine import refusal
from tests.golden.made_up import HOME
from tests.golden.scene import Scene, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.golden.machine import Replies

_MIB: Final = 1024 * 1024
_ENV: Final = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "AZURE_STORAGE_KEY": "aHVudGVyMg==",
    "ACTIONS_RUNTIME_TOKEN": "hunter2",
}
_S3: Final = ("s3", "bucket=caches", "region=eu-west-1")
_AZURE: Final = ("azblob", "account_url=https://me.blob.core.windows.net")
_GITHUB: Final = ("gha", "url_v2=https://results.example.com")
_RECORD: Final = f"GET {HOME}/manifests/cache-main---record"
_SERVICE: Final = "POST results.example.com/twirp/github.actions.results.api.v1.CacheService/{}"
_ENTRY: Final = _SERVICE.format("GetCacheEntryDownloadURL")
_STORED: Final = "https://blobs.example.com/1?sig=2"


def _answer(**members: object) -> tuple[int, dict[str, str], str]:
    return 200, {}, json.dumps(members)


def _found(url: str, key: str) -> Replies:
    return {_ENTRY: _answer(ok=True, matched_key=key, signed_download_url=url)}


_READ: Final[dict[str, tuple[tuple[str, ...], Replies]]] = {
    "nothing is there": (("registry",), {}),
    "a registry that refuses": (("registry",), {_RECORD: refusal(403, "DENIED", "no")}),
    "something else under its tag": (("registry",), {_RECORD: (200, {}, "{}")}),
    "a registry without the record's content": (
        ("registry",),
        {_RECORD: (200, {}, adapters.record_manifest())},
    ),
    "S3 that refuses": (
        _S3,
        {"GET caches.s3.eu-west-1.amazonaws.com/*": (403, {}, "<Code>AccessDenied</Code>")},
    ),
    "S3 that answers with too much": (
        _S3,
        {"GET caches.s3.eu-west-1.amazonaws.com/*": (200, {}, "x" * (_MIB + 1))},
    ),
    "Azure that refuses": (
        _AZURE,
        {
            "GET me.blob.core.windows.net/*": (
                403,
                {"x-ms-error-code": "AuthenticationFailed"},
                "",
            )
        },
    ),
    "GitHub's cache service that refuses": (
        _GITHUB,
        {_ENTRY: (403, {}, '{"code": "permission_denied"}')},
    ),
    "GitHub's cache service that is none": (_GITHUB, {_ENTRY: (200, {}, "<html>")}),
    "GitHub's cache service that finds another entry": (_GITHUB, _found(_STORED, "other")),
    "GitHub's cache service without HTTPS for the record": (
        _GITHUB,
        _found("http://blobs.example.com/1", "cache-main---record#1"),
    ),
    "the storage of GitHub's cache service that refuses": (
        _GITHUB,
        {**_found(_STORED, "cache-main---record#1"), "GET blobs.example.com/1": (403, {}, "")},
    ),
    "version 1 of GitHub's cache service": (("gha", "version=1"), {}),
    "a setting that is wrong": (("azblob", "account_url=https://["), {}),
}
_WITHOUT: Final = {"S3": _S3, "Azure": _AZURE, "GitHub's cache service": _GITHUB}


def _scenes() -> Iterator[Scene]:
    for title, (cache, replies) in _READ.items():
        yield Scene(title=title, said=_record(*cache, replies=replies))
    nowhere = {"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
    machine_keys = {**nowhere, "AWS_EC2_METADATA_DISABLED": "true"}
    with mock.patch.dict(os.environ, machine_keys):
        for title, cache in _WITHOUT.items():
            yield Scene(title=f"{title} without its keys", said=_record(*cache, env={}))
        with mock.patch.dict(os.environ, {"AWS_PROFILE": "gone"}):
            yield Scene(title="S3 with a profile that is gone", said=_record(*_S3, env={}))
    unfinished: Replies = {
        _SERVICE.format("CreateCacheEntry"): _answer(ok=True, signed_upload_url=_STORED),
        "PUT blobs.example.com/1": (201, {}, ""),
        _SERVICE.format("FinalizeCacheEntryUpload"): _answer(ok=False),
    }
    said = _record(*_GITHUB, replies=unfinished, content=b"a record")
    yield Scene(title="an entry that GitHub's cache service drops", said=said)
    yield Scene(title="a record that is too large", said=_record(*_S3, content=bytes(_MIB + 1)))
    yield Scene(title="a backend without records", said=_record("made-up", content=b""))
    with tempfile.TemporaryDirectory() as root:
        said = _record("local", place=f"{root}/gone/cache-main", content=b"a record")
        yield Scene(title="a directory that is gone", said=said.replace(root, "/cache"))


def _record(
    backend: str,
    *options: str,
    replies: Replies | None = None,
    env: dict[str, str] | None = None,
    place: str = "cache-main",
    content: bytes | None = None,
) -> str:
    with machine.answering(replies or {}):
        given = _ENV if env is None else env
        return adapters.record(backend, *options, env=given, place=place, content=content)


SUBJECT = Subject(name="records", about="Records of builds beside caches.", scenes=_scenes)
