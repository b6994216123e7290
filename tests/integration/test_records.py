"""A record is kept beside each kind of cache, and BuildKit reads its cache as before."""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import PATIENCE
from tests.integration.github_cache import github_cache_service
from warmbuild import __version__, refs, stores
from warmbuild.backends import BACKENDS
from warmbuild.cache.cache_plan import CachePlan
from warmbuild.cache.probe import Found, NotACache
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.record import record
from warmbuild.registry.client import Registry as Client
from warmbuild.registry.exchange import Request
from warmbuild.stores import azblob as azblob_store
from warmbuild.stores import s3 as s3_store
from warmbuild.stores import servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.conftest import (
        S3,
        Azblob,
        GithubCache,
        Lab,
        Registry,
        Warmbuild,
    )
    from tests.integration.faults import Proxy
    from tests.integration.github_cache import Service
    from warmbuild.cache.cache_plan import Place

RECORD = os.urandom(1000)
OTHER = os.urandom(100)


@dataclass(frozen=True, slots=True)
class Kept:
    """The records beside the caches of a backend."""

    backend: str
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None

    @property
    def inputs(self) -> dict[str, Any]:
        """What a run of warmbuild gets, to have its cache beside them."""
        options = "\n".join(self.options)
        return {"cache_backend": self.backend, "cache_options": options, "extra": self.env}

    @property
    def plan(self) -> CachePlan:
        return CachePlan(backend=BACKENDS[self.backend], options=self.options)

    def client(self, host: str) -> Client:
        user, password = self.login or ("", "")
        login = Login(host=host, username=user, password=password) if user else None
        return Client(host, login, None)

    def read(self, place: Place) -> bytes | None:
        return stores.read(self.plan, place, self.env, self.client)

    def write(self, place: Place, content: bytes) -> None:
        stores.write(self.plan, place, self.env, self.client, content)

    def check(self, place: Place) -> None:
        """Check that a record can be written, replaced and read, of every size."""
        for content in (RECORD, OTHER, os.urandom(stores.MOST_PACKED)):
            self.write(place, content)
            assert self.read(place) == content
        with pytest.raises(RegistryError, match="larger than 1 MiB"):
            self.write(place, bytes(stores.MOST_PACKED + 1))
        assert self.read(place) == content


def check_cache(request: Request) -> None:
    """Check that a request gets what BuildKit wrote."""
    reply = servers.send(request, time.monotonic() + PATIENCE, "it")
    assert json.loads(reply.body)["records"]


def check_beside(kept: Kept, warmbuild: Warmbuild, small: Path, repository: str) -> str:
    """Check a record beside a cache that BuildKit wrote and reads; return the cache's place."""
    inputs: dict[str, Any] = {"image": repository, **kept.inputs}
    cold = warmbuild.succeed(small, **inputs)
    place = cold.outputs["cache-written"]
    of = refs.parse(place) if BACKENDS[kept.backend].is_in_registry else place
    own = kept.read(of)
    assert own is not None
    assert [step.title for step in record.unpacked(own).recipe.steps][1:] == ["COPY source.txt /"]
    assert record.unpacked(own).versions == {"warmbuild": __version__, "buildkit": "v0.34.2"}
    kept.check(of)
    # The record says nothing to BuildKit, and the next export leaves it alone.
    warm = warmbuild.succeed(small, **inputs, branch="feature")
    assert warm.executed == []
    assert warm.warnings == cold.warnings
    (small / "source.txt").write_text("two")
    assert warmbuild.succeed(small, **inputs).executed == ["COPY source.txt /"]
    assert kept.read(of) is not None
    return place


@pytest.mark.parametrize("backend", ["registry", "inline"])
def test_in_a_registry(
    backend: str,
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
) -> None:
    place = check_beside(Kept(backend), warmbuild, small, repository)
    assert registry.records(repository) == ["cache-feature", "cache-main"]
    # Nobody takes it for a cache.
    manifest = registry.manifest(f"{place}---record")
    assert manifest["annotations"] == {"warmbuild.record": "true"}
    assert manifest["config"]["digest"] == manifest["layers"][0]["digest"]


def test_in_a_registry_with_a_password(lab: Lab, secured: str) -> None:
    place = refs.parse(f"{secured}:cache-main")
    assert Kept("registry", login=(lab.username, lab.password)).read(place) is None
    Kept("registry", login=(lab.username, lab.password)).check(place)
    with pytest.raises(RegistryError, match="says 401") as raised:
        Kept("registry").read(place)
    assert "username" in str(raised.value)
    with pytest.raises(RegistryError, match="says 401") as raised:
        Kept("registry", login=(lab.username, "hunter2")).write(place, RECORD)
    assert "hunter2" not in str(raised.value)


def test_what_is_no_record_stays_under_its_tag(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    kept, place = Kept("registry"), refs.parse(f"{repository}:cache-main")
    for tag in ("cache-main", "main"):
        client = kept.client(place.host)
        manifest = client.fetch(replace(place, tag=tag), "manifests", tag)
        assert manifest is not None
        media_type = registry.get(f"{place.path}/manifests/{tag}").headers["Content-Type"]
        there = replace(place, tag="cache-main---record")
        client.retag(there, Found("", manifest=manifest, media_type=media_type))
        with pytest.raises(RegistryError, match="cache-main---record holds no record; remove it"):
            kept.read(place)
        with pytest.raises(RegistryError, match="cache-main---record holds no record; remove it"):
            kept.write(place, RECORD)
        assert registry.digest(str(there)) == registry.digest(f"{repository}:{tag}")


def test_a_record_whose_content_is_gone_is_replaced(
    registry: Registry, proxy: Proxy, name: str
) -> None:
    kept, place = Kept("registry"), refs.parse(f"{proxy.host}/{name}:cache-main")
    kept.write(place, RECORD)
    proxy.answer("GET", "/blobs/", 404)
    with pytest.raises(RegistryError, match="has lost the content"):
        kept.read(place)
    kept.write(place, OTHER)
    assert kept.read(refs.parse(f"{registry.host}/{name}:cache-main")) == OTHER


def test_a_record_is_no_cache_by_its_own_tag(repository: str) -> None:
    kept, place = Kept("registry"), refs.parse(f"{repository}:cache-main")
    kept.write(place, RECORD)
    answer = kept.client(place.host).answer(replace(place, tag="cache-main---record"))
    assert isinstance(answer, NotACache)


def test_in_a_directory(warmbuild: Warmbuild, repository: str, small: Path, tmp_path: Path) -> None:
    kept = Kept("local")
    inputs: dict[str, Any] = {
        "image": repository,
        "cache_backend": "local",
        "cache_dir": str(tmp_path / "cache"),
    }
    for branch in ("main", "feature", "other"):
        ended = warmbuild.succeed(small, **inputs, branch=branch)
        kept.check(ended.outputs["cache-written"])
    # The cache of another branch has gone, and its record with it.
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        *("cache-main", "cache-main---record", "cache-other", "cache-other---record"),
    ]
    assert warmbuild.succeed(small, **inputs, branch="other").executed == []


@pytest.fixture
def service(azblob: Azblob) -> Iterator[Service]:
    with github_cache_service(azblob) as found:
        yield found


def test_in_githubs_cache_service(
    warmbuild: Warmbuild,
    repository: str,
    small: Path,
    service: Service,
    github_cache: GithubCache,
) -> None:
    env = {"ACTIONS_RUNTIME_TOKEN": github_cache.token}
    kept = Kept("gha", (f"url_v2={service.url}",), env)
    place = check_beside(kept, warmbuild, small, repository)
    begins = {key.partition("#")[0] for key in service.keys}
    blobs = {one for one in begins if one.startswith("buildkit-blob-")}
    indices = {one for one in begins if one.startswith("index-")}
    assert blobs
    assert indices
    assert begins - blobs - indices == {f"{place}---record", "cache-feature---record"}


def test_each_branch_has_its_own_entry_in_githubs_cache_service(
    service: Service, github_cache: GithubCache
) -> None:
    options = (f"url_v2={service.url}",)

    def of(branch: str) -> Kept:
        token = github_cache.of_branch(branch).token
        return Kept("gha", options, {"ACTIONS_RUNTIME_TOKEN": token})

    of("main").write("cache-main", RECORD)
    assert of("feature").read("cache-main") == RECORD
    # Its run has no way to write for main's.
    of("feature").write("cache-main", OTHER)
    assert of("main").read("cache-main") == RECORD
    assert of("main").read("cache-mai") is None
    of("main").write("cache-main2", OTHER)
    assert of("main").read("cache-main") == RECORD


def test_version_1_of_githubs_cache_service_keeps_no_record(github_cache: GithubCache) -> None:
    kept = Kept("gha", ("version=1",), github_cache.environment)
    with pytest.raises(RegistryError, match="version 1 of GitHub's cache service keeps no records"):
        kept.read("cache-main")


def test_in_s3(warmbuild: Warmbuild, repository: str, small: Path, name: str, s3: S3) -> None:
    options = (
        f"bucket={s3.bucket}",
        f"region={s3.region}",
        f"endpoint_url={s3.url}",
        "use_path_style=true",
        f"prefix={name} ä+~/",
    )
    kept = Kept("s3", options, s3.environment)
    place = check_beside(kept, warmbuild, small, repository)
    # The name of a record differs from BuildKit's own in its end alone.
    settings = dict(option.split("=", 1) for option in options)
    url = s3_store.address(settings, place)
    keys = s3_store.Keys(access=s3.key_id, secret=s3.secret)
    request = s3_store.signed(Request(url=url, headers={}), keys, s3.region, datetime.now(UTC))
    check_cache(request)
    wrong = replace(kept, env={**kept.env, "AWS_SECRET_ACCESS_KEY": "hunter2"})
    with pytest.raises(RegistryError, match=r"says 403 SignatureDoesNotMatch$") as raised:
        wrong.read("cache-main")
    assert "hunter2" not in str(raised.value)
    with pytest.raises(RegistryError, match="says 404 NoSuchBucket"):
        replace(kept, options=("bucket=no-such-bucket", *options[1:])).write("cache-main", RECORD)


def test_in_azure_blob_storage(
    warmbuild: Warmbuild, repository: str, small: Path, name: str, azblob: Azblob
) -> None:
    options = (
        f"account_url={azblob.url}",
        f"account_name={azblob.account}",
        f"container=c-{name[-6:]}",
        f"prefix=/{name} ä+~/",
    )
    kept = Kept("azblob", options, {"AZURE_STORAGE_KEY": azblob.key})
    assert kept.read("cache-main") is None
    with pytest.raises(RegistryError, match="says 404 ContainerNotFound"):
        kept.write("cache-main", RECORD)
    place = check_beside(kept, warmbuild, small, repository)
    url = azblob_store.address(dict(option.split("=", 1) for option in options), place)
    key = base64.b64decode(azblob.key)
    request = Request(url=url, headers={})
    check_cache(azblob_store.signed(request, azblob.account, key, datetime.now(UTC)))
    wrong = replace(kept, env={"AZURE_STORAGE_KEY": "aHVudGVyMg=="})
    with pytest.raises(RegistryError, match="says 403") as raised:
        wrong.read("cache-main")
    assert "aHVudGVyMg" not in str(raised.value)


@pytest.mark.parametrize("backend", ["s3", "azblob", "gha", "registry"])
def test_what_is_not_there_is_said(backend: str, unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}"
    options = {
        "s3": ("bucket=b", "region=r", f"endpoint_url={url}"),
        "azblob": (f"account_url={url}/a", "account_name=a"),
        "gha": (f"url_v2={url}",),
        "registry": (),
    }
    env = dict.fromkeys(BACKENDS[backend].secrets.values(), "bm8=")
    ref = refs.parse(f"127.0.0.1:{unused_port}/a:cache-main")
    place = ref if backend == "registry" else "cache-main"
    kept = Kept(backend, options[backend], env)
    with pytest.raises(RegistryError, match=r"cannot be read: .* cannot be reached"):
        kept.read(place)
    with pytest.raises(RegistryError, match=r"cannot be written: .* cannot be reached"):
        kept.write(place, RECORD)
