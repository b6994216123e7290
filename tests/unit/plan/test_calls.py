from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import plans
from tests.caches import FEATURE, OWN, keys
from tests.runs import PUSH
from warmbuild.buildkit import command_line
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.probe import Found
from warmbuild.cache.records import Record, Records
from warmbuild.plan import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.plan.build_plan import BuildPlan


BOTH = "linux/amd64,linux/arm64"
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
        pytest.param({"append": ""}, [(BOTH, ""), (BOTH, str(FEATURE))], id="one node"),
        pytest.param({"platforms": "linux/arm64"}, [("linux/arm64", "")] * 1, id="one platform"),
        pytest.param(
            {"cache_backend": "inline"}, [(BOTH, str(FEATURE))], id="a cache in the image"
        ),
        pytest.param({"no_cache_filters": "a"}, [(BOTH, "")], id="no-cache-filters"),
        pytest.param({"plan_only": "true"}, [(BOTH, ""), (BOTH, str(FEATURE))], id="a plan"),
        pytest.param({"cache": "read-only"}, [(BOTH, "")], id="nothing to write"),
    ],
)
def test_otherwise_there_is_one_ref(
    parsed: Callable[..., Inputs], values: dict[str, str], found_calls: list[tuple[str, str]]
) -> None:
    found = written(parsed(**(NODES | values)))
    assert found[: len(found_calls)] == found_calls
    assert planned(parsed(**(NODES | values))).cache.platforms == ()


def test_the_parts_of_a_build_with_outputs(parsed: Callable[..., Inputs]) -> None:
    ((image,), (cache,)) = calls.parts([planned(parsed(outputs="type=local,dest=out"))])
    assert (image.outputs, cache.outputs) == (("type=local,dest=out",), ("type=cacheonly",))


def test_the_image_alone_has_no_export(parsed: Callable[..., Inputs]) -> None:
    decided = planned(parsed(cache_to="type=inline"))
    assert calls.image_alone(decided).cache == replace(decided.cache, destinations=())
    own = planned(parsed())
    assert calls.image_alone(own).cache == replace(own.cache, write=None)
    inline = planned(parsed(cache_backend="inline"))
    assert calls.image_alone(inline) == inline


@pytest.mark.parametrize(
    ("values", "reads"),
    [
        pytest.param({}, ["feature", "main"], id="what the build has read"),
        pytest.param(
            {"no_cache_filters": "build"},
            [],
            id="no-cache-filters: no results of steps that had to run",
        ),
        pytest.param({"no_cache": "true"}, [], id="nothing, as the build"),
    ],
)
def test_the_cache_alone_is_exported_from_the_builder(
    parsed: Callable[..., Inputs], values: dict[str, str], reads: list[str]
) -> None:
    decided = planned(parsed(push="true", load="true", pull="true", target="final", **values))
    found = calls.cache_alone(decided)
    assert keys(found.cache.read) == reads
    assert found == replace(
        decided,
        cache=replace(decided.cache, read=found.cache.read),
        push=False,
        load=False,
        pull=False,
        no_cache=False,
        no_cache_filters=(),
        tags=(),
        outputs=("type=cacheonly",),
    )


def test_explicit_sources_are_left_out_of_an_export_that_was_forced(
    parsed: Callable[..., Inputs],
) -> None:
    explicit = parsed(cache_from="type=gha", cache_to="type=gha", no_cache_filters="build")
    assert calls.cache_alone(planned(explicit)).cache.sources == ()


def test_each_stage_is_an_image_of_its_own(parsed: Callable[..., Inputs]) -> None:
    decided = planned(
        parsed(
            cache_backend="inline",
            cache_stages="dependencies, build, build",
            target="final",
            load="true",
            sbom="true",
        )
    )
    dependencies, build = calls.stages(decided)
    assert (dependencies.stage, build.stage) == ("dependencies", "build")
    for stage in (dependencies, build):
        assert (stage.push, stage.load, stage.tags, stage.outputs) == (True, False, (), ())
        assert stage.attests == ("type=provenance,disabled=true",)
        assert stage.cache.read == decided.cache.read
        assert stage.cache.stages == ()
    assert keys(decided.cache.stages) == [
        "dependencies-a361e4d2495057c3e7f1--feature",
        "build-e7ec532ede193fdd9548--feature",
    ]
    assert [stage.cache.write for stage in (dependencies, build)] == list(decided.cache.stages)


def test_without_stages_there_is_nothing_more_to_build(parsed: Callable[..., Inputs]) -> None:
    assert calls.stages(planned(parsed(cache_backend="inline"))) == ()


COLD = CachePlan()


def with_steps(*digests: str, inputs: int = 2) -> CachePlan:
    """Return a plan that reads one cache with these steps upon `base`; a COPY has two inputs."""
    base = Record(digest="base")
    steps = tuple(Record(digest=digest, inputs=((("", 0),),) * inputs) for digest in digests)
    found = Found(digest="sha256:1", records=(Records(records=(base, *steps)),))
    return CachePlan(read=(CacheRef(ref=FEATURE, reason=OWN, branch="feature", found=found),))


@pytest.mark.parametrize(
    ("caches", "expected"),
    [
        pytest.param([COLD], ((0,),), id="one image"),
        pytest.param([COLD, COLD], ((0, 1),), id="two images without a cache"),
        pytest.param([with_steps("a"), with_steps("b")], ((0, 1),), id="nothing in common"),
        pytest.param([with_steps("a"), with_steps("a", "b")], ((0,), (1,)), id="a step"),
        pytest.param(
            [with_steps("a", inputs=1), with_steps("a", "b", inputs=1)],
            ((0, 1),),
            id="a step that has one input",
        ),
        pytest.param([with_steps("a", "b"), with_steps("b", "a")], ((0, 1),), id="the same steps"),
        pytest.param(
            [with_steps("a"), with_steps("a", "b"), with_steps("c")],
            ((0, 2), (1,)),
            id="as few calls as possible",
        ),
        pytest.param(
            [COLD, with_steps("a", "b"), with_steps("a")],
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
    caches: list[CachePlan], expected: tuple[tuple[int, ...], ...]
) -> None:
    assert calls.rounds(caches) == expected
