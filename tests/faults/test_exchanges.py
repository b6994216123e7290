"""A registry on a bad day: what passes is tried again, what stays is told, and time is bounded.

The proxy stands before the lab's registry. What it does to a login, a probe, a push, an export or
an import is what the network and registries do, and the image is always looked for blob by blob.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild import refs
from warmbuild.cache import probe
from warmbuild.cache.merging import Merged
from warmbuild.errors import RegistryError
from warmbuild.inputs.logins import Login
from warmbuild.registry import client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Ended, Lab, Registry, Warmbuild
    from tests.integration.faults import Proxy

PING = "/v2/$"
PROBED = "/manifests/cache-main$"
PINNED = "/manifests/sha256:"
BLOBS = "/blobs/"
UPLOADS = "/blobs/uploads/"
TOO_LARGE = b"<html><h1>413 Request Entity Too Large</h1></html>"
BUILD = "+ docker buildx build "


def check_image(ended: Ended, registry: Registry, repository: str) -> None:
    """Fail unless the image that the run tells of is there, whole."""
    assert ended.code == 0, ended.log
    assert registry.digest(f"{repository}:main") == ended.outputs["digest"]
    registry.check_image(f"{repository}:main")


def fail_once(proxy: Proxy, fault: str, method: str, path: str) -> None:
    """Let the first request that matches meet a fault."""
    if fault == "a reset":
        proxy.reset(method, path)
    elif fault == "half a body":
        proxy.truncate(method, path, size=100)
    else:
        proxy.answer(method, path, int(fault), headers={"Retry-After": "1"})


@pytest.fixture
def big(small: Path) -> Path:
    """Return a project with a layer that is uploaded in many pieces."""
    (small / "big").write_bytes(os.urandom(1_000_000))
    with (small / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("COPY big /\n")
    return small


@pytest.fixture
def cache(warmbuild: Warmbuild, registry: Registry, repository: str, small: Path, name: str) -> str:
    """Have a cache in a repository of its own; return the repository's path."""
    path = f"{name}-cache"
    warmbuild.succeed(small, image=repository, cache_repository=f"{registry.host}/{path}")
    return path


class TestLogin:
    @pytest.fixture
    def build(
        self, warmbuild: Warmbuild, lab: Lab, auth_proxy: Proxy, small: Path, name: str
    ) -> Callable[[], Ended]:
        """Return a build that logs in to the proxy and pushes there."""

        def run() -> Ended:
            return warmbuild.build(
                small,
                image=f"{auth_proxy.host}/{name}",
                username=lab.username,
                password=lab.password,
                cache="off",
            )

        return run

    @pytest.mark.parametrize(
        ("fault", "said", "pause"),
        [
            ("429", "says 429", 1.0),
            ("500", "says 500", 1.0),
            ("a reset", "closes the connection early", 1.0),
        ],
    )
    def test_one_that_fails_once_is_made_again(
        self,
        build: Callable[[], Ended],
        auth_registry: Registry,
        auth_proxy: Proxy,
        name: str,
        fault: str,
        said: str,
        pause: float,
    ) -> None:
        fail_once(auth_proxy, fault, "GET", PING)
        ended = build()
        check_image(ended, auth_registry, f"{auth_registry.host}/{name}")
        assert ended.log.count(f"the registry {auth_proxy.host} {said}; retrying\n") == 1
        # The fault, the challenge, the login.
        assert auth_proxy.count("GET", PING) == 3
        assert ended.warnings == []
        assert pause < ended.done < 15

    def test_one_that_fails_always_is_given_up(
        self, build: Callable[[], Ended], auth_proxy: Proxy
    ) -> None:
        auth_proxy.answer("GET", PING, 503, times=None)
        ended = build()
        assert ended.code == 5
        (error,) = ended.errors
        assert error == (
            f"error: the registry {auth_proxy.host} says 503 to GET /v2/ (UNAVAILABLE: service "
            "unavailable), and the image is pushed there. This may be transient: run the job "
            "again later."
        )
        # At 0, 1, 3 and 7 s of the 8 s that the tests give.
        assert auth_proxy.count("GET", PING) == 4
        assert BUILD not in ended.log
        assert 5 < ended.done < 15

    def test_an_hour_is_not_waited_for(self, build: Callable[[], Ended], auth_proxy: Proxy) -> None:
        auth_proxy.answer("GET", PING, 429, headers={"Retry-After": "3600"}, times=None)
        ended = build()
        assert ended.code == 5
        assert "says 429 to GET /v2/ (TOOMANYREQUESTS: too many requests)" in ended.errors[0]
        assert auth_proxy.count("GET", PING) == 1

    def test_one_that_is_refused_is_not_made_again(
        self, build: Callable[[], Ended], lab: Lab, auth_proxy: Proxy
    ) -> None:
        auth_proxy.answer("GET", PING, 401, after=1)
        ended = build()
        assert ended.code == 5
        refused = f"the registry {auth_proxy.host} refuses the login of '{lab.username}': 401"
        assert refused in ended.errors[0]
        assert auth_proxy.count("GET", PING) == 2
        assert BUILD not in ended.log

    def test_one_that_hangs_is_made_again(self, lab: Lab, auth_proxy: Proxy) -> None:
        patience = client.Patience(answer=0.5, total=5.0, pause=0.1)
        login = Login(host=auth_proxy.host, username=lab.username, password=lab.password)
        said: list[str] = []
        auth_proxy.hang("GET", PING)
        client.Registry(auth_proxy.host, login, None, patience, said.append).check_login()
        (line,) = said
        assert line.endswith(" s; retrying")
        auth_proxy.hang("GET", PING, times=None)
        begun = time.monotonic()
        with pytest.raises(RegistryError, match="does not answer within"):
            client.Registry(auth_proxy.host, login, None, patience).check_login()
        assert 1.5 < time.monotonic() - begun < 4
        assert auth_proxy.count("GET", PING, "hang") == 5


class TestProbe:
    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("429", "says 429"),
            ("500", "says 500"),
            ("a reset", "closes the connection early"),
            ("half a body", "closes the connection early"),
        ],
    )
    def test_one_that_fails_once_is_made_again(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
        fault: str,
        said: str,
    ) -> None:
        fail_once(proxy, fault, "GET", PROBED)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        assert ended.executed == []
        assert ended.outputs["cache-read"].startswith(f"{proxy.host}/{cache}:cache-main@sha256:")
        # All of it is there already.
        assert ended.outputs["cache-written"] == ""
        note = f"note        the registry {proxy.host} {said}; retrying\n"
        assert ended.log.count(note) == 1
        assert proxy.count("GET", PROBED) == 2
        assert ended.warnings == []
        assert ended.done < 12

    def test_one_that_is_slow_is_waited_for(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
    ) -> None:
        proxy.delay("GET", PROBED, 2.5)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        assert ended.executed == []
        assert proxy.count("GET", PROBED) == 1
        assert ended.warnings == []

    @pytest.mark.parametrize(
        ("status", "headers", "asked"),
        [
            pytest.param(403, {}, 1, id="what is refused is asked for once"),
            pytest.param(429, {"Retry-After": "3600"}, 1, id="an hour is not waited for"),
            pytest.param(500, {}, 3, id="what fails is asked for three times"),
        ],
    )
    def test_one_that_fails_always_is_told(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
        status: int,
        headers: dict[str, str],
        asked: int,
    ) -> None:
        proxy.answer("GET", PROBED, status, headers=headers, times=None)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        assert len(ended.executed) == 2
        (warning,) = ended.warnings
        assert warning.startswith(
            f"warning: {proxy.host}/{cache}:cache-main is not read: the registry {proxy.host} says "
            f"{status} to GET /v2/{cache}/manifests/cache-main ("
        )
        assert proxy.count("GET", PROBED) == asked
        assert ended.outputs["cache-read"] == ""
        # Who may not read may still write.
        assert ended.outputs["cache-written"] == f"{proxy.host}/{cache}:cache-main"
        registry.check_cache(f"{registry.host}/{cache}:cache-main")
        assert ended.done < 12

    def test_one_that_is_busy_costs_no_cache(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
    ) -> None:
        options: dict[str, Any] = {
            "image": repository,
            "cache_repository": f"{proxy.host}/{cache}",
        }
        warmbuild.succeed(small, **options)
        proxy.delay("GET", PROBED, 8.0)
        ended = warmbuild.build(small, **options)
        check_image(ended, registry, repository)
        assert ended.warnings == []
        assert ended.executed == []
        assert proxy.count("GET", PROBED, "delay") == 1

    @pytest.mark.parametrize("fault", ["silence", "a trickle"])
    def test_one_that_has_no_end_is_left_behind(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
        fault: str,
    ) -> None:
        before = registry.digest(f"{registry.host}/{cache}:cache-main")
        if fault == "silence":
            proxy.hang("GET", PROBED, times=None)
        else:
            proxy.trickle("GET", PROBED, size=50, interval=1.0, times=None)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        silent = f"the registry {proxy.host} does not answer within 15 s"
        assert ended.warnings == [
            f"warning: {proxy.host}/{cache}:cache-main is not read: {silent}",
            f"warning: {proxy.host}/{cache}:cache-main is not written: {silent}",
        ]
        assert registry.digest(f"{registry.host}/{cache}:cache-main") == before
        # BuildKit has no such limit, and never hears of the ref.
        assert len(proxy.seen) == 1
        assert 15 < ended.done < 25


class TestMerge:
    def test_one_that_is_slow_at_every_request_has_the_time_of_one(
        self, registry: Registry, proxy: Proxy, name: str
    ) -> None:
        """It has three, and the build waits for them."""
        contents = {"config": b'{"layers":[]}', "manifest": b"{}"}
        digests = {key: probe.digest_of(value) for key, value in contents.items()}
        merged = Merged(
            config=contents["config"],
            config_digest=digests["config"],
            manifest=contents["manifest"],
            digest=digests["manifest"],
        )
        home = refs.parse(f"{proxy.host}/{name}")
        proxy.delay("POST", UPLOADS, 1.5)
        proxy.delay("PUT", UPLOADS, 1.5)
        patience = client.Patience(answer=2.0, total=2.0, retry=1.0, pause=0.1)
        begun = time.monotonic()
        with pytest.raises(RegistryError, match="does not answer in time"):
            client.Registry(proxy.host, None, None, patience).write(home, merged)
        assert 1.5 < time.monotonic() - begun < 2.9
        assert registry.tags(f"{registry.host}/{name}") == []


class TestPush:
    @pytest.mark.parametrize("fault", ["500", "a reset"])
    def test_an_upload_that_fails_once_is_made_again_by_buildkit(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        big: Path,
        name: str,
        fault: str,
    ) -> None:
        if fault == "a reset":
            proxy.reset("PUT", UPLOADS, sent=200_000)
        else:
            # Once more at once, and then after a second.
            proxy.answer("PUT", UPLOADS, int(fault), times=2)
        ended = warmbuild.build(big, image=f"{proxy.host}/{name}", cache="off")
        check_image(ended, registry, f"{registry.host}/{name}")
        assert ended.log.count(BUILD) == 1
        assert ended.warnings == []
        assert proxy.count("PUT", UPLOADS, "reset" if fault == "a reset" else "answer 500") > 0
        assert ended.done < 12

    def test_one_that_is_too_much_for_buildkit_is_made_again(
        self, warmbuild: Warmbuild, registry: Registry, proxy: Proxy, small: Path, name: str
    ) -> None:
        # BuildKit asks five times, and does not wait in between.
        proxy.answer("PUT", "/manifests/", 429, headers={"Retry-After": "1"}, times=5)
        ended = warmbuild.build(small, image=f"{proxy.host}/{name}")
        check_image(ended, registry, f"{registry.host}/{name}")
        assert ended.warnings
        for warning in ended.warnings:
            assert warning.startswith("warning: the push failed with a transient error (")
        assert ended.outputs["cache-written"] == f"{proxy.host}/{name}:cache-main"
        registry.check_cache(f"{registry.host}/{name}:cache-main")
        assert len(ended.executed) == 2
        assert 2 < ended.done < 20

    def test_one_without_a_cache_is_made_again_too(
        self, warmbuild: Warmbuild, registry: Registry, proxy: Proxy, small: Path, name: str
    ) -> None:
        proxy.answer("PUT", "/manifests/", 429, times=5)
        ended = warmbuild.build(small, image=f"{proxy.host}/{name}", cache="off")
        check_image(ended, registry, f"{registry.host}/{name}")
        assert ended.log.count(BUILD) == 2
        (warning,) = ended.warnings
        assert warning == (
            "warning: the push failed with a transient error (toomanyrequests); retrying in 2 s"
        )

    @pytest.mark.parametrize(
        ("path", "status", "said"),
        [(UPLOADS, 403, ": denied. "), ("/manifests/", 400, "manifest invalid")],
    )
    def test_one_that_is_refused_is_made_once(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        small: Path,
        name: str,
        path: str,
        status: int,
        said: str,
    ) -> None:
        proxy.answer("PUT", path, status, times=None)
        ended = warmbuild.build(small, image=f"{proxy.host}/{name}", cache="off")
        assert ended.code == 5
        (error,) = ended.errors
        assert error.startswith("error: the image is built and was not pushed: ")
        assert said in error
        assert ended.log.count(BUILD) == 1
        assert not ended.outputs.get("digest")
        assert registry.tags(f"{registry.host}/{name}") == []

    def test_one_that_is_slow_at_every_request(
        self, warmbuild: Warmbuild, registry: Registry, proxy: Proxy, big: Path, name: str
    ) -> None:
        proxy.delay(".*", "", 0.05)
        ended = warmbuild.build(big, image=f"{proxy.host}/{name}")
        check_image(ended, registry, f"{registry.host}/{name}")
        registry.check_cache(f"{registry.host}/{name}:cache-main")
        again = warmbuild.build(big, image=f"{proxy.host}/{name}")
        check_image(again, registry, f"{registry.host}/{name}")
        assert again.executed == []
        assert proxy.count(".*", "", "delay") == len(proxy.seen) > 40


class TestExport:
    """What fails once the image is out; the export is a build of its own.

    Each is tried on a registry of the cache alone.
    """

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            pytest.param(403, None, "denied", id="403"),
            pytest.param(400, None, "manifest invalid", id="400"),
            pytest.param(413, TOO_LARGE, "413 Request Entity Too Large", id="413"),
        ],
    )
    def test_one_that_is_refused_is_told(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        name: str,
        status: int,
        body: bytes | None,
        said: str,
    ) -> None:
        to = f"{proxy.host}/{name}-cache"
        proxy.answer("PUT", "/manifests/", status, body=body, times=None)
        ended = warmbuild.build(small, image=repository, cache_repository=to)
        check_image(ended, registry, repository)
        assert ended.log.count(BUILD) == 2
        (warning,) = ended.warnings
        assert warning.startswith(f"warning: no cache is written to {to}:cache-main: ")
        assert said in warning
        assert ended.outputs["cache-written"] == ""
        assert ended.done < 12

    @pytest.mark.parametrize(
        ("path", "builds"),
        # What fails in the middle of a layer is made again by BuildKit itself.
        [
            pytest.param(UPLOADS, 2, id="an upload"),
            pytest.param("/manifests/", 3, id="the manifest"),
        ],
    )
    def test_one_whose_connection_is_reset_is_made_again(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        big: Path,
        name: str,
        path: str,
        builds: int,
    ) -> None:
        to = f"{proxy.host}/{name}-cache"
        proxy.reset("PUT", path, sent=100)
        ended = warmbuild.build(big, image=repository, cache_repository=to)
        check_image(ended, registry, repository)
        assert ended.log.count(BUILD) == builds
        assert proxy.count("PUT", path, "reset") == 1
        registry.check_cache(f"{registry.host}/{name}-cache:cache-main")
        assert ended.outputs["cache-written"] == f"{to}:cache-main"
        assert ended.warnings == []

    def test_one_that_is_too_much_for_buildkit_is_made_again(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        name: str,
    ) -> None:
        to = f"{proxy.host}/{name}-cache"
        proxy.answer("PUT", "/manifests/", 429, times=5)
        ended = warmbuild.build(small, image=repository, cache_repository=to)
        check_image(ended, registry, repository)
        said = "the cache export failed with a transient error (toomanyrequests); retrying in 2 s\n"
        assert said in ended.log
        assert ended.log.count(BUILD) == 3
        registry.check_cache(f"{registry.host}/{name}-cache:cache-main")
        assert ended.outputs["cache-written"] == f"{to}:cache-main"
        assert ended.warnings == []

    def test_one_that_fails_always_is_given_up(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        name: str,
    ) -> None:
        to = f"{proxy.host}/{name}-cache"
        proxy.answer("PUT", "/manifests/", 500, times=None)
        ended = warmbuild.build(small, image=repository, cache_repository=to, retry_timeout="12s")
        check_image(ended, registry, repository)
        # The build, and exports at 0, 2 and 6 s and the length of the attempts; not after 14 s.
        assert ended.log.count(BUILD) == 4
        (warning,) = ended.warnings
        assert warning.startswith(f"warning: no cache is written to {to}:cache-main: ")
        assert ended.outputs["cache-written"] == ""
        first = next(at for at, text in ended.lines if "retrying in 2 s" in text)
        last = [at for at, text in ended.lines if text.startswith(BUILD)][-1]
        # None begins later than is allowed.
        assert 6 < last - first < 13


class TestImport:
    """What fails after a probe that went well."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            pytest.param("GET|HEAD", PINNED, 403, id="a manifest that is refused"),
            pytest.param("GET|HEAD", PINNED, 500, id="a manifest that fails"),
            pytest.param("GET", BLOBS, 403, id="a configuration that is refused"),
            pytest.param("GET", BLOBS, 500, id="a configuration that fails"),
        ],
    )
    def test_one_that_fails_is_told_and_the_cache_written_anew(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
        method: str,
        path: str,
        status: int,
    ) -> None:
        proxy.answer(method, path, status, times=None)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        assert len(ended.executed) == 2
        (warning,) = ended.warnings
        # The configuration is looked into by the probe, the manifest's digest by BuildKit alone.
        assert warning.startswith(f"warning: {proxy.host}/{cache}:cache-main")
        assert " is not read: " in warning
        assert str(status) in warning
        assert ended.outputs["cache-read"] == ""
        assert ended.outputs["cache-written"] == f"{proxy.host}/{cache}:cache-main"
        registry.check_cache(f"{registry.host}/{cache}:cache-main")
        assert ended.done < 12

    # The probe has fetched the configuration before.
    @pytest.mark.parametrize("after", [1, 2], ids=["of the configuration", "of a layer"])
    @pytest.mark.parametrize("fault", ["a reset", "half a body"])
    def test_a_body_that_breaks_off_once_is_fetched_again_by_buildkit(
        self,
        warmbuild: Warmbuild,
        registry: Registry,
        proxy: Proxy,
        repository: str,
        small: Path,
        cache: str,
        fault: str,
        after: int,
    ) -> None:
        # The layers below a step that has to run are pulled.
        (small / "source.txt").write_text("two")
        if fault == "a reset":
            proxy.reset("GET", BLOBS, after=after)
        else:
            proxy.truncate("GET", BLOBS, size=100, after=after)
        ended = warmbuild.build(small, image=repository, cache_repository=f"{proxy.host}/{cache}")
        check_image(ended, registry, repository)
        assert ended.executed == ["COPY source.txt /"]
        assert proxy.count("GET", BLOBS, "reset" if fault == "a reset" else "truncate") == 1
        assert ended.outputs["cache-written"] == f"{proxy.host}/{cache}:cache-main"
        registry.check_cache(f"{registry.host}/{cache}:cache-main")
        assert ended.warnings == []
        assert ended.done < 12
