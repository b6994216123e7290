from __future__ import annotations

from dataclasses import replace

import pytest

from warmbuild.record import gains, recipe
from warmbuild.record.gains import Gain, Use
from warmbuild.record.recipe import Step

STEP = Step(stage="", position=1, line=2, title="RUN make", parts={recipe.INSTRUCTION: "ab" * 32})
KEY = "ab" * 8
USE = Use(step=STEP, seconds=3.0, is_filled=True, cost=2.0)


def test_a_step_is_known_by_its_instruction() -> None:
    assert gains.key(STEP) == KEY
    assert gains.key(replace(STEP, position=5, line=9)) == KEY


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (Gain(), ""),
        (Gain(bare=2.0, losses=2), ""),
        (Gain(bare=1.94), "its step takes 1.9 s even if it is empty"),
        (Gain(bare=20.0, losses=3), "it cost more than it saved 3 times in a row"),
    ],
)
def test_when_mounts_are_left_out(known: Gain, why: str) -> None:
    assert gains.why_not(STEP, {KEY: known}) == why
    assert gains.why_not(STEP, {}) == ""


@pytest.mark.parametrize(
    ("before", "use", "after"),
    [
        pytest.param(None, replace(USE, is_filled=False), Gain(bare=3.0), id="the first time"),
        pytest.param(None, USE, None, id="never seen with empty mounts"),
        pytest.param(Gain(bare=10.0, losses=2), USE, Gain(bare=10.0), id="it pays"),
        pytest.param(Gain(bare=4.9, losses=1), USE, Gain(bare=4.9, losses=2), id="a loss"),
        pytest.param(Gain(bare=5.0, losses=1), USE, Gain(bare=5.0), id="even is no loss"),
        pytest.param(
            Gain(bare=10.0, losses=2),
            replace(USE, is_filled=False),
            Gain(bare=3.0, losses=2),
            id="empty again",
        ),
    ],
)
def test_what_is_known_after_a_build(before: Gain | None, use: Use, after: Gain | None) -> None:
    known = {"other": Gain(bare=1.0)} | ({KEY: before} if before else {})
    expected = {"other": Gain(bare=1.0)} | ({KEY: after} if after else {})
    assert gains.after(known, [use]) == expected


def test_what_a_build_has_gained() -> None:
    assert USE.gained(Gain(bare=10.0)) == 7.0
    assert USE.gained(Gain(bare=1.0)) == -2.0
    assert USE.gained(Gain()) == 0.0
    assert replace(USE, is_filled=False).gained(Gain(bare=10.0)) == 0.0
