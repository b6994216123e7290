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
            CachePlan(packing=("a=b",), lazy=True, repacks=True),
            ("compression=estargz", "force-compression=true"),
            id="all layers",
        ),
        pytest.param(
            CachePlan(packing=("a=b",), lazy=True), ("compression=zstd",), id="beside an image"
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
    ("given", "is_image", "outputs"),
    [
        pytest.param((), True, ("type=image,a=b",), id="an image"),
        pytest.param((), False, (), id="no image"),
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
    is_image: bool,  # noqa: FBT001
    outputs: tuple[str, ...],
) -> None:
    assert packing.of_outputs(given, ("a=b",), is_image=is_image) == outputs
    assert packing.of_outputs(given, (), is_image=is_image) == given


@pytest.mark.parametrize(
    ("read", "expected"),
    [((), False), ((LAZY,), True), ((LAZY, PACKED), True), ((PACKED,), False), ((UNASKED,), False)],
)
def test_what_is_read_is_lazy_in_a_part(
    read: tuple[CacheRef, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    assert packing.has_lazy(CachePlan(read=read)) is expected


@pytest.mark.parametrize(
    ("plan", "output"),
    [
        (CachePlan(), "type=cacheonly"),
        (CachePlan(lazy=True, repacks=True), "type=cacheonly"),
        (CachePlan(lazy=True), "type=image,compression=estargz"),
    ],
)
def test_an_export_alone_packs_lazy_layers_first(plan: CachePlan, output: str) -> None:
    assert packing.of_export_alone(plan) == output
