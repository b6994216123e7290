"""An engine that refuses, answers nonsense, hangs or goes away, at each call of a run."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults import engines
from tests.faults.case import Case, at_once
from tests.faults.engines import answering, engine_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from tests.faults.engines import Act, Engine
    from tests.integration.conftest import Ended, Lab, Registry, Run, Warmbuild

SLEEPER = "FROM busybox:1.37\nRUN echo has begun; sleep 60\n"
BEGUN = r"^#\d+ [\d.]+ has begun$"
FULL = '{"message": "mkdir /var/lib/docker/x: no space left on device"}'
NO = '{"message": "no"}'
ODD: Mapping[str, Act] = {
    "an error": answering(500, NO),
    "deep JSON": answering(200, "[" * 50_000),
    "a text": answering(200, '"x"'),
    "no JSON": answering(200, "\x00"),
    "no answer": engines.hang_up,
}
ENDLESS: Mapping[str, Act] = {"a trickle": engines.trickle, "no end": engines.endless}
# buildx itself waits for the answer to `exec`, for as long as a boot may take.
REPOSITORY = f"faults-{secrets.token_hex(4)}"
MEMORY = (
    *itertools.product(("/volumes/create", r"/volumes\?"), {**ODD, **ENDLESS}),
    *itertools.product(("/containers/[^/]+/exec$",), ODD),
)


@pytest.fixture(scope="module")
def builds(
    together: Warmbuild, lab: Lab, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[tuple[str, str], Future[Ended]]]:
    """Have builds that meet these answers where their state is to be in memory."""

    def one(case: tuple[str, str]) -> Ended:
        path, answer = case
        sockets = tmp_path_factory.mktemp("e")
        with engine_behind(sockets / "e.sock", lab.engine_socket) as daemon:
            daemon.fail({**ODD, **ENDLESS}[answer], path, times=3)
            image = f"{lab.registry}/{REPOSITORY}-{MEMORY.index(case)}"
            extra = {"DOCKER_HOST": daemon.host}
            return together.build(place, image=image, builder_state="auto", extra=extra)

    with at_once(one, MEMORY, most=6) as runs:
        yield runs


@pytest.mark.parametrize(("path", "answer"), MEMORY)
def test_what_only_memory_needs_costs_no_build(
    builds: Mapping[tuple[str, str], Future[Ended]], registry: Registry, path: str, answer: str
) -> None:
    ended = builds[path, answer].result()
    image = f"{registry.host}/{REPOSITORY}-{MEMORY.index((path, answer))}:main"
    # Three answers may trickle for 10 s, 10 s and 20 s.
    Case(code=0, seconds=90).check(ended, registry, image)


@pytest.mark.parametrize(
    ("path", "act", "said"),
    [
        ("/_ping", answering(500, NO), "error: there is no Docker engine at "),
        ("/containers/create", answering(500, FULL), "the engine's disk is full"),
        ("/containers/create", answering(500, NO), "the builder does not start"),
        ("/containers/[^/]+/start", answering(500, NO), "the builder does not start"),
        ("/containers/[^/]+/start", engines.hang_up, "the builder does not start"),
        ("/containers/[^/]+/archive", answering(500, FULL), "disk is full"),
    ],
)
def test_a_builder_that_cannot_boot(
    warmbuild: Warmbuild,
    daemon: Engine,
    repository: str,
    small: Path,
    path: str,
    act: Act,
    said: str,
) -> None:
    daemon.fail(act, path)
    ended = warmbuild.build(small, image=repository, extra={"DOCKER_HOST": daemon.host})
    Case(code=3, said=said, seconds=60).check(ended)


@pytest.fixture
def sleeper(
    warmbuild: Warmbuild, daemon: Engine, repository: str, project: Callable[..., Path]
) -> Run:
    """Return a run that is in the middle of its build."""
    run = warmbuild.start(project(SLEEPER), image=repository, extra={"DOCKER_HOST": daemon.host})
    run.wait_for(BEGUN)
    return run


def give_back(warmbuild: Warmbuild, builder: str) -> None:
    """Remove what a run could not."""
    name = f"buildx_buildkit_{builder}0"
    for container in warmbuild.engine.containers.list(all=True, filters={"name": name}):
        container.remove(force=True, v=True)
    for volume in warmbuild.engine.volumes.list(filters={"name": name}):
        volume.remove(force=True)


@pytest.mark.parametrize("act", [engines.silence, engines.trickle], ids=lambda act: act.__name__)
def test_a_stop_does_not_wait_for_a_frozen_engine(
    warmbuild: Warmbuild, daemon: Engine, sleeper: Run, act: Act
) -> None:
    """The run ends before a CI system kills it, and says what it has left."""
    daemon.fail(act, "/containers/", method="DELETE")
    daemon.fail(act, "/volumes/", method="DELETE")
    begun = time.monotonic()
    os.kill(sleeper.process.pid, signal.SIGTERM)
    ended = sleeper.end()
    assert time.monotonic() - begun < 9
    try:
        case = Case(code=143, said=f"the builder {ended.builder} could not be removed: the engine")
        case.check(ended)
        assert "error: warmbuild was terminated; not all is removed" in ended.errors
        # The login and the secrets went first.
        assert list(warmbuild.temporary.iterdir()) == []
    finally:
        give_back(warmbuild, ended.builder)


def test_an_engine_that_restarts_while_a_builder_is_removed(
    warmbuild: Warmbuild, daemon: Engine, sleeper: Run
) -> None:
    daemon.vanish()
    os.kill(sleeper.process.pid, signal.SIGTERM)
    time.sleep(1.5)
    daemon.appear()
    ended = sleeper.end()
    assert ended.code == 143, ended.log
    assert warmbuild.remains(ended.builder) == [], ended.log


@pytest.mark.parametrize("act", [answering(500, NO), engines.hang_up])
def test_a_builder_that_cannot_be_removed_is_named(
    warmbuild: Warmbuild,
    registry: Registry,
    daemon: Engine,
    repository: str,
    small: Path,
    act: Act,
) -> None:
    daemon.fail(act, "/containers/", method="DELETE")
    ended = warmbuild.build(small, image=repository, extra={"DOCKER_HOST": daemon.host})
    try:
        case = Case(code=0, said="could not be removed: ", seconds=45)
        case.check(ended, registry, f"{repository}:main")
    finally:
        give_back(warmbuild, ended.builder)


def test_the_next_run_collects_what_a_killed_one_has_left(
    warmbuild: Warmbuild, sleeper: Run, repository: str, small: Path
) -> None:
    """Nothing has to be a day old that is surely dead."""
    everything = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    for pid in everything:
        try:
            if os.getsid(pid) == sleeper.process.pid:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    left = sleeper.end()
    assert warmbuild.remains(left.builder)
    (small / "Dockerfile").write_text("FROM busybox:1.37\nRUN sleep 8\n")
    ended = warmbuild.succeed(small, image=repository, cache="off")
    assert re.search(r"private directory \S+ is removed: .*its run has ended", ended.log)
    # The run of another test may have come before.
    assert warmbuild.remains(left.builder) == []
