from __future__ import annotations

from dataclasses import replace

import pytest

from tests.caches import FEATURE, OWN
from warmbuild.cache import sharing
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.probe import Found
from warmbuild.cache.records import Record, Records

COLD = CachePlan()


def with_steps(*digests: str) -> CachePlan:
    """Return a plan that reads one cache with these steps upon `base`."""
    base = Record(digest="base")
    steps = tuple(Record(digest=digest, inputs=((("", 0),),)) for digest in digests)
    found = Found(digest="sha256:1", records=(Records(records=(base, *steps)),))
    return CachePlan(read=(CacheRef(ref=FEATURE, reason=OWN, branch="feature", found=found),))


@pytest.mark.parametrize(
    ("plans", "calls"),
    [
        pytest.param([COLD], ((0,),), id="one image"),
        pytest.param([COLD, COLD], ((0, 1),), id="two images without a cache"),
        pytest.param([with_steps("a"), with_steps("b")], ((0, 1),), id="nothing in common"),
        pytest.param([with_steps("a"), with_steps("a", "b")], ((0,), (1,)), id="a step"),
        pytest.param(
            [with_steps("a"), with_steps("a", "b"), with_steps("c")],
            ((0, 2), (1,)),
            id="as few calls as possible",
        ),
        pytest.param(
            [COLD, with_steps("a"), with_steps("a")],
            ((1,), (0, 2)),
            id="images without a cache come last",
        ),
        pytest.param(
            [replace(COLD, sources=("type=gha",)), with_steps("a")],
            ((0,), (1,)),
            id="a cache of unknown steps",
        ),
    ],
)
def test_images_that_share_steps_are_built_one_after_the_other(
    plans: list[CachePlan], calls: tuple[tuple[int, ...], ...]
) -> None:
    assert sharing.rounds(plans) == calls
