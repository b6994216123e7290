from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.unit.stores.spots import spot
from warmbuild.errors import RegistryError
from warmbuild.registry.exchange import Request
from warmbuild.stores import azblob

if TYPE_CHECKING:
    import responses

SETTINGS = {"account_url": "https://me.blob.core.windows.net", "secret_access_key": "aHVudGVyMg=="}
URL = "https://me.blob.core.windows.net/buildkit-cache/manifests/cache-main---record"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "https://a.io/buildkit-cache/manifests/n", id="Azure"),
        pytest.param({"container": "c"}, "https://a.io/c/manifests/n", id="a container"),
        pytest.param(
            {"account_url": "http://127.0.0.1:10000/me/"},
            "http://127.0.0.1:10000/me/buildkit-cache/manifests/n",
            id="an account in the path",
        ),
        pytest.param(
            {"account_url": "https://a.io/?sv=1&sig=2"},
            "https://a.io/buildkit-cache/manifests/n",
            id="a signature, which the key replaces",
        ),
        pytest.param(
            {"prefix": "ä b//", "manifests_prefix": "./m+/"},
            "https://a.io/buildkit-cache/%C3%A4%20b/m%2B/n",
            id="prefixes, which BuildKit joins as a path",
        ),
        pytest.param(
            {"prefix": "", "manifests_prefix": ""}, "https://a.io/buildkit-cache/n", id="no prefix"
        ),
    ],
)
def test_a_blob_is_where_buildkit_would_look_for_it(
    settings: dict[str, str], expected: str
) -> None:
    assert azblob.address({"account_url": "https://a.io"} | settings, "n") == expected


@pytest.mark.parametrize(
    ("method", "content", "length", "kind"),
    [
        ("GET", b"", "", ""),
        ("PUT", b"a record", "8", "x-ms-blob-type:BlockBlob\n"),
        ("PUT", b"", "", "x-ms-blob-type:BlockBlob\n"),
    ],
)
def test_what_is_signed_is_what_azure_signs(
    method: str, content: bytes, length: str, kind: str
) -> None:
    headers = azblob.WHOLE if method == "PUT" else {}
    request = Request(method=method, url=f"{URL}?x=1", headers=headers, content=content)
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    found = azblob.signed(request, "me", b"hunter2", now)
    text = (
        f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{kind}x-ms-date:Wed, 04 Mar 2026 05:06:07 GMT\n"
        "x-ms-version:2021-12-02\n/me/buildkit-cache/manifests/cache-main---record"
    )
    expected = base64.b64encode(hmac.digest(b"hunter2", text.encode(), "sha256")).decode()
    assert found.authorization == f"SharedKey me:{expected}"


def test_a_record_is_read_and_written(mocked: responses.RequestsMock) -> None:
    mocked.put(URL, status=201)
    mocked.get(URL, body=b"a record")
    azblob.write(spot(SETTINGS), b"a record")
    assert azblob.read(spot(SETTINGS)) == b"a record"
    sent = mocked.calls[0].request
    assert (sent.body, sent.headers["x-ms-blob-type"]) == (b"a record", "BlockBlob")
    assert sent.headers["Authorization"].startswith("SharedKey me:")
    assert "Content-Type" not in sent.headers


def test_a_refusal_is_told_by_its_code(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, status=403, headers={"x-ms-error-code": "AuthenticationFailed"})
    mocked.put(URL, status=503, headers={"x-ms-error-code": "no word"})
    with pytest.raises(RegistryError) as raised:
        azblob.read(spot(SETTINGS))
    who = "Azure Blob Storage at me.blob.core.windows.net"
    assert str(raised.value) == f"{who} says 403 AuthenticationFailed"
    with pytest.raises(RegistryError) as raised:
        azblob.write(spot(SETTINGS), b"")
    assert str(raised.value) == f"{who} says 503"


def test_there_is_no_record_yet(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, status=404, headers={"x-ms-error-code": "BlobNotFound"})
    assert azblob.read(spot(SETTINGS)) is None


def test_without_a_key_nothing_is_asked() -> None:
    with pytest.raises(RegistryError, match="set AZURE_STORAGE_KEY"):
        azblob.read(spot(SETTINGS | {"secret_access_key": ""}))
