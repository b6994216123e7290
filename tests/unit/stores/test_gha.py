from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.unit.stores.spots import spot
from warmbuild.errors import RegistryError
from warmbuild.stores import gha

if TYPE_CHECKING:
    import responses

SERVICE = "https://r.io/twirp/github.actions.results.api.v1.CacheService/"
SETTINGS = {"url_v2": "https://r.io/", "token": "hunter2"}
STORED = "https://blobs.io/1?sig=2"
RESULTS = {"ACTIONS_RESULTS_URL": "https://results.io/"}
OLD = {"ACTIONS_CACHE_URL": "https://cache.io/"}
V2 = {"ACTIONS_CACHE_SERVICE_V2": "true"}
GITHUB = "https://results-receiver.actions.githubusercontent.com/"


@pytest.mark.parametrize(
    ("settings", "env", "expected"),
    [
        pytest.param({}, RESULTS | V2, "https://results.io/", id="GitHub's runner"),
        pytest.param({}, RESULTS | OLD | V2, "https://results.io/", id="both"),
        pytest.param({}, {"ACTIONS_RESULTS_URL": GITHUB}, GITHUB, id="a host that is known"),
        pytest.param({"version": "2"}, RESULTS | OLD, "https://results.io/", id="by version"),
        pytest.param({"version": "2", "url": "u"}, {}, "u", id="a version with its URL"),
        pytest.param({"url_v2": "u"}, RESULTS | V2, "u", id="another URL"),
        pytest.param({"url": "u"}, RESULTS | V2, "https://results.io/", id="a URL of the other"),
        pytest.param({}, RESULTS | OLD, "", id="a runner of before"),
        pytest.param({}, OLD | V2, "", id="a runner with the other URL alone"),
        pytest.param({"version": "1", "url_v2": "u"}, RESULTS | V2, "", id="version 1"),
        pytest.param({"url": "u"}, {}, "", id="a URL of version 1"),
        pytest.param({}, {}, "", id="nothing"),
    ],
)
def test_the_service_is_the_one_that_buildkit_uses(
    settings: dict[str, str], env: dict[str, str], expected: str
) -> None:
    if expected:
        assert gha.service(settings, env) == expected
        return
    with pytest.raises(RegistryError, match="version 1 of GitHub's cache service keeps no records"):
        gha.service(settings, env)


def answer(mocked: responses.RequestsMock, method: str, body: object, status: int = 200) -> None:
    mocked.post(SERVICE + method, json=body, status=status)


def asked(mocked: responses.RequestsMock, at: int) -> dict[str, object]:
    body = mocked.calls[at].request.body
    assert isinstance(body, bytes)
    return dict(json.loads(body))


def test_a_record_is_an_entry_of_its_own(mocked: responses.RequestsMock) -> None:
    answer(mocked, "CreateCacheEntry", {"ok": True, "signed_upload_url": STORED})
    mocked.put(STORED, status=201)
    answer(mocked, "FinalizeCacheEntryUpload", {"ok": True, "entry_id": "1"})
    for _ in range(2):
        gha.write(spot(SETTINGS), b"a record")
    keys = [str(asked(mocked, at)["key"]) for at in (0, 2, 3, 5)]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert all(re.fullmatch(r"cache-main---record#[0-9]{13}-[0-9a-f]{8}", key) for key in keys)
    assert asked(mocked, 2)["size_bytes"] == 8
    begun, stored = mocked.calls[0].request, mocked.calls[1].request
    assert begun.headers["Authorization"] == "Bearer hunter2"
    assert "Authorization" not in stored.headers
    assert (stored.body, stored.headers["x-ms-blob-type"]) == (b"a record", "BlockBlob")


def test_the_newest_record_is_found_by_the_beginning_of_its_key(
    mocked: responses.RequestsMock,
) -> None:
    found = {"ok": True, "matched_key": "cache-main---record#9", "signed_download_url": STORED}
    answer(mocked, "GetCacheEntryDownloadURL", found)
    mocked.get(STORED, body=b"a record")
    assert gha.read(spot(SETTINGS)) == b"a record"
    question = asked(mocked, 0)
    assert question["restore_keys"] == [question["key"]] == ["cache-main---record#"]
    assert re.fullmatch("[0-9a-f]{64}", str(question["version"]))


def test_there_is_no_record_yet(mocked: responses.RequestsMock) -> None:
    answer(mocked, "GetCacheEntryDownloadURL", {"ok": False})
    assert gha.read(spot(SETTINGS)) is None


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {"code": "permission_denied", "msg": "hunter2"}, "says 403 permission_denied"),
        (429, {"code": "a secret"}, "says 429"),
        (502, "<html>", "says 502"),
        (200, "<html>", "answers with something other than JSON"),
        (200, {"ok": True}, "names no address of the entry with HTTPS"),
        (200, {"ok": True, "signed_upload_url": "https://["}, "names no address of the entry wi"),
        (200, {"ok": True, "signed_upload_url": "https://a/" + "a" * 9000}, "names no address of"),
    ],
)
def test_an_entry_that_is_not_made(
    status: int, body: object, said: str, mocked: responses.RequestsMock
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    mocked.post(f"{SERVICE}CreateCacheEntry", status=status, body=text)
    with pytest.raises(RegistryError) as raised:
        gha.write(spot(SETTINGS), b"a record")
    assert str(raised.value).startswith(f"GitHub's cache service {said}")
    assert "secret" not in str(raised.value)


def test_an_entry_that_is_not_complete(mocked: responses.RequestsMock) -> None:
    answer(mocked, "CreateCacheEntry", {"ok": True, "signed_upload_url": STORED})
    mocked.put(STORED, status=201)
    answer(mocked, "FinalizeCacheEntryUpload", {"ok": False})
    with pytest.raises(RegistryError, match="GitHub's cache service does not accept the entry"):
        gha.write(spot(SETTINGS), b"a record")


def test_a_storage_that_refuses(mocked: responses.RequestsMock) -> None:
    found = {"ok": True, "matched_key": "cache-main---record#9", "signed_download_url": STORED}
    answer(mocked, "GetCacheEntryDownloadURL", found)
    mocked.get(STORED, status=403)
    with pytest.raises(RegistryError) as raised:
        gha.read(spot(SETTINGS))
    assert str(raised.value) == "the storage of GitHub's cache service says 403"


def test_without_a_token_nothing_is_asked() -> None:
    with pytest.raises(RegistryError, match="there is no ACTIONS_RUNTIME_TOKEN"):
        gha.read(spot({"url_v2": "https://r.io/"}))
