from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.caches import FEATURE, REPOSITORY
from tests.plans import planned
from tests.runs import PUSH
from warmbuild.build import outcomes
from warmbuild.build.outcomes import CacheOutcome, Outcome
from warmbuild.buildkit.progress import Progress
from warmbuild.cache.probe import Found
from warmbuild.cache.problems import Kind, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs


def test_outcomes_of_several_nodes_are_one() -> None:
    read = Problem(kind=Kind.READ, text="w")
    write = Problem(kind=Kind.WRITE, text="v", cause="e")
    good = CacheOutcome(read=("r",), written="a", problems=(read,))
    bad = replace(good, written="", problems=(read, write))
    assert outcomes.several_outcomes([good, bad]) == CacheOutcome(
        read=("r",), written="a", problems=(read, write)
    )


@pytest.mark.parametrize(
    ("found", "error", "is_lost"),
    [
        pytest.param(None, f"importer: {FEATURE}: not found", False, id="nobody could ask for it"),
        pytest.param(None, "importer: denied", True, id="nobody could ask for it, and refused"),
        pytest.param(Found("d"), f"importer: {FEATURE}: not found", True, id="it was there"),
    ],
)
def test_a_cache_that_may_not_exist_yet_is_no_loss(
    parsed: Callable[..., Inputs], found: Found | None, error: str, *, is_lost: bool
) -> None:
    plan = planned(parsed(), PUSH)
    read = tuple(replace(item, found=found) for item in plan.cache.read)
    plan = replace(plan, cache=replace(plan.cache, read=read))
    imported = Progress()
    name = f"importing cache manifest from {REPOSITORY}:cache-feature"
    times = dict.fromkeys(("started", "completed"), "2026-01-02T03:04:05Z")
    vertex = {"digest": "d", "name": name, "error": error, **times}
    imported.take(json.dumps({"vertexes": [vertex]}))
    done = outcomes.cache_outcome(plan, imported=imported, exported=None)
    text = f"{FEATURE} is not read: {error}"
    assert [one.text for one in done.problems] == ([text] if is_lost else [])


def test_what_was_not_built_is_told_with_what_was() -> None:
    web = Outcome(
        name="web", digest="d", metadata='{"a":1}', notes=("n",), tags=("t",), changed=False
    )
    web = replace(web, unbuilt=True)
    assert outcomes.with_unchanged(None, [replace(web, name="")]) == replace(web, name="")
    lost = Problem(kind=Kind.HISTORY, text="lost")
    job = Outcome(name="job", metadata="{}", notes=())
    built = replace(outcomes.together([job], metadata='{"job":{}}', steps=()), problems=(lost,))
    assert outcomes.with_unchanged(built, []) is built
    both = outcomes.with_unchanged(built, [web])
    assert [one.name for one in both.targets] == ["job", "web"]
    assert both.metadata == '{"job":{},"web":{"a":1}}'
    assert (both.changed, both.unbuilt, both.problems) == (True, False, (lost,))
    alone = outcomes.with_unchanged(None, [web, replace(web, name="other")])
    assert (alone.changed, alone.unbuilt, alone.tags) == (False, True, ("t", "t"))
