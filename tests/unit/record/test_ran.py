from __future__ import annotations

import pytest

from warmbuild.buildkit.progress import Step as Told
from warmbuild.record import ran
from warmbuild.record.recipe import Recipe, Step

MADE = Recipe(
    steps=(Step(stage="web", position=1, line=2, title="RUN a", parts={}, total=2),), image={}
)


@pytest.mark.parametrize(
    ("prefix", "position", "has_more"),
    [
        pytest.param("web", "3/3", False, id="upon an image"),
        pytest.param("linux/arm64 web", "1/2", False, id="upon a stage"),
        pytest.param("web", "2/4", True, id="an instruction of the base image"),
        pytest.param("", "2/2", True, id="such an instruction in a stage without steps"),
        pytest.param("other", "1/1", False, id="a step of the base alone"),
    ],
)
def test_instructions_of_base_images_are_noticed(
    prefix: str, position: str, *, has_more: bool
) -> None:
    told = Told(
        prefix=prefix, position=position, instruction="RUN", cached=True, seconds=None, error=""
    )
    assert ran.has_more([told], MADE) is has_more
