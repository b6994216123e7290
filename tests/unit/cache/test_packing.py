from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.caches import FEATURE
from warmbuild.backends import BACKENDS
from warmbuild.cache import packing
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

LAZY = CacheRef(ref=FEATURE, reason="", found=Found("sha256:1", lazy=True))
PACKED = CacheRef(ref=FEATURE, reason="", found=Found("sha256:2"))
UNASKED = CacheRef(ref=FEATURE, reason="")


@pytest.mark.parametrize(
    ("plan", "attributes"),
    [
        pytest.param(CachePlan(), (), id="as BuildKit does it"),
        pytest.param(CachePlan(packing=("a=b",)), ("a=b",), id="new layers alone"),
        pytest.param(
            CachePlan(packing=("a=b",), repacks=True),
            ("a=b", "force-compression=true"),
            id="all layers",
        ),
        pytest.param(
            CachePlan(packing=("a=b",), backend=BACKENDS["gha"]), (), id="one without a choice"
        ),
    ],
)
def test_how_a_cache_is_packed(plan: CachePlan, attributes: tuple[str, ...]) -> None:
    assert packing.of_cache(plan) == attributes


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        ({}, ()),
        ({"compression": "zstd"}, ("compression=zstd",)),
        ({"compression": "gzip:1"}, ("compression=gzip", "compression-level=1")),
        ({"lazy": "true"}, ("compression=estargz",)),
    ],
)
def test_what_the_inputs_ask_for(
    parsed: Callable[..., Inputs], values: dict[str, str], attributes: tuple[str, ...]
) -> None:
    assert packing.of_inputs(parsed(**values)) == attributes


@pytest.mark.parametrize(
    ("given", "push", "outputs"),
    [
        pytest.param((), True, ("type=image,a=b",), id="what is pushed"),
        pytest.param((), False, (), id="what is not pushed"),
        pytest.param(
            ("type=registry,name=a", "type=image", "type=oci,dest=a.tar", '"type=image"'),
            True,
            (
                "type=registry,name=a,a=b",
                "type=image,a=b",
                "type=oci,dest=a.tar,a=b",
                '"type=image",a=b',
            ),
            id="outputs of the user's own",
        ),
        pytest.param(
            ("type=image,compression=zstd", "type=local,dest=.", "type=docker", "dir"),
            False,
            ("type=image,compression=zstd", "type=local,dest=.", "type=docker", "dir"),
            id="outputs that choose, or have no layers",
        ),
    ],
)
def test_new_layers_are_packed_once(
    given: tuple[str, ...],
    push: bool,  # noqa: FBT001
    outputs: tuple[str, ...],
) -> None:
    assert packing.of_outputs(given, ("a=b",), push=push) == outputs
    assert packing.of_outputs(given, (), push=push) == given


@pytest.mark.parametrize(
    ("read", "expected"),
    [((), False), ((LAZY,), True), ((LAZY, PACKED), False), ((UNASKED,), False)],
)
def test_what_is_read_is_lazy_as_a_whole(
    read: tuple[CacheRef, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    assert packing.all_lazy(CachePlan(read=read)) is expected
