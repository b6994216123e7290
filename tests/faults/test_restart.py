"""A registry that is away for some seconds, as in a rolling restart, at each phase of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.case import Case
from tests.faults.doors import door_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.doors import Door
    from tests.integration.conftest import Lab, Registry, Warmbuild

# A step that ends when the test says so, to shut the registry between two phases.
SLOW = "FROM busybox:1.37\nRUN cat /proc/sys/kernel/random/uuid > /once; echo has begun; sleep 2\n"
BEGUN = r"^#\d+ [\d.]+ has begun$"
PUSHING = r"^#\d+ exporting to image$"
EXPORTING = "the image is done; now exporting its cache"


@pytest.fixture
def door(lab: Lab) -> Iterator[Door]:
    with door_to(lab.registry) as found:
        yield found


@pytest.fixture
def place(project: Callable[..., Path]) -> Path:
    made = project(SLOW + "COPY big /\n")
    (made / "big").write_bytes(os.urandom(3_000_000))
    return made


@pytest.mark.parametrize("seconds", [1, 3, pytest.param(25, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        pytest.param(BEGUN, "the push failed", id="push"),
        pytest.param(EXPORTING, "the cache export failed", id="export"),
    ],
)
def test_it_is_survived(
    warmbuild: Warmbuild,
    registry: Registry,
    door: Door,
    place: Path,
    name: str,
    moment: str,
    phase: str,
    seconds: float,
) -> None:
    run = warmbuild.start(place, image=f"{door.host}/{name}", retry_timeout="")
    run.wait_for(moment)
    # A push that begins 2 s later still meets a shut door.
    door.shut_for(seconds + 2 if moment == BEGUN else seconds)
    ended = run.end()
    Case(code=0, seconds=90, written=True).check(ended)
    registry.check_image(f"{registry.host}/{name}:main")
    registry.check_cache(f"{registry.host}/{name}:cache-main")
    if seconds == 25:
        assert phase in ended.log


def test_a_job_that_begins_before_its_registry(
    warmbuild: Warmbuild, registry: Registry, door: Door, small: Path, name: str
) -> None:
    door.shut_for(3)
    ended = warmbuild.build(small, image=f"{door.host}/{name}")
    Case(code=0, seconds=40).check(ended)
    registry.check_image(f"{registry.host}/{name}:main")


def test_a_login_before_its_registry(
    warmbuild: Warmbuild, auth_registry: Registry, lab: Lab, small: Path, name: str
) -> None:
    with door_to(lab.auth_registry) as door:
        door.shut_for(6)
        ended = warmbuild.build(
            small,
            image=f"{door.host}/{name}",
            username=lab.username,
            password=lab.password,
            cache="off",
        )
    Case(code=0, said="nor from the builder; retrying", seconds=40).check(ended)
    auth_registry.check_image(f"{auth_registry.host}/{name}:main")


def test_a_base_image_of_a_registry_that_restarts(
    warmbuild: Warmbuild,
    registry: Registry,
    door: Door,
    small: Path,
    repository: str,
    name: str,
    project: Callable[..., Path],
) -> None:
    warmbuild.succeed(small, image=f"{registry.host}/{name}-base", cache="off", tags="1")
    place = project(f"FROM {door.host}/{name}-base:1\nRUN true\n")
    door.shut_for(5)
    ended = warmbuild.build(place, image=repository, cache="off")
    said = "an image could not be pulled for a transient error"
    Case(code=0, said=said, seconds=40).check(ended, registry, f"{repository}:main")


def test_one_that_stays_away_is_given_up(
    warmbuild: Warmbuild, door: Door, place: Path, name: str
) -> None:
    run = warmbuild.start(place, image=f"{door.host}/{name}", retry_timeout="5s")
    run.wait_for(BEGUN)
    door.shut()
    ended = run.end()
    said = "error: the image is built and was not pushed: .*connection refused"
    Case(code=5, said=said, seconds=45).check(ended)
    assert not ended.outputs.get("digest")
