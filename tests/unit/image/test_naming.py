from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from warmbuild.errors import InputError
from warmbuild.run_context import Project, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

PUSH = RunContext(
    ci="github",
    event="push",
    branch="x",
    default_branch="main",
    project=Project(title="app"),
)
TITLE = "org.opencontainers.image.title=app"
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
def test_rules_are_asked_for_in_one_place(
    parsed: Callable[..., Inputs],
    values: dict[str, str],
    tags: tuple[str, ...],
    by_rule: bool,  # noqa: FBT001
) -> None:
    decided = planned(parsed(**values), PUSH)
    assert decided.tags == tags
    assert (TITLE in decided.labels) is by_rule


def test_rules_need_an_image(parsed: Callable[..., Inputs]) -> None:
    with pytest.raises(InputError, match="there are rules for names, and there is no image to tag"):
        parsed(image="", tags=f"type=sha\n{FULL}")
