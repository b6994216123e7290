"""Nodes that build a platform each: what they write, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests import plans
from warmbuild.build import outcomes
from warmbuild.build.outcomes import CacheOutcome
from warmbuild.buildkit import command_line
from warmbuild.cache import problems, settling
from warmbuild.cache.probe import Missing, NotACache
from warmbuild.cache.problems import Kind, Problem
from warmbuild.plan import calls
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


NOW = datetime(2026, 11, 21, tzinfo=UTC)
PUSH = RunContext(ci="github", event="push", branch="main", default_branch="main")
BOTH = "linux/amd64,linux/arm64"
HOME = "ghcr.io/me/app:cache-"
NODES = {
    "driver": "remote",
    "endpoint": "tcp://a:1",
    "append": "- {endpoint: 'tcp://b:1', platforms: linux/arm64}",
    "platforms": BOTH,
}


def planned(inputs: Inputs) -> BuildPlan:
    return plans.planned(inputs, PUSH)


def written(inputs: Inputs) -> list[tuple[str, str]]:
    """Return platforms and what is written, call by call."""
    found_calls = calls.parts([planned(inputs)])
    return [
        (",".join(one.platforms), str(one.cache.write.ref) if one.cache.write else "")
        for (one,) in found_calls
    ]


def test_each_platform_is_written_by_its_node(parsed: Callable[..., Inputs]) -> None:
    amd64, arm64 = (call[1] for call in written(parsed(**NODES))[1:])
    assert written(parsed(**NODES)) == [
        (BOTH, ""),
        ("linux/amd64", amd64),
        ("linux/arm64", arm64),
    ]
    # A job that builds one of them writes the same.
    alone = [planned(parsed(platforms=one)).cache.write for one in BOTH.split(",")]
    assert [str(item.ref) for item in alone if item] == [amd64, arm64]
    argv = command_line.build(
        calls.parts([planned(parsed(**NODES))])[2][0], command_line.PLACEHOLDERS
    )
    assert argv[argv.index("--platform") + 1] == "linux/arm64"
    assert argv[argv.index("--output") + 1] == "type=cacheonly"


@pytest.mark.parametrize(
    ("values", "found_calls"),
    [
        pytest.param({"append": ""}, [(BOTH, ""), (BOTH, f"{HOME}main")], id="one node"),
        pytest.param({"platforms": "linux/arm64"}, [("linux/arm64", "")] * 1, id="one platform"),
        pytest.param(
            {"cache_backend": "inline"}, [(BOTH, f"{HOME}main")], id="a cache in the image"
        ),
        pytest.param({"no_cache_filters": "a"}, [(BOTH, "")], id="steps that run in any case"),
        pytest.param({"plan_only": "true"}, [(BOTH, ""), (BOTH, f"{HOME}main")], id="a plan"),
        pytest.param({"cache": "read-only"}, [(BOTH, "")], id="nothing to write"),
    ],
)
def test_else_there_is_one_ref(
    parsed: Callable[..., Inputs], values: dict[str, str], found_calls: list[tuple[str, str]]
) -> None:
    found = written(parsed(**(NODES | values)))
    assert found[: len(found_calls)] == found_calls
    assert planned(parsed(**(NODES | values))).cache.platforms == ()


def test_one_that_may_not_be_written_keeps_no_other_from_it(parsed: Callable[..., Inputs]) -> None:
    cache = planned(parsed(**NODES)).cache
    first, second = cache.platforms
    answers = dict.fromkeys(cache.asked, Missing()) | {first.ref: NotACache(reason="an image")}
    settled = settling.settle(cache, answers, NOW)
    assert [item.ref for item in settled.platforms] == [second.ref]
    assert settled.write == settled.platforms[0]
    assert problems.write_error(settled.problems) == f"{first.ref} is not written: an image"


def test_what_became_of_them_is_one_outcome() -> None:
    read = Problem(kind=Kind.READ, text="w")
    write = Problem(kind=Kind.WRITE, text="v", cause="e")
    good = CacheOutcome(read=("r",), written="a", problems=(read,))
    bad = replace(good, written="", problems=(read, write))
    assert outcomes.several_outcomes([good, bad]) == CacheOutcome(
        read=("r",), written="a", problems=(read, write)
    )
