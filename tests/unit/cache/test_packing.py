from __future__ import annotations

import pytest

from tests.caches import FEATURE
from warmbuild.cache import packing
from warmbuild.cache.cache_plan import CachePlan, CacheRef
from warmbuild.cache.probe import Found

LAZY = CacheRef(ref=FEATURE, reason="", found=Found("sha256:1", lazy=True))
PACKED = CacheRef(ref=FEATURE, reason="", found=Found("sha256:2"))
UNASKED = CacheRef(ref=FEATURE, reason="")


@pytest.mark.parametrize(
    ("plan", "attributes"),
    [
        pytest.param(CachePlan(), (), id="as BuildKit does it"),
        pytest.param(CachePlan(repacks=True), (), id="nothing is packed again without lazy"),
        pytest.param(CachePlan(lazy=True), ("compression=estargz",), id="new layers alone"),
        pytest.param(
            CachePlan(lazy=True, repacks=True),
            ("compression=estargz", "force-compression=true"),
            id="all layers",
        ),
    ],
)
def test_how_a_cache_is_packed(plan: CachePlan, attributes: tuple[str, ...]) -> None:
    assert packing.of_cache(plan) == attributes


@pytest.mark.parametrize(
    ("given", "push", "outputs"),
    [
        pytest.param((), True, ("type=image,compression=estargz",), id="what is pushed"),
        pytest.param((), False, (), id="what is not pushed"),
        pytest.param(
            ("type=registry,name=a", "type=image", "type=oci,dest=a.tar", '"type=image"'),
            True,
            (
                "type=registry,name=a,compression=estargz",
                "type=image,compression=estargz",
                "type=oci,dest=a.tar,compression=estargz",
                '"type=image",compression=estargz',
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
    assert packing.of_outputs(given, push=push) == outputs


@pytest.mark.parametrize(
    ("read", "expected"),
    [((), False), ((LAZY,), True), ((LAZY, PACKED), False), ((UNASKED,), False)],
)
def test_what_is_read_is_lazy_as_a_whole(
    read: tuple[CacheRef, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    assert packing.all_lazy(CachePlan(read=read)) is expected
