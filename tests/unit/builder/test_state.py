from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import PUSH
from warmbuild.builder import state
from warmbuild.builder.state import Memory
from warmbuild.cache.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan

GB = 1000**3
MACHINE = Memory(total=16 * GB, available=12 * GB, in_files=0)
POD = {"driver": "kubernetes"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({}, "auto", id="the caches of branches"),
        pytest.param({"cache_from": "type=gha"}, "auto", id="a cache of the user's own"),
        pytest.param({"cache": "off"}, "disk", id="no cache"),
        pytest.param({"cache": "off", "builder_state": "memory"}, "memory", id="by choice"),
        pytest.param({"builder_state": "disk"}, "disk", id="on disk by choice"),
    ],
)
def test_where_a_state_is_planned(
    parsed: Callable[..., Inputs], inputs: dict[str, str], expected: str
) -> None:
    assert state.planned([planned(parsed(**inputs), PUSH)]).state == expected


ELSEWHERE = "the engine is not known to run on this machine"


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({}, "", id="a builder of this run"),
        pytest.param({"endpoint": "tcp://e:1"}, ELSEWHERE, id="an endpoint"),
        pytest.param({"builder": "b"}, "a builder with a name may be used by others", id="a name"),
        pytest.param({"cleanup": "false"}, "cleanup is off, so the builder stays", id="it stays"),
        pytest.param(
            {"append": "- endpoint: tcp://e:1"}, "the builder has several nodes", id="nodes"
        ),
        pytest.param(
            {"driver_opts": '"network=host,memory=2g"'},
            "driver-opts limits its memory",
            id="a limit",
        ),
        pytest.param(POD, ELSEWHERE, id="pods"),
    ],
)
def test_why_a_state_is_on_disk(
    parsed: Callable[..., Inputs], inputs: dict[str, str], expected: str
) -> None:
    plan = planned(parsed(**inputs), PUSH).builder
    assert state.obstacle(plan, is_near=True) == expected
    assert state.obstacle(plan, is_near=False)


@pytest.mark.parametrize(
    ("memory", "promised", "expected"),
    [
        pytest.param(MACHINE, [], 6 * GB, id="half of what is free"),
        pytest.param(MACHINE, [6 * GB], 3 * GB, id="half of what another state leaves"),
        pytest.param(
            replace(MACHINE, available=8 * GB, in_files=4 * GB),
            [6 * GB],
            3 * GB,
            id="what the other state has taken already is not counted twice",
        ),
        pytest.param(
            replace(MACHINE, in_files=9 * GB), [6 * GB], 6 * GB, id="files of somebody else"
        ),
        pytest.param(MACHINE, [6 * GB, 6 * GB], 0, id="everything is promised"),
        pytest.param(MACHINE, [9 * GB, 9 * GB], 0, id="never less than nothing"),
    ],
)
def test_a_share(memory: Memory, promised: list[int], expected: int) -> None:
    assert state.share(memory, promised) == expected


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        pytest.param([], False, id="alone"),
        pytest.param([6 * GB], False, id="two that saw nothing of each other"),
        pytest.param([3 * GB, 2 * GB, GB], False, id="four, one after the other"),
        pytest.param([6 * GB, 6 * GB], True, id="three that saw nothing of each other"),
    ],
)
def test_states_that_begin_at_once(promised: list[int], *, expected: bool) -> None:
    assert state.is_overdrawn(MACHINE, 6 * GB, promised) is expected


def test_a_share_may_be_too_small_for_any_state() -> None:
    assert state.too_small(GB // 16) == ""
    assert state.too_small(0) == "half of the free memory is 0 bytes, and a state needs 62 MB"


@pytest.mark.parametrize(
    ("size", "wanted", "need", "expected"),
    [
        pytest.param(2 * GB, "auto", 2 * GB, "", id="it fits"),
        pytest.param(
            2 * GB,
            "auto",
            2 * GB + 1,
            "the caches take about 2.0 GB, and its share of memory is 2.0 GB",
            id="it does not",
        ),
        pytest.param(2 * GB, "memory", 9 * GB, "", id="memory is asked for"),
        pytest.param(3 * GB, "auto", None, "", id="no cache, and plenty of memory"),
        pytest.param(
            3 * GB - 1,
            "auto",
            None,
            "no cache shows how large it will be, and its share of memory is 3.0 GB",
            id="no cache, and less of it",
        ),
    ],
)
def test_whether_caches_fit(size: int, wanted: str, need: int | None, expected: str) -> None:
    assert state.misfit(size, wanted, need) == expected


def with_caches(plan: BuildPlan, *caches: dict[str, int] | None) -> BuildPlan:
    first = plan.cache.read[0]
    read = tuple(
        replace(first, found=None if blobs is None else Found("sha256:m", blobs=blobs))
        for blobs in caches
    )
    return replace(plan, cache=replace(plan.cache, read=read))


def test_what_caches_take(parsed: Callable[..., Inputs]) -> None:
    plan = planned(parsed(), PUSH)
    first, second = with_caches(plan, {"a": 10, "b": 20}), with_caches(plan, {"b": 20, "c": 5})
    assert state.need([first]) == 150
    # A layer of several caches is there once.
    assert state.need([first, second]) == 175
    assert state.need([with_caches(plan, {"a": 10}, None)]) is None
    assert state.need([with_caches(plan)]) is None
    sources = replace(plan, cache=replace(plan.cache, read=(), sources=("type=gha",)))
    assert state.need([first, sources]) is None
    # Cache mounts lie beside them, and of what is all cached nothing is unpacked.
    assert state.need([first], 7) == 157
    assert state.need([first], 7, unpacks=False) == 7
    assert state.need([sources], unpacks=False) == 0


@pytest.mark.parametrize(
    ("available", "grown", "expected"),
    [
        pytest.param(2 * GB, 9 * GB, False, id="there is enough"),
        pytest.param(GB // 2, 2 * GB, True, id="it runs out, and the state has a part in it"),
        pytest.param(GB // 2, GB // 2, False, id="it runs out, and the state hardly matters"),
    ],
)
def test_when_memory_runs_out(available: int, grown: int, *, expected: bool) -> None:
    before = replace(MACHINE, in_files=GB)
    now = replace(MACHINE, available=available, in_files=GB + grown)
    assert state.is_short(now, before) is expected


def test_when_a_state_is_full() -> None:
    assert state.is_full(100, 95)
    assert not state.is_full(100, 94)


FULL = "the builder's state does not fit into its share of memory"
KILLED = "a step was killed, perhaps for lack of memory"


@pytest.mark.parametrize(
    ("said", "was_full", "expected"),
    [
        pytest.param(["write /a: no space left on device"], False, FULL, id="BuildKit's own words"),
        pytest.param(
            ["exit code: 1", "OSError: [Errno 28] No space left on device"],
            False,
            FULL,
            id="words of a step",
        ),
        pytest.param(["exit code: 1"], True, FULL, id="no words, but it was full"),
        pytest.param(["did not complete: exit code: 137"], False, KILLED, id="a step is killed"),
        pytest.param(
            ["error reading from server: EOF"], False, KILLED, id="the daemon itself is killed"
        ),
        pytest.param(["exit code: 1"], False, "", id="a step fails by itself"),
        pytest.param([], False, "", id="nothing is said"),
    ],
)
def test_whether_a_build_lacked_memory(said: list[str], expected: str, *, was_full: bool) -> None:
    assert state.ran_out(said, was_full=was_full) == expected
