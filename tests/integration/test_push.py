"""A push or an export that fails for a reason that passes is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Registry, Warmbuild
    from tests.integration.faults import Proxy

# What the distribution registry 2.8 says to a manifest while one of its blobs is being linked.
BLOB_UNKNOWN = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}'
# Paths of manifests: those of an image, and a cache's.
IMAGE = "/manifests/(?!cache-)"
CACHE = "/manifests/cache-"


def test_a_push_that_the_export_got_in_the_way_of(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, name: str, small: Path
) -> None:
    proxy.answer("PUT", IMAGE, 400, body=BLOB_UNKNOWN)
    ended = warmbuild.succeed(small, image=f"{proxy.host}/{name}", cache_export="with")
    (warning,) = ended.warnings
    assert warning == (
        "warning: the push failed with a transient error (blob unknown to registry); retrying in "
        "2 s, then exporting the cache"
    )
    commands = [text for _, text in ended.lines if text.startswith("+ docker buildx build ")]
    assert ["--cache-to" in command for command in commands] == [True, False, True]
    assert ["--push" in command for command in commands] == [True, True, False]
    registry.check_image(f"{registry.host}/{name}:main")
    registry.check_cache(f"{registry.host}/{name}:cache-main")
    assert registry.digest(f"{registry.host}/{name}:main") == ended.outputs["digest"]
    assert ended.outputs["cache-written"] == f"{proxy.host}/{name}:cache-main"
    # The steps ran in the first try, and the others only found them done.
    assert ended.outputs["cache-hits"] == "0"
    assert len(ended.executed) == 2


def test_a_push_that_is_denied_is_not_tried_again(
    warmbuild: Warmbuild, proxy: Proxy, name: str, small: Path
) -> None:
    proxy.answer("PUT", IMAGE, 403, times=None)
    ended = warmbuild.build(small, image=f"{proxy.host}/{name}")
    assert ended.code == 5
    assert ended.log.count("+ docker buildx build ") == 1
    assert "the image is built and was not pushed" in ended.errors[0]


@pytest.mark.parametrize(("export", "builds"), [("with", 2), ("after", 3)])
def test_an_export_that_failed_once(
    export: str,
    builds: int,
    warmbuild: Warmbuild,
    registry: Registry,
    proxy: Proxy,
    name: str,
    small: Path,
) -> None:
    proxy.answer("PUT", CACHE, 400, body=BLOB_UNKNOWN)
    ended = warmbuild.succeed(small, image=f"{proxy.host}/{name}", cache_export=export)
    assert ended.log.count("+ docker buildx build ") == builds
    assert "the cache export failed with a transient error (blob unknown to registry)" in ended.log
    registry.check_cache(f"{registry.host}/{name}:cache-main")
    assert ended.outputs["cache-written"] == f"{proxy.host}/{name}:cache-main"
    assert ended.warnings == []
    assert len(ended.executed) == 2


def test_an_export_that_fails_again_is_told(
    warmbuild: Warmbuild, proxy: Proxy, name: str, small: Path
) -> None:
    proxy.answer("PUT", CACHE, 400, body=BLOB_UNKNOWN, times=None)
    ended = warmbuild.succeed(small, image=f"{proxy.host}/{name}", retry_timeout="12s")
    # The image, and exports at 0, 2 and 6 s and the length of the attempts; not after 14 s.
    assert ended.log.count("+ docker buildx build ") == 4
    assert ended.outputs["cache-written"] == ""
    (warning,) = ended.warnings
    assert f"no cache is written to {proxy.host}/{name}:cache-main: " in warning
