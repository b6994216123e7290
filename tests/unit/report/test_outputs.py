from __future__ import annotations

import json
from dataclasses import replace

from tests.builders import NODE
from warmbuild.build.outcomes import Outcome
from warmbuild.buildkit.answers import Inspected
from warmbuild.report import outputs

EMPTY = Outcome(
    digest="",
    image_id="",
    metadata="",
    tags=(),
    steps=(),
    cache_read=(),
    cache_written="",
    cache_age=None,
    seconds=0.0,
    notes=(),
    warnings=(),
    problems=(),
)


def test_outputs_describe_the_builder() -> None:
    second = replace(NODE, name="b1", driver_opts=("a=b",), platforms=("linux/arm64",))
    outcome = replace(EMPTY, builder=Inspected(name="b", driver="remote", nodes=(NODE, second)))
    found = outputs.outputs(outcome)
    assert found["name"] == "b"
    assert found["driver"] == "remote"
    assert found["platforms"] == "linux/amd64,linux/386,linux/arm64"
    assert json.loads(found["nodes"]) == [
        {
            "name": "b0",
            "endpoint": "unix:///b.sock",
            "driver-opts": [],
            "status": "running",
            "buildkitd-flags": "",
            "buildkit": "v0.34.2",
            "platforms": "linux/amd64,linux/386",
        },
        {
            "name": "b1",
            "endpoint": "unix:///b.sock",
            "driver-opts": ["a=b"],
            "status": "running",
            "buildkitd-flags": "",
            "buildkit": "v0.34.2",
            "platforms": "linux/arm64",
        },
    ]
    assert "\n" not in found["nodes"]
