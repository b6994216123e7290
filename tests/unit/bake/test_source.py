from __future__ import annotations

import pytest

from tests.runs import LOCAL, PUSH
from warmbuild.bake import source
from warmbuild.bake.source import Source
from warmbuild.bake.targets import Target

URL = "https://github.com/me/app.git#abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", Source(), id="the current directory by default"),
        pytest.param(".", Source(), id="the current directory"),
        pytest.param("./sub/", Source(directory="sub"), id="a directory"),
        pytest.param("/srv", Source(directory="/srv"), id="a directory elsewhere"),
        pytest.param("{{defaultContext}}:sub", Source(directory="sub"), id="without a git context"),
        pytest.param(URL, Source(url=URL), id="a repository"),
        pytest.param("git@r.io:a", Source(url="git@r.io:a"), id="a repository over SSH"),
    ],
)
def test_a_source_is_a_directory_or_a_repository(text: str, expected: Source) -> None:
    assert source.of(text, LOCAL) == expected


@pytest.mark.parametrize(
    ("place", "name", "path", "argument"),
    [
        pytest.param(Source(), "b.hcl", "b.hcl", "b.hcl", id="here"),
        pytest.param(Source(), "cwd://b.hcl", "b.hcl", "b.hcl", id="here, and told so"),
        pytest.param(Source(directory="a"), "b.hcl", "a/b.hcl", "b.hcl", id="in a directory"),
        pytest.param(Source(directory="a"), "/b.hcl", "/b.hcl", "/b.hcl", id="elsewhere"),
        pytest.param(Source(url=URL), "b.hcl", "", "b.hcl", id="in a repository"),
        pytest.param(Source(url=URL), "cwd://b.hcl", "b.hcl", "cwd://b.hcl", id="beside it"),
    ],
)
def test_a_definition_has_a_path_and_a_name_for_buildx(
    place: Source, name: str, path: str, argument: str
) -> None:
    assert (place.path(name), place.argument(name)) == (path, argument)


DEFINITION: dict[str, object] = {
    "context": ".",
    "contexts": {
        "a": "a",
        "b": "target:b",
        "c": "docker-image://c",
        "d": "cwd://d",
        "e": "https://example.com/e.git",
        "f": "oci-layout://f:1",
        "g": "/g",
    },
    "dockerfile": "Dockerfile",
    "secret": [{"id": "x", "src": "key"}, {"id": "y", "env": "Y"}],
    "ssh": [{"id": "default"}, {"id": "k", "paths": ["id"]}, "default", "z=id"],
    "output": [{"type": "local", "dest": "out"}, {"type": "tar", "dest": "-"}, "type=oci,dest=o"],
    "cache-from": [{"type": "local", "src": "cache"}, {"type": "registry", "ref": "r.io/a"}],
    "cache-to": [{"type": "local", "dest": "cache"}],
    "args": {"A": "a"},
}


def target(**changed: object) -> Target:
    return Target(name="web", definition=DEFINITION | changed, linked=False)


def test_paths_are_those_of_the_current_directory() -> None:
    assert source.rebased(target(), Source()) == target()
    found = source.rebased(target(), Source(directory="sub")).definition
    assert found == {
        "context": "sub/.",
        "contexts": {
            "a": "sub/a",
            "b": "target:b",
            "c": "docker-image://c",
            "d": "cwd://sub/d",
            "e": "https://example.com/e.git",
            "f": "oci-layout://sub/f:1",
            "g": "/g",
        },
        "dockerfile": "Dockerfile",
        "secret": [{"id": "x", "src": "sub/key"}, {"id": "y", "env": "Y"}],
        "ssh": [{"id": "default"}, {"id": "k", "paths": ["sub/id"]}, "default", "z=sub/id"],
        "output": [
            {"type": "local", "dest": "sub/out"},
            {"type": "tar", "dest": "-"},
            "type=oci,dest=sub/o",
        ],
        "cache-from": [
            {"type": "local", "src": "sub/cache"},
            {"type": "registry", "ref": "r.io/a"},
        ],
        "cache-to": [{"type": "local", "dest": "sub/cache"}],
        "args": {"A": "a"},
    }


def test_a_context_may_be_omitted_and_a_dockerfile_beside_it() -> None:
    own = Target(name="web", definition={"dockerfile": "cwd://D"}, linked=False)
    found = source.rebased(own, Source(directory="sub")).definition
    assert found == {"context": "sub/.", "dockerfile": "cwd://sub/D"}


def test_contexts_are_directories_of_the_repository() -> None:
    found = source.rebased(target(context=URL, dockerfile="cwd://D"), Source(url=URL)).definition
    assert found["contexts"] == {
        "a": f"{URL}:a",
        "b": "target:b",
        "c": "docker-image://c",
        "d": "cwd://d",
        "e": "https://example.com/e.git",
        "f": "oci-layout://f:1",
        "g": f"{URL}:/g",
    }
    assert {**found, "contexts": 0} == {**DEFINITION, "context": URL, "dockerfile": "cwd://D"} | {
        "contexts": 0
    }
    bare = Target(name="web", definition={"context": URL}, linked=False)
    assert source.rebased(bare, Source(url=URL)) == bare


def test_the_default_is_the_commit_on_its_server() -> None:
    run = type(PUSH)(ci="github", git_context=URL)
    assert source.of("{{defaultContext}}:sub", run) == Source(url=f"{URL}:sub")
