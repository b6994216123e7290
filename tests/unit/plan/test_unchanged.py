from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.plans import planned
from tests.runs import FORK, PUSH
from warmbuild.plan import unchanged
from warmbuild.record.recipe import Recipe
from warmbuild.record.record import Image, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs
    from warmbuild.run_context import RunContext

NOW = datetime(2026, 1, 9, tzinfo=UTC)
RECORD = Record(
    salt=b"",
    made=NOW - timedelta(days=8),
    recipe=Recipe(steps=(), image={}),
    ran={},
    files={},
    image=Image(digest=f"sha256:{'0' * 64}", repositories=("ghcr.io/me/app",)),
)


@pytest.mark.parametrize(
    ("values", "run", "why"),
    [
        pytest.param({}, PUSH, "", id="a push"),
        pytest.param({"compression": "zstd"}, PUSH, "", id="another compression"),
        pytest.param({"pull": "true"}, PUSH, "", id="newer base images"),
        pytest.param({"call": "check"}, PUSH, "no image is made", id="a question"),
        pytest.param({"push": "true"}, FORK, "the code comes from a fork", id="a fork's push"),
        pytest.param({}, FORK, "the image is not pushed", id="a fork"),
        pytest.param({"push": "false"}, PUSH, "the image is not pushed", id="no push"),
        pytest.param({"load": "true"}, PUSH, "the engine gets the image too", id="a load"),
        pytest.param(
            {"outputs": "type=local,dest=out", "push": "true"},
            PUSH,
            "outputs says where the result goes",
            id="files",
        ),
        pytest.param(
            {"cleanup": "false"}, PUSH, "later steps may use the builder", id="a builder that stays"
        ),
        *(
            pytest.param({name: value}, PUSH, "steps have to run without a cache", id=name)
            for name, value in (
                ("no_cache", "true"),
                ("no_cache_filters", "a"),
                ("refresh", "true"),
            )
        ),
        *(
            pytest.param({name: "a/b"}, PUSH, "cache-from or cache-to is given", id=name)
            for name in ("cache_from", "cache_to")
        ),
        pytest.param(
            {"cache": "off"}, PUSH, "there is no cache that may be read", id="without a cache"
        ),
        pytest.param({"cache_max_age": "7d"}, PUSH, "", id="a cache of a known age"),
    ],
)
def test_what_has_to_be_built_whatever_it_is_made_of(
    parsed: Callable[..., Inputs], values: dict[str, str], run: RunContext, why: str
) -> None:
    inputs = parsed(**values)
    assert unchanged.why_not(planned(inputs, run), inputs.outputs) == why


@pytest.mark.parametrize(
    ("values", "made", "why"),
    [
        pytest.param({}, RECORD, "", id="an image"),
        pytest.param({}, replace(RECORD, image=Image(digest="x")), "pushed no image", id="none"),
        pytest.param(
            {"image": "ghcr.io/me/app\nghcr.io/me/more"},
            RECORD,
            "did not push its image to the repository of ghcr.io/me/more:feature",
            id="another repository",
        ),
        pytest.param(
            {"cache_max_age": "7d"},
            RECORD,
            "is 8 days old, more than cache-max-age allows",
            id="an old image",
        ),
        pytest.param({"cache_max_age": "8d"}, RECORD, "", id="an image that is not too old"),
    ],
)
def test_which_image_cannot_be_taken(
    parsed: Callable[..., Inputs], values: dict[str, str], made: Record, why: str
) -> None:
    assert unchanged.why_not_of(planned(parsed(**values), PUSH), made, NOW) == why
