"""Which parts of a target are paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.bake import target_paths
from warmbuild.bake.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

OBJECTS = {
    "context": "/a",
    "dockerfile": "/a/Dockerfile",
    "contexts": {"base": "oci-layout:///b", "image": "docker-image://alpine"},
    "output": [{"type": "local", "dest": "/c"}, {"type": "image", "name": "/no"}],
    "cache-from": [{"type": "local", "src": "/d"}, {"type": "registry", "ref": "a/b"}],
    "cache-to": [{"type": "local", "dest": "/e"}],
    "secret": [{"id": "key", "src": "/f"}, {"id": "TOKEN"}],
    "ssh": [{"id": "default", "paths": ["/g", "/h"]}, {"id": "agent"}],
    "args": {"A": "/no"},
}
TEXTS = {
    "context": "cwd:///a",
    "output": ["type=oci,dest=/c"],
    "cache-to": ["type=local,dest=/e"],
    "secret": ["id=key,src=/f"],
    "ssh": ["default=/g,/h", "default"],
}


def target(definition: Mapping[str, object]) -> Target:
    return Target(name="web", definition=dict(definition), linked=False)


@pytest.mark.parametrize(
    ("definition", "read", "written"),
    [
        pytest.param(
            OBJECTS,
            ["/a", "/a/Dockerfile", "/b", "/d", "/f", "/g", "/h"],
            ["/c", "/e"],
            id="objects",
        ),
        pytest.param(TEXTS, ["/a", "/f", "/g", "/h"], ["/c", "/e"], id="texts"),
    ],
)
def test_every_path_is_named(
    definition: Mapping[str, object], read: list[str], written: list[str]
) -> None:
    found = list(target_paths.named(target(definition), "bake-files"))
    assert {one.name for one in found} == {"bake-files"}
    assert sorted(one.path for one in found if not one.is_written) == read
    assert sorted(one.path for one in found if one.is_written) == written


@pytest.mark.parametrize("file", ["Dockerfile", "docker/Dockerfile"])
def test_a_dockerfile_in_its_context_is_below_it(file: str) -> None:
    found = target_paths.named(target({"context": "/a", "dockerfile": file}), "bake-files")
    assert [one.path for one in found] == ["/a"]
