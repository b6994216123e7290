from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from warmbuild import plan
from warmbuild.context import RunContext
from warmbuild.inputs import Secret
from warmbuild.policy import CachePlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs import Inputs

PUSH = RunContext(ci="github", event="push", branch="feature/x", default_branch="main")
LOCAL = replace(PUSH, ci="local")
FORK = replace(PUSH, pull_request=7, fork=True, untrusted="the code comes from a fork")


def make(inputs: Inputs, context: RunContext) -> plan.BuildPlan:
    return plan.make(inputs, context, CachePlan())


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
    assert plan.is_remote(context) is remote
