from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.unit.stores.spots import spot
from warmbuild.errors import RegistryError
from warmbuild.registry import aws
from warmbuild.registry.exchange import Request
from warmbuild.stores import s3
from warmbuild.stores.s3 import Keys

if TYPE_CHECKING:
    import responses

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SETTINGS = {"bucket": "b-1", "region": "eu-west-1"}
KEYS = {"access_key_id": "AKIA", "secret_access_key": "hunter2"}
URL = "https://b-1.s3.eu-west-1.amazonaws.com/manifests/cache-main---record"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "https://b-1.s3.eu-west-1.amazonaws.com/manifests/n", id="AWS"),
        pytest.param(
            {"region": "cn-north-1"},
            "https://b-1.s3.cn-north-1.amazonaws.com.cn/manifests/n",
            id="AWS in China",
        ),
        pytest.param(
            {"bucket": "a.b"},
            "https://s3.eu-west-1.amazonaws.com/a.b/manifests/n",
            id="a bucket with a dot",
        ),
        pytest.param(
            {"use_path_style": "true"},
            "https://b-1.s3.eu-west-1.amazonaws.com/manifests/n",
            id="a style that BuildKit heeds with an endpoint alone",
        ),
        pytest.param(
            {"endpoint_url": "https://minio.io:9000"},
            "https://b-1.minio.io:9000/manifests/n",
            id="an endpoint",
        ),
        pytest.param(
            {"endpoint_url": "https://minio.io:9000/s3/", "use_path_style": "T"},
            "https://minio.io:9000/s3/b-1/manifests/n",
            id="an endpoint with a path",
        ),
        pytest.param(
            {"endpoint_url": "http://10.0.0.1:9000"},
            "http://10.0.0.1:9000/b-1/manifests/n",
            id="an address",
        ),
        pytest.param(
            {"endpoint_url": "http://[::1]:9000"},
            "http://[::1]:9000/b-1/manifests/n",
            id="an address of IPv6",
        ),
        pytest.param(
            {"prefix": "ä b/", "manifests_prefix": "m+"},
            "https://b-1.s3.eu-west-1.amazonaws.com/%C3%A4%20b/m%2Bn",
            id="prefixes",
        ),
    ],
)
def test_an_object_is_where_buildkit_would_look_for_it(
    settings: dict[str, str], expected: str
) -> None:
    assert s3.address(SETTINGS | settings, "n") == expected


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("session", ["", "token"])
@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://b.s3.us-east-1.amazonaws.com:443/a",
        "http://[::1]:9000/b/%C3%A4%20b/m%2B~n",
        "https://MinIO.io:9000/b/a",
    ],
)
def test_a_signature_is_that_of_botocore(
    method: str, session: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: NOW)
    content = b"a record" if method == "PUT" else b""
    request = AWSRequest(method=method, url=url, data=content)
    credentials = Credentials("AKIA", "hunter2", session or None)
    botocore.auth.S3SigV4Auth(credentials, "s3", "eu-west-1").add_auth(request)

    asked = Request(method=method, url=url, headers={}, content=content)
    keys = Keys(access="AKIA", secret="hunter2", session=session)
    found = s3.signed(asked, keys, "eu-west-1", NOW)
    expected = {name.lower(): value for name, value in request.headers.items()}
    assert found.authorization.replace(",", ", ") == expected.pop("authorization")
    assert {**found.headers} == expected
    assert "hunter2" not in repr(found) + repr(keys)


def test_a_record_is_read_and_written(mocked: responses.RequestsMock) -> None:
    mocked.put(URL)
    mocked.get(URL, body=b"a record")
    s3.write(spot(SETTINGS | KEYS), b"a record")
    assert s3.read(spot(SETTINGS | KEYS)) == b"a record"
    assert mocked.calls[0].request.body == b"a record"


def test_there_is_no_record_yet(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, status=404, body="<Error><Code>NoSuchKey</Code></Error>")
    assert s3.read(spot(SETTINGS | KEYS)) is None


def test_a_refusal_is_told_by_its_code(mocked: responses.RequestsMock) -> None:
    mocked.get(URL, status=403, body="<Error><Code>AccessDenied</Code>\n::error::</Error>")
    mocked.put(URL, status=503, body="<Code>a secret</Code>")
    with pytest.raises(RegistryError) as raised:
        s3.read(spot(SETTINGS | KEYS))
    who = "S3 at b-1.s3.eu-west-1.amazonaws.com"
    assert str(raised.value) == f"{who} says 403 AccessDenied"
    with pytest.raises(RegistryError) as raised:
        s3.write(spot(SETTINGS | KEYS), b"")
    assert str(raised.value) == f"{who} says 503"


def test_keys_may_be_elsewhere(
    mocked: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mocked.get(URL, body=b"a record")
    monkeypatch.setattr(aws, "keys", lambda: ("AKIA", "hunter2", "token"))
    assert s3.read(spot(SETTINGS)) == b"a record"
    assert mocked.calls[0].request.headers["x-amz-security-token"] == "token"


def test_without_keys_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "keys", lambda: ("", "", ""))
    for settings in ({}, {"access_key_id": "AKIA"}):
        with pytest.raises(RegistryError, match="there are no keys for S3: set AWS_ACCESS_KEY_ID"):
            s3.read(spot(SETTINGS | settings))
