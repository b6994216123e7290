from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from warmbuild.project import dockerfile
from warmbuild.record import ran, recipe
from warmbuild.record.predicting import Compared
from warmbuild.record.recipe import Given, Recipe
from warmbuild.record.record import Ran, Record

B = "FROM busybox\n"
IMAGES = {"docker.io/library/busybox:latest": "sha256:1"}


@dataclass(frozen=True, slots=True)
class Told:
    prefix: str
    position: str
    cached: bool = False
    seconds: float | None = 1.0


def made(text: str, **contexts: str) -> Recipe:
    file = dockerfile.parse(text, {})
    given = Given(
        arguments={},
        platforms=("linux/amd64",),
        images=IMAGES,
        content=None,
        contexts=frozenset(contexts),
    )
    return recipe.recipe(file, file.stages[-1], given, b"")


@pytest.mark.parametrize(
    ("text", "told", "found"),
    [
        (f"{B}RUN 1\nRUN 2\n", [("", "2/3"), ("", "3/3")], [1, 2]),
        ("FROM scratch\nRUN 1\nRUN 2\n", [("", "1/2"), ("", "2/2")], [1, 2]),
        # BuildKit counts WORKDIR /, and makes no step of it.
        (f"{B}RUN 1\nWORKDIR /\nRUN 2\n", [("", "2/4"), ("", "3/4")], [1, 2]),
        # Two instructions of the base image come first.
        (f"{B}RUN 1\nRUN 2\n", [("", f"{at}/5") for at in (2, 3, 4, 5)], [1, 2]),
        (f"{B}RUN 1\n", [("stage-7", "2/2")], []),
        (f"{B}RUN --mount=target=/m 1\n", [("linux/386 stage-0", "2/2")], [1]),
    ],
)
def test_the_step_of_a_vertex(text: str, told: list[tuple[str, str]], found: list[int]) -> None:
    became = ran.ran([Told(*one) for one in told], made(text))
    assert [position for _, position in became] == found


def test_a_base_that_another_context_replaces_is_counted_without_a_vertex() -> None:
    text = f"{B}RUN 1\nRUN 2\n"
    became = ran.ran([Told("", "1/3"), Told("", "2/3")], made(text, busybox=""))
    assert [position for _, position in became] == [1, 2]


def test_a_step_that_ran_for_one_platform_ran() -> None:
    text = f"{B}RUN --mount=target=/m 1\n"
    told = [
        Told("linux/amd64 stage-0", "2/2", cached=True, seconds=None),
        Told("linux/386 stage-0", "2/2", seconds=3.0),
    ]
    assert ran.ran(told, made(text)) == {("stage-0", 1): Ran(cached=False, seconds=3.0)}


def test_a_cached_step_has_the_seconds_of_its_record() -> None:
    now = made(f"{B}RUN 1\n")
    record = Record(
        salt=b"",
        made=datetime.now(UTC),
        recipe=now,
        ran={("", 1): Ran(cached=False, seconds=7.0)},
        files={},
    )
    told = [Told("", "2/2", cached=True, seconds=0.0)]
    became = ran.ran(told, now, [Compared(record=record, now=now)])
    assert became == {("", 1): Ran(cached=True, seconds=7.0)}


@pytest.mark.parametrize(
    ("prefix", "position", "has_more"),
    [
        pytest.param("web", "3/3", False, id="upon an image"),
        pytest.param("linux/arm64 web", "1/2", False, id="upon a stage"),
        pytest.param("web", "2/4", True, id="an instruction of the base image"),
        pytest.param("", "2/2", True, id="such an instruction in a stage without steps"),
        pytest.param("other", "1/1", False, id="a step of the base alone"),
    ],
)
def test_instructions_of_base_images_are_noticed(
    prefix: str, position: str, *, has_more: bool
) -> None:
    only = recipe.Step(stage="web", position=1, line=2, title="RUN a", parts={}, total=2)
    assert ran.has_more([Told(prefix, position)], Recipe(steps=(only,), image={})) is has_more
