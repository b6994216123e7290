from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from warmbuild.project import dockerfile
from warmbuild.project.entry import Entry
from warmbuild.record import predicting, recipe
from warmbuild.record.content import Content
from warmbuild.record.predicting import Compared, Fate, Forecast
from warmbuild.record.recipe import Given, Recipe, Step
from warmbuild.record.record import Ran, Record, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

C, R, U = Fate.CACHED, Fate.RUNS, Fate.UNKNOWN
BUSYBOX = "docker.io/library/busybox:1.37"
CONTENT = Content({path: Entry("file", 0o644, b"") for path in ("a.txt", "b.txt")})
GIVEN = Given(
    arguments={}, platforms=("linux/amd64",), images={BUSYBOX: "sha256:1"}, content=CONTENT
)
B = "FROM busybox:1.37\n"
CHANGED: Mapping[str, Any] = {
    "content": Content({**CONTENT.entries, "a.txt": Entry("file", 0o755, b"")})
}
MOVED: Mapping[str, Any] = {"images": {BUSYBOX: "sha256:2"}}
LINEAR = f"{B}RUN 1\nCOPY a.txt /\nRUN 2\nCOPY b.txt /\n"
STAGES = f"{B[:-1]} AS one\nCOPY a.txt /\n{B}RUN 1\nCOPY --from=one /a.txt /\nRUN 2\n"
LINKED = f"{B}COPY a.txt /\nCOPY --link b.txt /\nRUN 1\n"


def made(text: str, *, salt: bytes = b"salt", **told: Any) -> Recipe:  # noqa: ANN401 (of Given)
    file = dockerfile.parse(text, told.get("arguments", {}))
    return recipe.recipe(file, file.stages[-1], replace(GIVEN, **told), salt)


def kept(of: Recipe, *, salt: bytes = b"salt", **seconds: float) -> Record:
    ran = {
        (step.stage, step.position): Ran(cached=False, seconds=seconds[step.title.split()[-1]])
        for step in of.steps
        if step.title.split()[-1] in seconds
    }
    whole = Record(salt=salt, made=datetime.now(UTC), recipe=of, ran=ran, files={})
    found = packed(whole)
    assert found
    return unpacked(found)


def fates(before: Recipe, now: Recipe, **told: Any) -> list[Fate]:  # noqa: ANN401 (of forecast)
    found = predicting.forecast([Compared(record=kept(before), now=now)], **told)
    return [one.fate for one in found]


@pytest.mark.parametrize(
    ("text", "edit", "told", "expected"),
    [
        (LINEAR, ("", ""), {}, [C, C, C, C]),
        (LINEAR, ("RUN 1", "RUN 3"), {}, [R, R, R, R]),
        (LINEAR, ("RUN 2", "RUN 3"), {}, [C, C, R, R]),
        (LINEAR, ("RUN 2\n", ""), {}, [C, C, R]),
        (LINEAR, ("RUN 2", "RUN 1"), {}, [C, C, R, R]),
        (LINEAR, ("RUN 2", "RUN new\nRUN 2"), {}, [C, C, R, R, R]),
        (LINEAR, ("", ""), CHANGED, [C, R, R, R]),
        (LINEAR, ("", ""), MOVED, [U, U, U, U]),
        (LINEAR, ("RUN 2", "RUN 3"), MOVED, [U, U, R, R]),
        (LINEAR, ("busybox:1.37", "scratch"), {}, [R, R, R, R]),
        (LINKED, ("", ""), CHANGED, [R, C, R]),
        (LINKED, ("b.txt", "a.txt"), {}, [C, R, R]),
        (STAGES, ("", ""), CHANGED, [R, C, U, U]),
        (STAGES, ("RUN 2", "RUN 3"), CHANGED, [R, C, U, R]),
        (STAGES, ("RUN 1", "RUN 3"), CHANGED, [R, R, R, R]),
        (STAGES, ("/a.txt /\nRUN 2", "/b.txt /\nRUN 2"), {}, [C, C, R, R]),
        (STAGES, ("/a.txt /\nRUN 2", "/x/a.txt /\nRUN 2"), {}, [C, C, U, U]),
        (STAGES.replace("COPY --from", "COPY --link --from"), ("", ""), CHANGED, [R, C, U, U]),
        (f"{B[:-1]} AS one\nCOPY a.txt /\nFROM one\nRUN 1\n", ("", ""), CHANGED, [R, R]),
        (
            f"{B[:-1]} AS one\nRUN 1\nFROM one\nRUN 2\n",
            ("RUN 1\n", "RUN 1\nRUN 3\n"),
            {},
            [C, R, R],
        ),
        (f"{B}ADD https://x.test/a /\nRUN 1\n", ("", ""), {}, [U, U]),
        (f"{B}ADD https://x.test/a /\nRUN 1\n", ("RUN 1", "RUN 2"), {}, [U, R]),
        (f"{B}ADD https://x.test/a /\nRUN 1\n", ("x.test", "y.test"), {}, [R, R]),
        (f"{B}RUN 1\nADD https://x.test/a /\n", ("RUN 1", "RUN 2"), {}, [R, R]),
        ("FROM scratch\nCOPY a.txt /\n", ("", ""), {"platforms": ("linux/arm64",)}, [U]),
    ],
)
def test_what_becomes_of_steps(
    text: str, edit: tuple[str, str], told: Mapping[str, Any], expected: Sequence[Fate]
) -> None:
    assert fates(made(text), made(text.replace(*edit), **told)) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"ignored": ["one"]}, [R, U, C, U, U]),
        ({"ignored": ["stage-1"]}, [C, C, R, R, R]),
        ({"ignored": ["one", "stage-1"]}, [R, U, R, R, R]),
        ({"is_least": True}, [U, U, C, C, C]),
        ({"is_complete": False}, [C, C, C, C, C]),
    ],
)
def test_what_caches_are_used_for(told: Mapping[str, Any], expected: Sequence[Fate]) -> None:
    text = STAGES.replace("COPY a.txt /\n", "COPY a.txt /\nWORKDIR /x\n")
    assert fates(made(text), made(text), **told) == expected


def test_if_something_else_may_have_results() -> None:
    now = made(LINEAR, **CHANGED)
    assert fates(made(LINEAR), now, is_complete=False) == [C, U, U, U]


def test_what_nobody_could_know_is_not_taken_for_something_else() -> None:
    """The base image had instructions of its own, which only the last build has told."""
    before = made(LINEAR, unknown="the base image has triggers")
    assert fates(before, made(LINEAR)) == [U, U, U, U]
    assert fates(before, made(LINEAR, **CHANGED)) == [U, R, R, R]


def test_without_a_record() -> None:
    assert predicting.forecast([]) == ()


def test_several_records() -> None:
    old, new = b"old", b"new"
    first = Compared(
        record=kept(made(LINEAR, salt=old), salt=old, **{"1": 3.0, "2": 4.0}),
        now=made(LINEAR, salt=old, **CHANGED),
    )
    second = Compared(
        record=kept(made(LINEAR, salt=new, **CHANGED), salt=new, **{"2": 5.0}),
        now=made(LINEAR, salt=new, **CHANGED),
    )
    assert [one.fate for one in predicting.forecast([first])] == [C, R, R, R]
    found = predicting.forecast([first, second])
    assert [one.fate for one in found] == [C, C, C, C]
    assert [one.seconds for one in found] == [3.0, 0.0, 4.0, 0.0]
    assert [one.seconds for one in predicting.forecast([second, first])] == [3.0, 0.0, 5.0, 0.0]


def test_seconds_of_stages_beside_each_other() -> None:
    text = (
        f"{B[:-1]} AS one\nRUN 1\n{B[:-1]} AS two\nRUN 2\n{B}RUN 3\n"
        "COPY --from=one /a /\nCOPY --from=two /a /\nRUN 4\n"
    )
    took = {"1": 10.0, "2": 20.0, "3": 1.0, "4": 5.0}
    found = [
        Forecast(step=step, fate=R, seconds=took.get(step.title.split()[-1], 0.0))
        for step in made(text).steps
    ]
    assert predicting.seconds(found) == 25.0
    cached = [replace(one, fate=C) if one.seconds == 20.0 else one for one in found]
    assert predicting.seconds(cached) == 15.0
    assert predicting.seconds([]) == 0.0
    # An argument is no stage, whatever it is called.
    named = made(f"{B[:-1]} AS one\nRUN 1\n{B}ARG one=1\nRUN 3\nCOPY --from=one /a /\n").steps
    timed = [Forecast(step=step, fate=R, seconds=10.0) for step in named[:2]]
    assert predicting.seconds(timed) == 10.0


@pytest.mark.parametrize(
    ("text", "edit", "line"),
    [
        (LINEAR, ("", ""), 4),
        (LINEAR, ("RUN 1\n", ""), 4),
        (LINEAR, ("RUN 1", "RUN 2"), 4),
        (LINEAR, ("RUN 1\nCOPY", "RUN 2\nRUN 3\nCOPY"), 5),
        (LINEAR, ("RUN 2", "RUN 3"), None),
        (LINEAR, ("busybox:1.37", "busybox:1.37 AS one\nFROM busybox:1.37"), None),
    ],
)
def test_the_step_that_a_step_is_compared_with(
    text: str, edit: tuple[str, str], line: int | None
) -> None:
    now = made(text).steps[2]
    then = kept(made(text.replace(*edit))).recipe
    found = predicting.counterpart(then, now)
    lines = [step.line for step in then.steps if step.title == "RUN 2"]
    assert (found.line if found else None) == (lines[-1] if line else None)


def test_the_parts_that_changed() -> None:
    before, now = made(LINEAR).steps[1], made(LINEAR, **CHANGED).steps[1]
    then = kept(made(LINEAR)).recipe.steps[1]
    assert predicting.changed(then.parts, before.parts) == ()
    assert predicting.changed(then.parts, now.parts) == ("files",)
    assert predicting.changed({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ("b", "c", "a")


def test_many_steps_are_compared_quickly() -> None:
    text = B + "".join(f"RUN {number}\n" for number in range(1_900))
    now = made(text)
    assert set(fates(now, made(f"{text}RUN x\n"))) == {C, R}
    empty = Step(stage="", position=1, line=1, title="", parts={})
    hostile = Recipe(steps=(empty,) * 2_000, image={})
    record = Record(salt=b"", made=datetime.now(UTC), recipe=hostile, ran={}, files={})
    assert len(predicting.forecast([Compared(record=record, now=now)])) == 1_900
