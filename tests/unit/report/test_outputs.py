from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests import plans
from tests.builders import NODE
from tests.runs import PUSH
from warmbuild.bake import bake_file
from warmbuild.build.outcomes import Outcome
from warmbuild.buildkit.answers import Inspected
from warmbuild.report import outputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

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


def test_outputs_describe_the_builder(parsed: Callable[..., Inputs]) -> None:
    second = replace(NODE, name="b1", driver_opts=("a=b",), platforms=("linux/arm64",))
    outcome = replace(EMPTY, builder=Inspected(name="b", driver="remote", nodes=(NODE, second)))
    found = outputs.outputs(outcome, parsed())
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


TWO = {"image": "r.io/a", "tags": "type=raw,value=1\ntype=raw,value=2", "labels": "a=b\nc=d"}


@pytest.mark.parametrize(
    ("given", "tags", "names", "labels"),
    [
        pytest.param(TWO, "r.io/a:1\nr.io/a:2", "1\n2", "a=b\nc=d", id="rules"),
        pytest.param(TWO | {"tags": "1,2"}, "r.io/a:1,r.io/a:2", "1\n2", "a=b\nc=d", id="names"),
        pytest.param(
            TWO | {"sep-tags": " ", "sep-labels": "|"},
            *("r.io/a:1 r.io/a:2", "1 2", "a=b|c=d"),
            id="separators",
        ),
        pytest.param(
            TWO | {"tags": "1,2", "sep-tags": "\n"},
            *("r.io/a:1\nr.io/a:2", "1\n2", "a=b\nc=d"),
            id="a newline between names",
        ),
    ],
)
def test_what_separates_the_items(
    parsed: Callable[..., Inputs], given: dict[str, str], tags: str, names: str, labels: str
) -> None:
    inputs = parsed(**given)
    plan = plans.planned(inputs, PUSH)
    found = outputs.outputs(replace(EMPTY, tags=plan.tags, image=plan), inputs)
    assert (found["tags"], found["tag-names"]) == (tags, names)
    assert labels in found["labels"]
    assert outputs.plan_outputs([plan], {}, inputs)["tags"] == tags


def test_names_without_an_image(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(image="", tags="type=raw,value=1\n2", plan_only="true")
    plan = plans.planned(inputs, PUSH)
    assert (plan.tags, plan.bare_tags, plan.push) == ((), ("1", "2"), False)
    found = outputs.plan_outputs([plan], {}, inputs)
    assert (found["tags"], found["tag-names"], found["version"]) == ("1\n2", "1\n2", "1")
    assert json.loads(found["json"])["tags"] == ["1", "2"]
    definitions: Any = bake_file.definitions([plan], inputs.bake_target)
    assert definitions["bake-file-tags"]["target"]["docker-metadata-action"] == {
        "tags": ["1", "2"],
        "args": {"DOCKER_META_IMAGES": "", "DOCKER_META_VERSION": "1"},
    }


@pytest.mark.parametrize(
    ("annotations", "keys"),
    [("", {"tags", "args", "labels"}), ("a=b", {"tags", "args", "labels", "annotations"})],
    ids=["none for the image", "some for the image"],
)
def test_bake_gives_an_image_no_annotations_that_it_has_not(
    parsed: Callable[..., Inputs], annotations: str, keys: set[str]
) -> None:
    inputs = parsed(tags="type=raw,value=1", annotations=annotations, bake_target="meta")
    plan = plans.planned(inputs, PUSH)
    found: Any = bake_file.definitions([plan], inputs.bake_target)
    assert set(found["bake-file"]["target"]["meta"]) == keys
    told = found["bake-file-annotations"]["target"]["meta"]["annotations"]
    assert "manifest:org.opencontainers.image.version=1" in told


NAMES = {
    *("VERSION", "TAGS", "TAG_NAMES", "LABELS", "ANNOTATIONS", "JSON"),
    *("BAKE_FILE", "BAKE_FILE_TAGS", "BAKE_FILE_LABELS", "BAKE_FILE_ANNOTATIONS"),
}


@pytest.mark.parametrize(
    ("given", "is_set"),
    [
        pytest.param({"tags": "type=sha"}, True, id="a rule"),
        pytest.param({"images": "r.io/a"}, True, id="images"),
        pytest.param({"tags": "1"}, False, id="a name"),
        pytest.param({}, False, id="nothing"),
        pytest.param({"tags": "type=sha", "bake-files": "b.hcl"}, False, id="a bake file"),
    ],
)
def test_variables_for_later_steps(
    parsed: Callable[..., Inputs],
    given: dict[str, str],
    is_set: bool,  # noqa: FBT001
) -> None:
    inputs = parsed(**given)
    found = outputs.variables(outputs.outputs(EMPTY, inputs), inputs)
    names = {f"DOCKER_METADATA_OUTPUT_{name}" for name in NAMES}
    assert set(found) == (names if is_set else set())
    assert outputs.variables({"version": "1"}, replace(inputs, set_output_env=False)) == {}
