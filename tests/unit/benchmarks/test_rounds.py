from __future__ import annotations

from dataclasses import replace

import rounds
from rounds import Round
from samples import Sample

ONE = Round(
    project="flask",
    network="slow",
    condition="1 Gbit/s, 10 ms",
    number=1,
    strategies=("no cache", "warmbuild"),
    scenarios=("cold", "unchanged"),
)
TWO = replace(ONE, number=2)


def built(of: Round, strategy: str, scenario: str, seconds: float = 3.0) -> Sample:
    return Sample(
        project=of.project,
        kind=scenario,
        condition=of.condition,
        strategy=strategy,
        number=of.number,
        seconds=seconds,
        steps=1,
        moved=0,
    )


WHOLE = [built(ONE, strategy, kind) for kind in ONE.scenarios for strategy in ONE.strategies]


def test_a_round_is_whole_with_each_build_of_each_strategy() -> None:
    assert ONE.is_whole(WHOLE)
    assert not ONE.is_whole(WHOLE[1:])
    assert not replace(ONE, condition="unshaped").is_whole(WHOLE)


def test_an_interrupted_round_begins_anew_and_whole_ones_stay() -> None:
    taken = [*WHOLE, built(TWO, "no cache", "cold")]
    left = rounds.left([ONE, TWO], taken)
    assert left == [TWO]
    assert rounds.kept(left, taken) == WHOLE


def test_what_is_left_takes_as_long_as_such_builds_took() -> None:
    taken = [built(ONE, "no cache", "cold", 1.0), built(ONE, "no cache", "unchanged", 3.0)]
    assert rounds.seconds([ONE, TWO], taken) == 1.1 * 2.0 * 8
    assert rounds.seconds([replace(ONE, project="node-ci")], taken) == 1.1 * 10 * 4
