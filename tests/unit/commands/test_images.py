from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild import ci, process, trust
from warmbuild.bake.targets import Target
from warmbuild.commands import images
from warmbuild.image import tags
from warmbuild.log import Log
from warmbuild.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

PUSH = RunContext(ci="github", event="push", branch="x", default_branch="main", trust=trust.TRUSTED)
FOUND = [
    Target(name=name, definition={"labels": {"for": name}}, linked=False) for name in ("web", "job")
]


@pytest.mark.parametrize("found", [[], FOUND], ids=["one image", "two targets"])
def test_rules_for_tags_are_applied_once_a_run(
    parsed: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch, found: list[Target]
) -> None:
    applied: list[object] = []
    apply = tags.apply

    def counted(*arguments: object) -> object:
        applied.append(arguments)
        return apply(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(tags, "apply", counted)
    monkeypatch.setattr(images, "_read_files", lambda *_arguments: found)
    files = "docker-bake.hcl" if found else ""
    inputs = parsed(tags="type=ref,event=branch", bake_files=files)
    log = Log(ci.named("local"))
    wanted = images.images(inputs, PUSH, {}, process.started, log)
    decided = [images.decide(image) for image in wanted]
    assert len(applied) == 1
    expected = [f"ghcr.io/me/app:{one.name}-x" for one in found] or ["ghcr.io/me/app:x"]
    assert [tag for one in decided for tag in one.tags] == expected


def test_what_the_engine_cannot_do_is_decided_again(parsed: Callable[..., Inputs]) -> None:
    inputs = parsed(driver="docker")
    (image,) = images.images(inputs, PUSH, {}, process.started, Log(ci.named("local")))
    assert images.decide(image).cache.write is not None
    assert images.decide(image, has_image_store=False).cache.write is None
