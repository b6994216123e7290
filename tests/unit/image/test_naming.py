from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import FORK, PUSH, SHOP
from warmbuild import trust
from warmbuild.errors import InputError
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

TITLE = "org.opencontainers.image.title=shop"
FULL = "ghcr.io/a/b:c"


@pytest.mark.parametrize(
    ("values", "tags", "by_rule"),
    [
        pytest.param({"image": "", "images": "r.io/me/app"}, ("r.io/me/app:x",), True, id="images"),
        pytest.param(
            {"image": "", "images": "r.io/me/app", "tags": FULL},
            ("r.io/me/app:x", FULL),
            True,
            id="images and a full reference",
        ),
        pytest.param(
            {"image": "", "images": "r.io/me/app", "tags": f"1,{FULL}"},
            ("r.io/me/app:1", FULL),
            True,
            id="images, a name and a full reference",
        ),
        pytest.param(
            {"image": "r.io/me/app", "flavor": "latest=false", "tags": FULL},
            ("r.io/me/app:x", FULL),
            True,
            id="a flavor and a full reference",
        ),
        pytest.param(
            {"image": "", "flavor": "latest=false", "tags": FULL},
            (FULL,),
            True,
            id="a flavor and no image",
        ),
        pytest.param(
            {"image": "r.io/me/app", "tags": FULL}, (FULL,), False, id="a full reference alone"
        ),
        pytest.param({"image": "r.io/me/app"}, ("r.io/me/app:x",), False, id="an image"),
    ],
)
def test_which_inputs_turn_rules_on(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    tags: tuple[str, ...],
    by_rule: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values), replace(SHOP, branch="x"))
    assert decided.tags == tags
    assert (TITLE in decided.labels) is by_rule


def test_rules_and_references_side_by_side(parsed: Callable[..., Inputs]) -> None:
    given = parsed(tags="# what it is called\ntype=sha\nnightly,weekly\nghcr.io/you/app:1")
    found = planned(given, SHOP)
    assert found.tags == (
        "ghcr.io/me/app:nightly",
        "ghcr.io/me/app:weekly",
        "ghcr.io/me/app:sha-860c190",
        "ghcr.io/you/app:1",
    )
    assert found.version == "nightly"


def test_images_of_metadata_action(parsed: Callable[..., Inputs]) -> None:
    images = "GHCR.io/Me/App\nname=docker.io/me/app\nname=ghcr.io/me/off,enable=false"
    found = planned(parsed(image="", images=images), SHOP)
    assert found.tags == ("ghcr.io/me/app:main", "docker.io/me/app:main")


@pytest.mark.parametrize(
    ("context", "values", "tags"),
    [
        pytest.param(
            replace(PUSH, branch="feature/x"), {}, ["ghcr.io/me/app:feature-x"], id="the branch"
        ),
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
        pytest.param(
            RunContext(ci="local", trust=trust.LOCAL),
            {},
            ["ghcr.io/me/app:latest"],
            id="nothing known",
        ),
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
def test_default_and_full_names(
    parsed: Callable[..., Inputs], context: RunContext, values: dict[str, str], tags: list[str]
) -> None:
    assert list(planned(parsed(**values), context).tags) == tags


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
    found = planned(parsed(), RunContext(ci=ci, commit=commit, trust=trust.TRUSTED))
    assert found.tags == (f"ghcr.io/me/app:{tag}",)


@pytest.mark.parametrize(
    ("values", "context", "tags"),
    [
        ({}, {"branch": "cache-main"}, ["image-cache-main-548f8ab5612dd8e65ec2"]),
        ({}, {"branch": "cache"}, ["cache"]),
        ({}, {"branch": "", "tag": "cache-main"}, ["image-cache-main-548f8ab5612dd8e65ec2"]),
        ({"tags": "type=ref,event=branch"}, {"branch": "cache-x"}, ["image-cache-x-"]),
        ({"tags": "type=raw,value=1,prefix=cache-"}, {}, ["image-cache-1-"]),
        ({"cache_tag_prefix": "build"}, {"branch": "build-x"}, ["image-build-x-"]),
        ({"cache": "off"}, {"branch": "cache-main"}, ["image-cache-main-"]),
    ],
)
def test_no_name_that_a_run_makes_is_a_caches(
    parsed: Callable[..., Inputs], values: dict[str, str], context: dict[str, str], tags: list[str]
) -> None:
    found = planned(parsed(**values), replace(PUSH, **context))  # type: ignore[arg-type]
    assert len(found.tags) == len(tags)
    for name, tag in zip(found.tags, tags, strict=True):
        assert name.startswith(f"ghcr.io/me/app:{tag}")
    is_renamed = any("the tags of caches begin with" in note for note in found.notes)
    assert is_renamed is (tags != ["cache"])


@pytest.mark.parametrize(
    "values",
    [
        {"tags": "cache-main"},
        {"tags": "1\nghcr.io/me/app:cache-main"},
        {"image": "", "tags": "ghcr.io/me/app:cache-main"},
        {"image": "a", "tags": "ghcr.io/me/x:cache-1", "cache_repository": "ghcr.io/me/x"},
    ],
)
def test_a_given_name_that_is_a_caches_is_refused(
    parsed: Callable[..., Inputs], values: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="begins with 'cache-', and such tags are caches"):
        planned(parsed(**values), PUSH)


@pytest.mark.parametrize(
    "values",
    [
        {"tags": "cache-main", "cache_repository": "ghcr.io/me/caches"},
        {"tags": "cache-main", "cache_tag_prefix": "warm-"},
        {"tags": "cache-main", "cache": "off"},
        {"tags": "cache-main", "cache_backend": "local", "cache_dir": "/c"},
        {"image": "a", "tags": "r.io/b:cache-main"},
    ],
)
def test_a_given_name_may_be_like_a_caches_elsewhere(
    parsed: Callable[..., Inputs], values: dict[str, str]
) -> None:
    assert planned(parsed(**values), PUSH).tags[0].endswith(":cache-main") or "image" in values
