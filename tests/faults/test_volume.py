"""Much of something: a log, a Dockerfile, runs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.case import Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Lab, Registry, Warmbuild

MB = 1_000_000


def test_a_line_of_40_mb(
    warmbuild: Warmbuild,
    registry: Registry,
    repository: str,
    lab: Lab,
    project: Callable[..., Path],
) -> None:
    """All of it is printed, in time that grows with its length alone."""
    place = project("FROM busybox:1.37\nRUN head -c 40000000 /dev/zero | tr '\\0' x\n")
    unlimited = "\nenv.BUILDKIT_STEP_LOG_MAX_SIZE=-1\nenv.BUILDKIT_STEP_LOG_MAX_SPEED=-1"
    ended = warmbuild.build(
        place, image=repository, cache="off", driver_opts=lab.driver_opts + unlimited
    )
    Case(code=0, seconds=60).check(ended, registry, f"{repository}:main")
    assert sum(text.count("x") for _, text in ended.lines if text.startswith("#")) >= 40 * MB


def test_a_dockerfile_of_10_mb(warmbuild: Warmbuild, project: Callable[..., Path]) -> None:
    """Neither the lints nor anything else takes a second for it."""
    small, large = project("FROM busybox:1.37\nRUN true\n"), "RUN true \\\n" + " && true \\\n" * MB
    seconds = []
    for text in ("", f"{large}\n"):
        with (small / "Dockerfile").open("a") as file:
            file.write(text)
        ended = warmbuild.build(small, image="localhost/x", plan_only="true")
        Case(code=0).check(ended)
        seconds.append(ended.seconds)
    assert seconds[1] - seconds[0] < 1.0
