from __future__ import annotations

from dataclasses import replace

from warmbuild.build import outcomes
from warmbuild.build.outcomes import CacheOutcome
from warmbuild.cache.problems import Kind, Problem


def test_outcomes_of_several_nodes_are_one() -> None:
    read = Problem(kind=Kind.READ, text="w")
    write = Problem(kind=Kind.WRITE, text="v", cause="e")
    good = CacheOutcome(read=("r",), written="a", problems=(read,))
    bad = replace(good, written="", problems=(read, write))
    assert outcomes.several_outcomes([good, bad]) == CacheOutcome(
        read=("r",), written="a", problems=(read, write)
    )
