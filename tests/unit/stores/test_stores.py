from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import pytest

from warmbuild import stores
from warmbuild.backends import BACKENDS, Store
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.errors import RegistryError
from warmbuild.stores import directory

if TYPE_CHECKING:
    from pathlib import Path

    from warmbuild.stores.spot import Spot

LOCAL = CachePlan(backend=BACKENDS["local"])
ENV = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hunter2", "OTHER": "x"}


def client(_host: str) -> NoReturn:
    pytest.fail("a registry is asked")


def test_every_way_has_a_module() -> None:
    assert set(stores._KEEPERS) == set(Store)  # noqa: SLF001 (a way without one fails late)
    assert {backend.store for backend in BACKENDS.values()} == set(Store)


def test_a_backend_without_a_store_has_no_record() -> None:
    cache = CachePlan(backend=replace(BACKENDS["local"], name="made-up", store=None))
    assert stores.read(cache, "cache-main", {}, client) is None
    with pytest.raises(RegistryError) as raised:
        stores.write(cache, "cache-main", {}, client, b"")
    assert str(raised.value) == (
        "the record beside cache-main cannot be written: the backend made-up keeps no records"
    )


def test_a_store_gets_the_attributes_that_buildkit_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Spot] = []
    monkeypatch.setattr(stores.s3, "write", lambda spot, _: seen.append(spot))
    options = ("bucket=b", "region=r", "endpoint_url=http://m/?a=b")
    cache = CachePlan(backend=BACKENDS["s3"], options=options)
    stores.write(cache, "cache-main", ENV, client, b"")
    assert seen[0].settings == {
        "bucket": "b",
        "region": "r",
        "endpoint_url": "http://m/?a=b",
        "access_key_id": "AKIA",
        "secret_access_key": "hunter2",
    }
    assert "hunter2" not in repr(seen[0])


def test_a_record_of_the_largest_size_is_kept(tmp_path: Path) -> None:
    place, content = f"{tmp_path}/cache-main", bytes(stores.MOST_PACKED)
    stores.write(LOCAL, place, {}, client, content)
    assert stores.read(LOCAL, place, {}, client) == content
    with pytest.raises(RegistryError, match="cannot be written: it is larger than 1 MiB"):
        stores.write(LOCAL, place, {}, client, bytes(stores.MOST_PACKED + 1))
    assert stores.read(LOCAL, place, {}, client) == content
    (tmp_path / "cache-main---record").write_bytes(bytes(stores.MOST_PACKED + 1))
    with pytest.raises(RegistryError, match="cannot be read: it is larger than 1 MiB"):
        stores.read(LOCAL, place, {}, client)


def test_a_store_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(stores, "_READ", 0.05)
    monkeypatch.setattr(stores, "_WRITE", 0.05)
    monkeypatch.setattr(directory, "read", lambda _: over.wait(10))
    monkeypatch.setattr(directory, "write", lambda *_: over.wait(10))
    with pytest.raises(RegistryError, match=r"cache-main cannot be read within 0 s$"):
        stores.read(LOCAL, "c/cache-main", {}, client)
    with pytest.raises(RegistryError, match=r"cache-main cannot be written within 0 s$"):
        stores.write(LOCAL, "c/cache-main", {}, client, b"")
    over.set()


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("azblob", ("account_url=https://a.io",), "hunter2 is no key"),
        ("azblob", ("account_url=https://a.io",), "\udcff"),
        ("azblob", ("account_url=https://[",), "bm8="),
        ("azblob", ("account_url=minio:9000",), "bm8="),
        ("s3", ("bucket=b", "region=r", "endpoint_url=minio:9000"), "hunter2"),
        ("s3", ("bucket=b", "region=r"), "hunter2\udcff"),
        ("gha", ("url_v2=minio:9000",), "hunter2"),
    ],
)
def test_a_setting_that_cannot_be_used_is_not_told(
    name: str, options: tuple[str, ...], key: str
) -> None:
    env = dict.fromkeys(BACKENDS[name].secrets.values(), key)
    cache = CachePlan(backend=BACKENDS[name], options=options)
    with pytest.raises(RegistryError) as raised:
        stores.read(cache, "cache-main", env, client)
    assert str(raised.value) == (
        "the record beside cache-main cannot be read: a setting cannot be used"
    )


@pytest.mark.parametrize("name", ["s3", "gha"])
def test_a_secret_that_no_header_can_have_is_not_told(name: str) -> None:
    env = dict.fromkeys(BACKENDS[name].secrets.values(), "hunter2\n")
    options = {"s3": ("bucket=b", "region=r"), "gha": ("url_v2=https://a.io",)}
    cache = CachePlan(backend=BACKENDS[name], options=options[name])
    with pytest.raises(RegistryError, match=r"cannot be reached$") as raised:
        stores.read(cache, "cache-main", env, client)
    assert "hunter2" not in str(raised.value)
