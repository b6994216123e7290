"""The BuildKit image: where a builder gets it when the registry that should have it does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.faults import proxied
from tests.plans import planned
from warmbuild import ci, process, trust
from warmbuild.builder import boot, environment, private_directory
from warmbuild.builder.environment import Buildx
from warmbuild.errors import EngineError
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import docker

    from tests.integration.conftest import Lab, Registry, Warmbuild
    from tests.integration.faults import Proxy
    from warmbuild.inputs.values import Inputs


PULL = "GET|HEAD"


@pytest.fixture
def hub(lab: Lab, engine: docker.DockerClient) -> Iterator[Proxy]:
    """Have a proxy before the lab's Docker Hub; the engine forgets the tags that it got there."""
    with proxied(lab.env["WARMBUILD_LAB_HUB"]) as proxy:
        yield proxy
        # Not as the SDK lists them: images of other tests may go meanwhile.
        for image in engine.api.images():
            for tag in image["RepoTags"] or ():
                if tag.startswith(f"{proxy.host}/"):
                    engine.images.remove(tag)


@pytest.fixture
def wanted(lab: Lab, hub: Proxy) -> str:
    """Return the BuildKit image at the proxy."""
    return f"{hub.host}/{lab.env['WARMBUILD_LAB_BUILDKIT_IMAGE']}"


@pytest.fixture
def copied(lab: Lab, engine: docker.DockerClient, hub: Proxy) -> str:
    """Return an image that the proxy does not have, and of which the engine has a copy."""
    name = f"{hub.host}/moby/copied:1"
    engine.images.get(lab.env["WARMBUILD_LAB_BUILDKIT_IMAGE"]).tag(name)
    return name


def of(image: str) -> str:
    return f"network=host\nimage={image}"


def test_a_mirror_that_has_it(
    warmbuild: Warmbuild,
    engine: docker.DockerClient,
    registry: Registry,
    repository: str,
    small: Path,
    hub: Proxy,
    wanted: str,
) -> None:
    gone, nowhere = f"{hub.host}/moby/gone:1", f"{hub.host}/moby/nowhere:1"
    run = warmbuild.start(
        small,
        image=repository,
        driver_opts=of(gone),
        buildkit_image_mirrors=f"{nowhere}, {wanted}",
        builder_state="disk",
    )
    run.wait_for(" is up after ")
    container = engine.containers.get(f"buildx_buildkit_{run.builder}0")
    assert container.attrs["Config"]["Image"] == wanted
    ended = run.end()
    assert ended.code == 0, ended.log
    for image in (gone, nowhere):
        said = f"the BuildKit image {image} cannot be pulled: manifest for {image} not found"
        assert ended.log.count(said) == 1
    assert f" s, from the mirror {wanted}\n" in ended.log
    registry.check_image(f"{repository}:main")
    assert ended.warnings == []


def test_no_image_anywhere(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    hub: Proxy,
    unused_port: int,
) -> None:
    gone, nobody = f"{hub.host}/moby/gone:1", f"127.0.0.1:{unused_port}/buildkit:1"
    # A fifth time would be at 15 s; on a busy machine, the fourth is later than at 7 s.
    ended = warmbuild.build(
        small,
        image=repository,
        driver_opts=of(gone),
        buildkit_image_mirrors=nobody,
        retry_timeout="13s",
    )
    assert ended.code == 3
    lines = [text for _, text in ended.lines]
    begin = lines.index(
        "error: no BuildKit image can be pulled, and the engine has no copy of one:"
    )
    first, second, advice = lines[begin + 1 :]
    assert first.startswith(f"  | {gone}: manifest for {gone} not found")
    assert second.startswith(f"  | {nobody}: ")
    assert second.endswith("connection refused")
    assert "buildkit-image-mirrors" in advice
    # Nobody listens at the mirror, which may pass: both are tried at 0, 1, 3 and 7 s.
    assert ended.log.count("+ docker buildx create ") == 8
    assert registry.tags(repository) == []


def test_the_engines_own_copy(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    hub: Proxy,
    copied: str,
) -> None:
    ended = warmbuild.succeed(small, image=repository, driver_opts=of(copied), builder_state="disk")
    said = f" s, from the engine's copy of {copied}, which cannot be pulled\n"
    assert said in ended.log
    assert ended.log.count("+ docker buildx create ") == 1
    assert hub.count(PULL, "/moby/copied/manifests/1") > 0
    registry.check_image(f"{repository}:main")


@pytest.mark.parametrize("there", [True, False], ids=["a mirror that works", "and one that fails"])
def test_a_mirror_comes_before_the_engines_own_copy(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    hub: Proxy,
    wanted: str,
    copied: str,
    there: bool,  # noqa: FBT001
) -> None:
    if not there:
        hub.answer(PULL, "/moby/buildkit/manifests/", 403, times=None)
    ended = warmbuild.succeed(
        small, image=repository, driver_opts=of(copied), buildkit_image_mirrors=wanted
    )
    assert f"\nthe BuildKit image {copied} cannot be pulled\n" in ended.log
    origin = f"the mirror {wanted}" if there else f"the engine's copy of {copied}"
    assert f" s, from {origin}" in ended.log
    assert (f"the BuildKit image {wanted} cannot be pulled: denied\n" in ended.log) is not there
    registry.check_image(f"{repository}:main")


@pytest.mark.parametrize("fault", ["429", "500", "a reset"])
def test_a_pull_that_fails_once_is_made_again(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    small: Path,
    hub: Proxy,
    wanted: str,
    fault: str,
) -> None:
    if fault == "a reset":
        hub.reset(PULL, "/manifests/")
    else:
        # The engine falls back from HEAD to GET.
        hub.answer(PULL, "/manifests/", int(fault), times=2)
    ended = warmbuild.succeed(small, image=repository, driver_opts=of(wanted))
    (said,) = [text for _, text in ended.lines if "cannot be pulled" in text]
    assert said.endswith("; retrying in 1 s")
    assert ended.log.count("+ docker buildx create ") == 2
    registry.check_image(f"{repository}:main")
    assert ended.warnings == []


def test_a_pull_that_fails_always_is_given_up(
    warmbuild: Warmbuild, repository: str, small: Path, hub: Proxy, wanted: str
) -> None:
    hub.answer(PULL, "/manifests/", 503, times=None)
    ended = warmbuild.build(small, image=repository, driver_opts=of(wanted), retry_timeout="13s")
    assert ended.code == 3
    # At 0, 1, 3 and 7 s and the length of the attempts; the next one would be after 15 s.
    assert ended.log.count("+ docker buildx create ") == 4
    assert 5 < ended.done < 20
    assert f"  | {wanted}: received unexpected HTTP status: 503 Service Unavailable" in ended.log


def test_a_pull_that_hangs_is_given_up(
    warmbuild: Warmbuild,
    parsed: Callable[..., Inputs],
    hub: Proxy,
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(boot, "BOOT_TIMEOUT", 2.0)
    hub.hang(PULL, "/manifests/", times=None)
    asked = parsed(driver_opts=of(wanted))
    decided = planned(asked, RunContext(ci="local", trust=trust.LOCAL)).builder
    env = warmbuild.environment
    begun = time.monotonic()
    with (
        private_directory.private(env, [], []) as private,
        boot.booted(
            decided,
            Buildx(
                program=environment.program(env),
                env=environment.environment(env, private),
                runner=process.started,
            ),
            private,
            Log(ci.named("local")),
        ) as made,
        pytest.raises(EngineError) as raised,
    ):
        made.boot(None)
    assert f"  | {wanted}: timeout: not up after 2 s\n" in str(raised.value)
    assert time.monotonic() - begun < 8
    assert hub.count(PULL, "/manifests/", "hang") == 1
