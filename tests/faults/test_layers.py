"""What a cache can do to a build that has found it: be gone, too large, or never answer."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.faults import proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.conftest import Ended, Registry, Warmbuild
    from tests.integration.faults import Proxy

CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
SEPARATE = """\
FROM busybox:1.37
RUN cat /proc/sys/kernel/random/uuid > /once
COPY source.txt /
RUN cat /once /source.txt > /both
"""


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    with proxied(registry.host) as found:
        yield found


def check_image(ended: Ended, registry: Registry, repository: str) -> None:
    assert ended.code == 0, ended.log
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    registry.check_image(f"{repository}:main")


def refuse(status: int) -> Callable[[Proxy, str], None]:
    return lambda proxy, layer: proxy.answer("GET|HEAD", f"/blobs/{layer}", status, times=None)


def garble(proxy: Proxy, layer: str) -> None:
    proxy.answer("GET", f"/blobs/{layer}", 200, body=b"x" * 200, times=None)


def empty(proxy: Proxy, layer: str) -> None:
    proxy.answer("GET", f"/blobs/{layer}", 200, body=b"", times=None)


def cut(proxy: Proxy, layer: str) -> None:
    proxy.truncate("GET", f"/blobs/{layer}", size=0, times=None)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refuse(404), id="is gone"),
        pytest.param(refuse(403), id="is refused"),
        pytest.param(garble, id="is something else"),
        pytest.param(empty, id="is empty"),
        pytest.param(cut, id="ends early for ever"),
    ],
)
def test_a_layer_costs_its_cache_which_is_repaired_where_it(
    fault: Callable[[Proxy, str], None],
    warmbuild: Warmbuild,
    registry: Registry,
    proxy: Proxy,
    repository: str,
    name: str,
    project: Callable[..., Path],
) -> None:
    place = project(SEPARATE, {"source.txt": "one"})
    warmbuild.succeed(place, image=f"{proxy.host}/{name}")
    # The image has its layers in order, the cache does not.
    fault(proxy, registry.layers(f"{repository}:main")[1])
    (place / "source.txt").write_text("two")
    ended = warmbuild.build(place, image=f"{proxy.host}/{name}", cache_timeout="5s")
    check_image(ended, registry, repository)
    (warning,) = [text for text in ended.warnings if "retrying without" in text]
    assert warning.startswith(f"warning: {proxy.host}/{name}:cache-main@")
    assert ended.outputs["cache-read"] == ""
    assert len(ended.executed) == 3
    assert ended.outputs["cache-written"] == f"{proxy.host}/{name}:cache-main"
    assert ended.done < 60
    proxy.heal()
    registry.check_cache(f"{repository}:cache-main")
    assert warmbuild.succeed(place, image=f"{proxy.host}/{name}").executed == []


def test_a_configuration_that_is_too_large_is_not_read_and_said(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    padding = {"layers": [], "records": [{"digest": f"sha256:{'0' * 64}"}] * 14000}
    put_cache(registry, repository, padding)
    ended = warmbuild.build(small, image=repository)
    check_image(ended, registry, repository)
    assert any("BuildKit reads no more than 1048576" in warning for warning in ended.warnings)
    assert ended.outputs["cache-read"] == ""
    # It is ours, so the next build is warm again.
    assert warmbuild.succeed(small, image=repository).executed == []


def test_a_configuration_that_grows_large_is_warned_of(
    warmbuild: Warmbuild, registry: Registry, repository: str, small: Path
) -> None:
    padding = {"layers": [], "records": [{"digest": f"sha256:{'0' * 64}"}] * 10500}
    put_cache(registry, repository, padding)
    ended = warmbuild.build(small, image=repository)
    check_image(ended, registry, repository)
    assert any("BuildKit reads no more than 1048 kB" in warning for warning in ended.warnings)


def test_an_export_that_hangs_is_given_up_when_the_image_is_out(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, repository: str, name: str, small: Path
) -> None:
    proxy.hang("PUT", "/manifests/cache-main", times=None)
    ended = warmbuild.build(small, image=f"{proxy.host}/{name}", cache_timeout="3s")
    check_image(ended, registry, repository)
    assert ended.outputs["cache-written"] == ""
    assert ended.outputs["cache-write-error"]
    assert ended.done < 20


def test_an_export_that_hangs_beside_a_push_is_given_up_too(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, repository: str, name: str, small: Path
) -> None:
    proxy.hang("PUT", "/manifests/cache-main", times=None)
    ended = warmbuild.build(
        small, image=f"{proxy.host}/{name}", cache_timeout="3s", cache_export="with"
    )
    check_image(ended, registry, repository)
    assert ended.outputs["cache-written"] == ""
    assert "the export made no progress within cache-timeout" in ended.outputs["cache-write-error"]
    assert ended.done < 25


def test_an_import_that_hangs_after_a_good_probe_costs_its_cache(
    warmbuild: Warmbuild, registry: Registry, proxy: Proxy, repository: str, name: str, small: Path
) -> None:
    warmbuild.succeed(small, image=repository)
    digest = registry.digest(f"{repository}:cache-main")
    cache = f"{proxy.host}/{name}"
    # The probe asks by tag, and BuildKit by digest.
    proxy.hang("GET|HEAD", f"/manifests/{digest}", times=None)
    ended = warmbuild.build(small, image=repository, cache_repository=cache, cache_timeout="5s")
    check_image(ended, registry, repository)
    assert any("the registry stopped answering" in warning for warning in ended.warnings)
    assert len(ended.executed) == 2
    assert ended.done < 30


def test_a_cache_registry_that_hangs_slows_no_other_build_on_its_builder(
    warmbuild: Warmbuild, proxy: Proxy, repository: str, name: str, small: Path, tmp_path: Path
) -> None:
    builder = f"b{name[-6:]}"
    warmbuild.kept.add(builder)
    options: dict[str, Any] = {"builder": builder, "cleanup": "false", "push": "false"}
    other = tmp_path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text("FROM busybox:1.37\nRUN true\n")
    (tmp_path / "home").mkdir(exist_ok=True)
    try:
        warmbuild.succeed(other, image=repository, cache="off", **options)
        alone = warmbuild.succeed(other, image=repository, cache="off", **options)
        proxy.hang("GET|HEAD", "/v2/", times=None)
        hung = warmbuild.start(
            small, image=repository, cache_repository=f"{proxy.host}/c", **options
        )
        hung.wait_for(r"docker buildx create|warmbuild: plan|builder")
        beside = warmbuild.succeed(other, image=repository, cache="off", **options)
        ended = hung.end()
        assert ended.code == 0, ended.log
        assert "does not answer within 15 s" in ended.log
        assert beside.seconds < alone.seconds + 3
    finally:
        remove_builder(warmbuild, builder)


def remove_builder(warmbuild: Warmbuild, builder: str) -> None:
    name = f"buildx_buildkit_{builder}0"
    for container in warmbuild.engine.containers.list(all=True, filters={"name": name}):
        container.remove(force=True, v=True)
    for volume in warmbuild.engine.volumes.list(filters={"name": f"{name}_state"}):
        volume.remove(force=True)


def put_cache(registry: Registry, repository: str, config: object) -> None:
    """Put a cache for main, of this configuration and one layer that nobody knows."""
    content = json.dumps(config).encode()
    registry.put_artifact(f"{repository}:cache-main", CACHE_CONFIG, content, os.urandom(64))
