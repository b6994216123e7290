from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests import plans
from tests.runs import FORK, LOCAL, PUSH
from warmbuild import trust
from warmbuild.errors import InputError
from warmbuild.image import naming
from warmbuild.inputs import build_context
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.plan import calls, making

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.plan.build_plan import BuildPlan
    from warmbuild.run_context import RunContext

OWN = "https://github.com/me/app.git"


def planned(inputs: Inputs, context: RunContext = PUSH) -> BuildPlan:
    return plans.planned(inputs, context)


@pytest.mark.parametrize(
    ("context", "values", "push", "load"),
    [
        pytest.param(PUSH, {}, True, False, id="CI pushes"),
        pytest.param(PUSH, {"push": "false"}, False, False, id="CI with push: false"),
        pytest.param(FORK, {}, False, False, id="untrusted code does not push"),
        pytest.param(FORK, {"push": "true"}, True, False, id="untrusted code with push: true"),
        pytest.param(LOCAL, {}, False, True, id="a laptop loads"),
        pytest.param(LOCAL, {"load": "false"}, False, False, id="a laptop with load: false"),
        pytest.param(LOCAL, {"push": "true"}, True, False, id="a laptop that pushes"),
        pytest.param(
            LOCAL, {"platforms": "linux/a,linux/b"}, False, False, id="two platforms do not load"
        ),
    ],
)
def test_where_the_image_goes(
    parsed: Callable[..., Inputs],
    context: RunContext,
    values: dict[str, str],
    push: bool,  # noqa: FBT001
    load: bool,  # noqa: FBT001
) -> None:
    found = planned(parsed(**values), context)
    assert (found.push, found.load) == (push, load)


@pytest.mark.parametrize(
    ("context", "given", "push", "load", "notes"),
    [
        pytest.param(
            PUSH,
            {},
            False,
            False,
            [
                (
                    "the image is not pushed: outputs says where the result goes; "
                    "push: true pushes it as well"
                )
            ],
            id="outputs alone",
        ),
        pytest.param(
            LOCAL, {"load": "true", "push": "true"}, True, True, [], id="outputs, push and load"
        ),
    ],
)
def test_an_output_of_the_users_own(
    parsed: Callable[..., Inputs],
    context: RunContext,
    given: dict[str, str],
    push: bool,  # noqa: FBT001
    load: bool,  # noqa: FBT001
    notes: list[str],
) -> None:
    found = planned(parsed(outputs="type=local,dest=out", **given), context)
    assert (found.push, found.load, found.outputs) == (push, load, ("type=local,dest=out",))
    assert list(found.notes) == ["tagged by the branch", *notes]


@pytest.mark.parametrize(
    ("context", "given", "load", "cache"),
    [
        pytest.param(PUSH, {}, False, None, id="a push"),
        pytest.param(LOCAL, {}, False, None, id="a local run"),
        pytest.param(LOCAL, {"load": "true"}, True, None, id="a load"),
        pytest.param(
            PUSH,
            {"cache_repository": "r.io/cache"},
            False,
            "r.io/cache:cache-feature",
            id="a cache",
        ),
    ],
)
def test_an_image_without_a_name_is_built_and_not_pushed(
    parsed: Callable[..., Inputs],
    context: RunContext,
    given: dict[str, str],
    load: bool,  # noqa: FBT001
    cache: str | None,
) -> None:
    found = planned(parsed(image="", **given), context)
    assert (found.push, found.load, found.tags) == (False, load, ())
    assert found.notes == ("the image is not pushed: it has no name; image or tags gives it one",)
    written = found.cache.write
    assert (str(written.ref) if written else None) == cache
    without = "no cache is read or written: neither an image nor cache-repository is given"
    assert (without in found.cache.notes) is (cache is None)


def test_an_inline_cache_may_be_pushed_by_an_output(parsed: Callable[..., Inputs]) -> None:
    for outputs, is_written in (
        ("type=registry", True),
        ("type=image,push=true", True),
        ("type=image", False),
    ):
        inputs = parsed(cache_backend="inline", outputs=outputs)
        assert (planned(inputs).cache.write is not None) is is_written


def test_a_call_that_makes_no_image_is_one_part_and_reads_no_cache(
    parsed: Callable[..., Inputs],
) -> None:
    asked = planned(parsed(call="check", cache_backend="inline", cache_stages="a", refresh="true"))
    assert calls.parts([asked]) == ((asked,),)
    assert asked.cache.asked == ()
    assert asked.notes == ("no image is made, and no cache is read or written: call is check",)


def test_every_decision_has_its_reason(parsed: Callable[..., Inputs]) -> None:
    assert planned(parsed(), LOCAL).notes == (
        "tagged by the branch",
        "the image is not pushed: this is a local run; push: true pushes it",
        "the image is loaded into the engine, because it is not pushed",
    )
    assert planned(parsed(), FORK).notes[1] == (
        "the image is not pushed: the code comes from a fork; push: true pushes it"
    )


@pytest.mark.parametrize(
    ("values", "run", "expected"),
    [
        pytest.param(
            {"context": OWN},
            {},
            (Secret(id="GIT_AUTH_TOKEN.github.com", value="t"),),
            id="a git context of the repository itself",
        ),
        pytest.param({"context": OWN}, {"trust": trust.FORK}, (), id="untrusted"),
        pytest.param({"context": "https://evil.com/app.git"}, {}, (), id="elsewhere"),
        pytest.param({"context": "https://github.com/evil/app"}, {}, (), id="another repository"),
        pytest.param({"context": "."}, {}, (), id="a directory"),
        pytest.param({"context": OWN}, {"server": ""}, (), id="no server"),
        pytest.param(
            {"context": OWN, "secrets": "GIT_AUTH_TOKEN=mine"},
            {},
            (Secret(id="GIT_AUTH_TOKEN", value="mine"),),
            id="the user's own",
        ),
    ],
)
def test_the_token_goes_to_its_own_repository_alone(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    run: dict[str, Any],
    expected: tuple[Secret, ...],
) -> None:
    there = replace(PUSH, server="github.com", git_context=f"{OWN}#main")
    found = planned(parsed(github_token="t", **values), replace(there, **run))
    assert found.secrets == expected


@pytest.mark.parametrize(
    ("context", "remote"),
    [
        (".", False),
        ("services/api", False),
        ("https://github.com/me/app.git#main", True),
        ("git@github.com:me/app.git", True),
        ("github.com/me/app", True),
    ],
)
def test_which_contexts_are_remote(context: str, remote: bool) -> None:  # noqa: FBT001
    assert build_context.is_remote(context) is remote


def test_an_inline_cache_goes_with_its_image(parsed: Callable[..., Inputs]) -> None:
    values = {"cache_backend": "inline", "cache_stages": "build", "cache_history": "2"}
    assert planned(parsed(**values)).cache.write is not None
    unpushed = planned(parsed(push="false", **values)).cache
    assert (unpushed.write, unpushed.stages, unpushed.history) == (None, (), ())
    assert unpushed.notes == (
        "no cache is written: an inline cache is pushed with its image, which is not pushed",
    )
    assert len(unpushed.read) == 6
    # A run that writes no cache anyway keeps its own reason.
    assert planned(parsed(push="false", cache="read-only", **values)).cache.notes == (
        "no cache is written: cache is read-only",
    )
    assert planned(parsed(push="false", cache_history="2")).cache.write is not None


@pytest.mark.parametrize(
    ("values", "stale", "expected"),
    [
        pytest.param({}, False, (False, False), id="a fresh cache"),
        pytest.param({}, True, (True, True), id="a cache that is too old"),
        pytest.param({"pull": "true"}, False, (True, False), id="new bases alone"),
        pytest.param({"no_cache": "true"}, False, (False, True), id="no cache alone"),
        pytest.param({"refresh": "true"}, False, (True, True), id="a refresh"),
        pytest.param(
            {"refresh": "true", "cache": "off"}, False, (True, True), id="a refresh without a cache"
        ),
    ],
)
def test_a_stale_cache_is_kept_from_the_builder_too(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    stale: bool,  # noqa: FBT001
    expected: tuple[bool, bool],
) -> None:
    decided = planned(parsed(**values))
    settled = making.with_cache(decided, replace(decided.cache, stale=decided.cache.stale or stale))
    assert (settled.pull, settled.no_cache) == expected
    assert settled.cache.stale is (stale or "refresh" in values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"image": "a.io/x\nb.io/y"}, "a.io/x"),
        ({"image": "", "tags": "c.io/z:1,d.io/z:2"}, "c.io/z"),
        ({"image": "", "push": "false"}, None),
    ],
)
def test_the_cache_goes_to_the_first_images_repository(
    parsed: Callable[..., Inputs], values: dict[str, str], expected: str | None
) -> None:
    found = naming.repository(parsed(**values))
    assert (found and str(found)) == expected


def test_an_image_that_no_rule_names(parsed: Callable[..., Inputs]) -> None:
    release = "type=semver,pattern={{version}}"
    found = planned(parsed(tags=release))
    assert (found.tags, found.push) == ((), False)
    assert "the image is not pushed: no tag rule applies to this run" in found.notes
    assert planned(parsed(tags=release), replace(PUSH, branch="", tag="v1.2.3")).push
    assert not planned(parsed(tags=release, push="false")).push
    with pytest.raises(
        InputError, match="no tag rule applies to this run, and an image without a name cannot"
    ):
        planned(parsed(tags=release, push="true"))
    # A reference beside the rule is a name.
    assert planned(parsed(tags=f"{release}\nghcr.io/me/app:x", push="true")).push


@pytest.mark.parametrize(
    ("values", "is_refused"),
    [
        ({"load": "true"}, True),
        ({"outputs": "type=docker,name=app"}, True),
        ({"outputs": "type=docker,dest=app.tar"}, False),
        ({"outputs": "type=local,dest=out"}, False),
        ({"load": "true", "call": "check"}, False),
        ({"load": "true", "platforms": "linux/arm64"}, False),
    ],
)
def test_a_graph_driver_loads_one_platform(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    is_refused: bool,  # noqa: FBT001
) -> None:
    asked = parsed(**{"platforms": "linux/amd64,linux/arm64", **values})
    assert planned(asked).loads_several is is_refused
    if not is_refused:
        plans.planned(asked, PUSH, has_image_store=False)
        return
    with pytest.raises(InputError, match="platforms: 2 are given, but the engine loads one"):
        plans.planned(asked, PUSH, has_image_store=False)


def test_a_graph_driver_builds_for_one_platform(parsed: Callable[..., Inputs]) -> None:
    both = parsed(driver="docker", platforms="linux/amd64,linux/arm64")
    with pytest.raises(InputError, match="platforms: 2 are given, but the driver docker"):
        plans.planned(both, PUSH, has_image_store=False)
    one = plans.planned(
        parsed(driver="docker", platforms="linux/arm64"), PUSH, has_image_store=False
    )
    assert one.platforms == ("linux/arm64",)
