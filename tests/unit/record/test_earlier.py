from __future__ import annotations

from datetime import UTC, datetime

import pytest

from warmbuild.record.earlier import Change, Comparison, Pair, pairs
from warmbuild.record.explanation import Source
from warmbuild.record.predicting import Compared
from warmbuild.record.recipe import INSTRUCTION, Recipe, Step
from warmbuild.record.record import Ran, Record

MADE = datetime(2026, 1, 2, tzinfo=UTC)


def step(position: int, title: str, stage: str = "build", **parts: str) -> Step:
    return Step(
        stage=stage,
        position=position,
        line=position,
        title=title,
        parts={INSTRUCTION: title, **parts},
    )


def compared(then: list[Step], now: list[Step]) -> Compared:
    ran = {
        (one.stage, one.position): Ran(cached=False, seconds=float(one.position)) for one in then
    }
    known = Recipe(steps=tuple(then), image={})
    record = Record(salt=b"", made=MADE, recipe=known, ran=ran, files={})
    return Compared(record=record, now=Recipe(steps=tuple(now), image={}))


COPY, RUN = step(1, "COPY . .", files="one"), step(2, "RUN make")


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        pytest.param([COPY, RUN], [COPY, RUN], ["same 1.0", "same 2.0"], id="the same"),
        pytest.param(
            [COPY, RUN],
            [step(1, "COPY . .", files="two"), RUN],
            ["changed files 1.0", "same 2.0"],
            id="other files",
        ),
        pytest.param(
            [COPY, RUN],
            [COPY, step(2, "RUN make all")],
            ["same 1.0", "changed instruction 2.0"],
            id="an edited instruction, in its place",
        ),
        pytest.param(
            [RUN], [step(1, "RUN apt"), RUN], ["new -", "same 2.0"], id="a new step before another"
        ),
        pytest.param([COPY, RUN], [COPY], ["same 1.0", "removed 2.0"], id="a removed step"),
        pytest.param(
            [COPY], [step(1, "COPY . .", "test")], ["new -", "removed 1.0"], id="another stage"
        ),
        pytest.param(
            [step(1, "RUN a"), step(2, "RUN a")],
            [step(1, "RUN a"), step(2, "RUN a"), step(3, "RUN a")],
            ["same 1.0", "same 2.0", "new -"],
            id="the same instruction again",
        ),
        pytest.param([], [], [], id="nothing"),
    ],
)
def test_steps_beside_those_of_an_earlier_build(
    then: list[Step], now: list[Step], expected: list[str]
) -> None:
    found = pairs(compared(then, now), {})
    assert [shown(one) for one in found] == expected


def shown(one: Pair) -> str:
    seconds = f"{one.then.seconds}" if one.then else "-"
    return " ".join([one.change.value, *one.parts, seconds])


def test_a_step_has_what_became_of_it_now() -> None:
    now = Ran(cached=True, seconds=9.0)
    (found,) = pairs(compared([COPY], [COPY]), {("build", 1): now})
    assert (found.now, found.then) == (now, Ran(cached=False, seconds=1.0))


def test_what_others_wrote_is_made_harmless() -> None:
    hostile = step(1, f"RUN \u202e{'x' * 300}", "a\nb")
    (found,) = pairs(compared([hostile], []), {})
    assert (found.stage, found.title[:11], len(found.title)) == ("a\\nb", "RUN \\u202ex", 206)


def test_secrets_are_hidden_in_a_comparison() -> None:
    pair = Pair(stage="", line=1, title="RUN secret", change=Change.NEW, parts=("secret",))
    source = Source(ref="r.io/a:b", branch="main", commit="", made=MADE)
    hidden = Comparison(source=source, pairs=(pair,)).shown(lambda text: text.replace("sec", "*"))
    assert [(one.title, one.parts) for one in hidden.pairs] == [("RUN *ret", ("*ret",))]
