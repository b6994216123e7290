from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from warmbuild.build.outcomes import Outcome
from warmbuild.build.timeline import Timeline
from warmbuild.buildkit.progress import Step
from warmbuild.cache.kept_mounts import Carriage
from warmbuild.phases import Phase
from warmbuild.project.cache_mount import CacheMount
from warmbuild.report import result_json

STEP = Step(
    prefix="", position="1/2", instruction="RUN a", cached=True, seconds=None, error="", usual=4.04
)
IMAGE = Outcome(
    name="web",
    ending="pushed",
    digest="sha256:1",
    metadata="{}",
    tags=("r.io/a:1", "r.io/a:2"),
    steps=(STEP, replace(STEP, cached=False, seconds=2.0)),
    cache_read=("r.io/a:cache-main",),
    cache_written="r.io/a:cache-x",
    cache_age=timedelta(hours=1),
    notes=(),
)
OF_IMAGE = {
    "ending": "pushed",
    "digest": "sha256:1",
    "tags": ["r.io/a:1", "r.io/a:2"],
    "changed": True,
    "steps": 2,
    "cached": 1,
    "cache_read": ["r.io/a:cache-main"],
    "cache_written": "r.io/a:cache-x",
    "cache_age": 3600,
}


def test_a_result_has_the_numbers_of_the_outcome() -> None:
    phases = {Phase.STEPS: 2.04, Phase.PULL: 1.0, Phase.BOOT: 0.01}
    outcome = replace(IMAGE, seconds=3.04, warnings=("w",), timeline=Timeline(phases=phases))
    assert json.loads(json.dumps(result_json.result(outcome))) == {
        **OF_IMAGE,
        "error": "",
        "stopped": False,
        "seconds": 3.04,
        "saved": 4.04,
        "mounts": {"saved": 0.0, "cost": 0.0, "each": []},
        "phases": {"steps": 2.04, "pull and unpack": 1.0, "boot": 0.01},
        "warnings": 1,
        "targets": [],
    }


def test_what_became_of_cache_mounts() -> None:
    npm = CacheMount(identity="npm")
    mounts = (
        Carriage(mount=npm, restored=5, saved=2),
        Carriage(mount=npm, unrestored="it is lost", unsaved="it is empty"),
    )
    outcome = replace(IMAGE, mounts=mounts, mounts_saved=7.0004, mounts_cost=1.5)
    assert json.loads(json.dumps(result_json.result(outcome)))["mounts"] == {
        "saved": 7.0,
        "cost": 1.5,
        "each": [
            {"id": "npm", "restored": 5, "saved": 2, "unrestored": "", "unsaved": ""},
            {
                "id": "npm",
                "restored": 0,
                "saved": 0,
                "unrestored": "it is lost",
                "unsaved": "it is empty",
            },
        ],
    }


def test_several_targets_have_a_result_each() -> None:
    whole = replace(IMAGE, name="", targets=(IMAGE,), error="it failed", cache_age=None)
    found = json.loads(json.dumps(result_json.result(whole)))
    assert found["targets"] == [{"name": "web", **OF_IMAGE}]
    assert (found["error"], found["cache_age"]) == ("it failed", None)
