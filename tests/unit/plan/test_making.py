from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests import plans
from warmbuild.inputs import build_context
from warmbuild.inputs.values import Inputs, Secret
from warmbuild.plan import calls, making
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.cache.cache_plan import Place
    from warmbuild.plan.build_plan import BuildPlan


PUSH = RunContext(ci="github", event="push", branch="feature/x", default_branch="main")
LOCAL = replace(PUSH, ci="local")
FORK = replace(PUSH, pull_request=7, fork=True, untrusted="the code comes from a fork")


def make(inputs: Inputs, context: RunContext) -> BuildPlan:
    return plans.planned(inputs, context)


@pytest.mark.parametrize(
    ("context", "values", "tags"),
    [
        pytest.param(PUSH, {}, ["ghcr.io/me/app:feature-x"], id="the branch"),
        pytest.param(
            replace(PUSH, branch="main"),
            {},
            ["ghcr.io/me/app:main", "ghcr.io/me/app:latest"],
            id="latest on the default branch",
        ),
        pytest.param(
            replace(PUSH, branch="", tag="v1.0"), {}, ["ghcr.io/me/app:v1.0"], id="the git tag"
        ),
        pytest.param(FORK, {}, ["ghcr.io/me/app:pr-7"], id="the pull request's number"),
        pytest.param(RunContext(ci="local"), {}, ["ghcr.io/me/app:latest"], id="nothing known"),
        pytest.param(
            PUSH,
            {"image": "a\nb", "tags": "1,2,r.io/c:3"},
            [
                "docker.io/library/a:1",
                "docker.io/library/a:2",
                "docker.io/library/b:1",
                "docker.io/library/b:2",
                "r.io/c:3",
            ],
            id="names under every image, full references as they are",
        ),
        pytest.param(PUSH, {"image": "", "push": "false"}, [], id="nothing to name"),
    ],
)
def test_tags(
    parsed: Callable[..., Inputs], context: RunContext, values: dict[str, str], tags: list[str]
) -> None:
    assert list(make(parsed(**values), context).tags) == tags


@pytest.mark.parametrize(
    ("context", "values", "push", "load"),
    [
        pytest.param(PUSH, {}, True, False, id="CI pushes"),
        pytest.param(PUSH, {"push": "false"}, False, False, id="CI that is told not to"),
        pytest.param(FORK, {}, False, False, id="untrusted code does not"),
        pytest.param(FORK, {"push": "true"}, True, False, id="untrusted code that is told to"),
        pytest.param(LOCAL, {}, False, True, id="a laptop loads"),
        pytest.param(LOCAL, {"load": "false"}, False, False, id="a laptop that is told not to"),
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
    found = make(parsed(**values), context)
    assert (found.push, found.load) == (push, load)


@pytest.mark.parametrize(
    ("context", "given", "push", "load", "notes"),
    [
        pytest.param(
            PUSH,
            {},
            False,
            False,
            ["the result goes where outputs says; push: true pushes the image as well"],
            id="it is the user who says where",
        ),
        pytest.param(LOCAL, {"load": "true", "push": "true"}, True, True, [], id="and there too"),
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
    found = make(parsed(outputs="type=local,dest=out", **given), context)
    assert (found.push, found.load, found.outputs) == (push, load, ("type=local,dest=out",))
    assert list(found.notes) == ["tagged by the branch", *notes]


def test_an_inline_cache_may_be_pushed_by_an_output(parsed: Callable[..., Inputs]) -> None:
    for outputs, is_written in (
        ("type=registry", True),
        ("type=image,push=true", True),
        ("type=image", False),
    ):
        inputs = parsed(cache_backend="inline", outputs=outputs)
        assert (planned(inputs).cache.write is not None) is is_written


def test_the_parts_of_a_build_with_outputs(parsed: Callable[..., Inputs]) -> None:
    ((image,), (cache,)) = calls.parts([planned(parsed(outputs="type=local,dest=out"))])
    assert (image.outputs, cache.outputs) == (("type=local,dest=out",), ("type=cacheonly",))


def test_a_question_is_one_part_and_reads_no_cache(parsed: Callable[..., Inputs]) -> None:
    asked = planned(parsed(call="check", cache_backend="inline", cache_stages="a", refresh="true"))
    assert calls.parts([asked]) == ((asked,),)
    assert asked.cache.asked == ()
    assert asked.notes == ("no image is made, and no cache is read or written: call is check",)


def test_every_decision_has_its_reason(parsed: Callable[..., Inputs]) -> None:
    assert make(parsed(), LOCAL).notes == (
        "tagged by the branch",
        "the image is not pushed: this is a local run; push: true pushes it",
        "the image is loaded into the engine, since it is not pushed",
    )
    assert make(parsed(), FORK).notes[1] == (
        "the image is not pushed: the code comes from a fork; push: true pushes it"
    )


@pytest.mark.parametrize(
    ("given", "opts"),
    [
        ("", ("image=moby/buildkit:v0.32.2",)),
        ("network=host", ("image=moby/buildkit:v0.32.2", "network=host")),
        ("image=me/buildkit", ("image=me/buildkit",)),
        ("network=host,image=me/buildkit", ("network=host,image=me/buildkit",)),
        ('"image=me/buildkit"', ('"image=me/buildkit"',)),
    ],
)
def test_buildkit_is_pinned_unless_the_user_names_one(
    parsed: Callable[..., Inputs], given: str, opts: tuple[str, ...]
) -> None:
    assert make(parsed(driver_opts=given), PUSH).builder.driver_opts == opts


@pytest.mark.parametrize(
    ("values", "server", "expected"),
    [
        pytest.param(
            {"context": "https://github.com/me/app.git"},
            "github.com",
            (Secret(id="GIT_AUTH_TOKEN.github.com", value="t"),),
            id="a git context on the server that gave the token",
        ),
        pytest.param({"context": "https://evil.com/app.git"}, "github.com", (), id="elsewhere"),
        pytest.param({"context": "."}, "github.com", (), id="a directory"),
        pytest.param({"context": "https://github.com/a"}, "", (), id="no server"),
        pytest.param(
            {"context": "https://github.com/a", "secrets": "GIT_AUTH_TOKEN=mine"},
            "github.com",
            (Secret(id="GIT_AUTH_TOKEN", value="mine"),),
            id="the user's own",
        ),
    ],
)
def test_the_token_goes_to_its_own_server_alone(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    server: str,
    expected: tuple[Secret, ...],
) -> None:
    found = make(parsed(github_token="t", **values), replace(PUSH, server=server))
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
def test_a_remote_context_is_not_looked_for_here(context: str, remote: bool) -> None:  # noqa: FBT001
    assert build_context.is_remote(context) is remote


def planned(inputs: Inputs, context: RunContext = PUSH) -> BuildPlan:
    return plans.planned(inputs, context)


def test_an_inline_cache_goes_with_its_image(parsed: Callable[..., Inputs]) -> None:
    values = {"cache_backend": "inline", "cache_stages": "build", "cache_history": "2"}
    assert planned(parsed(**values)).cache.write is not None
    unpushed = planned(parsed(push="false", **values)).cache
    assert (unpushed.write, unpushed.stages, unpushed.history) == (None, (), ())
    assert unpushed.notes == (
        "no cache is written: an inline cache is pushed with its image, which is not pushed",
    )
    assert len(unpushed.read) == 6
    # What writes nothing anyway has its own reason.
    assert planned(parsed(push="false", cache="read-only", **values)).cache.notes == (
        "no cache is written: cache is read-only",
    )
    assert planned(parsed(push="false", cache_history="2")).cache.write is not None


@pytest.mark.parametrize(
    ("values", "stale", "expected"),
    [
        pytest.param({}, False, (False, False), id="a cache as it should be"),
        pytest.param(
            {}, True, (True, True), id="one that is too old, also on a builder that stays"
        ),
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
        pytest.param({}, ["cache-feature-x", "cache-main"], id="what the build has read"),
        pytest.param({"no_cache_filters": "build"}, [], id="no others' results of what had to run"),
        pytest.param({"no_cache": "true"}, [], id="nothing, as the build"),
    ],
)
def test_the_cache_alone_is_exported_from_the_builder(
    parsed: Callable[..., Inputs], values: dict[str, str], reads: list[str]
) -> None:
    decided = planned(parsed(push="true", load="true", pull="true", target="final", **values))
    found = calls.cache_alone(decided)
    assert [slug(item.ref) for item in found.cache.read] == reads
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


def slug(ref: Place) -> str:
    """Return a ref's tag, without the digits that a slash brings."""
    return re.sub(r"-[0-9a-f]{8}(?=-|$)", "", str(ref).rpartition(":")[2])


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
    assert (dependencies.target, build.target) == ("dependencies", "build")
    for stage in (dependencies, build):
        assert (stage.push, stage.load, stage.tags, stage.outputs) == (True, False, (), ())
        assert stage.attests == ("type=provenance,disabled=true",)
        assert stage.cache.read == decided.cache.read
        assert stage.cache.stages == ()
    assert [slug(item.ref) for item in decided.cache.stages] == [
        "cache-dependencies--feature-x",
        "cache-build--feature-x",
    ]
    assert [stage.cache.write for stage in (dependencies, build)] == list(decided.cache.stages)


def test_without_stages_there_is_nothing_more_to_build(parsed: Callable[..., Inputs]) -> None:
    assert calls.stages(planned(parsed(cache_backend="inline"))) == ()


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
    found = making.repository(parsed(**values))
    assert (found and str(found)) == expected


@pytest.mark.parametrize(
    ("ci", "commit", "tag"),
    [
        pytest.param("github", "0123456789abcdef", "sha-0123456", id="a commit that CI knows"),
        pytest.param("github", "", "latest", id="nothing is known"),
        pytest.param("local", "0123456789abcdef", "latest", id="a laptop"),
    ],
)
def test_a_run_on_no_branch_is_not_the_latest_in_ci(
    parsed: Callable[..., Inputs], ci: str, commit: str, tag: str
) -> None:
    found = planned(parsed(), RunContext(ci=ci, commit=commit))
    assert found.tags == (f"ghcr.io/me/app:{tag}",)
