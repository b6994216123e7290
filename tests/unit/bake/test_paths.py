"""Which parts of a target are paths, and how they are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.bake import paths
from warmbuild.bake.targets import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warmbuild.inputs.paths import Named

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
    "output": ["type=oci,dest=/c", "/x"],
    "cache-to": ["type=local,dest=/e"],
    "secret": ["id=key,src=/f"],
    "ssh": ["default=/g,/h", "default"],
}


def moved(one: Named) -> str:
    return f"/there{one.path}"


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
        pytest.param(TEXTS, ["/a", "/f", "/g", "/h"], ["/c", "/e", "/x"], id="texts"),
    ],
)
def test_every_path_is_named(
    definition: Mapping[str, object], read: list[str], written: list[str]
) -> None:
    found = paths.named(target(definition), "bake-files")
    assert {one.name for one in found} == {"bake-files"}
    assert sorted(one.path for one in found if not one.is_written) == read
    assert sorted(one.path for one in found if one.is_written) == written


def test_every_path_is_replaced() -> None:
    assert paths.changed(target(OBJECTS), moved, "bake-files").definition == {
        "context": "/there/a",
        "dockerfile": "/there/a/Dockerfile",
        "contexts": {"base": "oci-layout:///there/b", "image": "docker-image://alpine"},
        "output": [{"type": "local", "dest": "/there/c"}, {"type": "image", "name": "/no"}],
        "cache-from": [{"type": "local", "src": "/there/d"}, {"type": "registry", "ref": "a/b"}],
        "cache-to": [{"type": "local", "dest": "/there/e"}],
        "secret": [{"id": "key", "src": "/there/f"}, {"id": "TOKEN"}],
        "ssh": [{"id": "default", "paths": ["/there/g", "/there/h"]}, {"id": "agent"}],
        "args": {"A": "/no"},
    }
    assert paths.changed(target(TEXTS), moved, "bake-files").definition == {
        "context": "cwd:///there/a",
        "output": ["type=oci,dest=/there/c", "/there/x"],
        "cache-to": ["type=local,dest=/there/e"],
        "secret": ["id=key,src=/there/f"],
        "ssh": ["default=/there/g,/there/h", "default"],
    }


@pytest.mark.parametrize("file", ["Dockerfile", "docker/Dockerfile"])
def test_a_dockerfile_in_its_context_has_no_path_of_its_own(file: str) -> None:
    found = target({"context": "/a", "dockerfile": file})
    assert paths.changed(found, moved, "bake-files").definition["dockerfile"] == file
