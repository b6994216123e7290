from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.plan import laziness
from warmbuild.project import dockerfile

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

ZSTD = "type=registry,name=a,compression=zstd"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param({}, "", id="a builder of this run"),
        pytest.param({"driver": "kubernetes"}, "", id="in a cluster"),
        pytest.param(
            {"driver": "remote", "endpoint": "tcp://a:1"},
            "the daemon at tcp://a:1 is started elsewhere",
            id="a daemon that runs",
        ),
        pytest.param(
            {"name": "mine"},
            "the builder mine may outlive this run, which packed layers do not",
            id="a builder that may stay",
        ),
        pytest.param(
            {"cache_to": "type=registry,ref=a/b"},
            "only the caches that warmbuild chooses are written as eStargz",
            id="a cache of the user's own",
        ),
        pytest.param(
            {
                "platforms": "linux/amd64,linux/arm64",
                "append": "- endpoint: ssh://arm\n  platforms: linux/arm64",
            },
            "each node of the builder exports its cache after the image",
            id="a node for each platform",
        ),
        pytest.param(
            {"reproducible": "true"},
            "reproducible is on, which rewrites the layers of the image, and so unpacks them",
            id="the same digest each time",
        ),
        pytest.param(
            {"outputs": "type=local,dest=out"},
            "outputs makes no image, or packs one as zstd",
            id="files alone",
        ),
        pytest.param(
            {"outputs": ZSTD},
            "outputs makes no image, or packs one as zstd",
            id="zstd alone",
        ),
        pytest.param(
            {"outputs": f"type=docker\n{ZSTD}"},
            "outputs makes no image, or packs one as zstd",
            id="zstd and another",
        ),
        pytest.param({"outputs": "type=docker\ntype=local,dest=out"}, "", id="files and an image"),
        pytest.param(
            {"buildkitd_flags": "--oci-worker-snapshotter=native"},
            "buildkitd-flags names another snapshotter",
            id="a snapshotter of the user's own",
        ),
        pytest.param({"buildkitd_flags": "--oci-worker-snapshotter=stargz"}, "", id="the same one"),
    ],
)
def test_layers_stay_packed_if_nothing_needs_them_later(
    parsed: Callable[..., Inputs], values: dict[str, str], why: str
) -> None:
    assert laziness.why_not(parsed(lazy="true", **values)) == why


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("FROM a\nRUN b", ""),
        ("FROM a AS b\nRUN c\nFROM b", ""),
        ("FROM a\nCOPY --from=nginx /b /", ""),
        ("FROM a AS b\nFROM c\nCOPY --from=b /d /", ""),
        ("FROM a AS unused\nRUN b\nFROM c", ""),
        ("FROM a AS b\nRUN c\nFROM d\nCOPY --from=b /e /", "b"),
        ("FROM a\nRUN c\nFROM d\nRUN --mount=from=0,target=/e true", "0"),
        (
            "FROM a AS b\nRUN c\nFROM a AS d\nRUN e\nFROM d\nCOPY --from=b / /\nCOPY --from=d / /",
            "b",
        ),
    ],
)
def test_stages_beside_the_one_that_is_built_do_not_stay_packed(text: str, apart: str) -> None:
    file = dockerfile.parse(text, {})
    built = dockerfile.built_stage(file, "")
    assert built
    why = f"files are copied or mounted from {apart}, whose steps would be lost from the cache"
    assert laziness.stages_apart(file, built) == (why if apart else "")
