"""Which parts of inputs are paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.inputs import paths
from warmbuild.inputs.paths import Named

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.values import Inputs

# Each place of a path in an input, the path being P.
READ = [
    pytest.param("context", "P", id="the context"),
    pytest.param("file", "P", id="the Dockerfile"),
    pytest.param("build_contexts", "base=P", id="a further context"),
    pytest.param("build_contexts", "base=oci-layout://P", id="an OCI layout"),
    pytest.param("secret_files", "key=P", id="a secret"),
    pytest.param("ssh", "default=P", id="a key for SSH"),
    pytest.param("cache_from", "type=local,src=P", id="a cache that is read"),
    pytest.param("buildkitd_config", "P", id="the daemon's configuration"),
    pytest.param("bake_files", "P", id="a bake file"),
    pytest.param("source", "P", id="the directory of bake files"),
    pytest.param("compose_files", "P", id="a compose file"),
]
WRITTEN = [
    pytest.param("outputs", "P", id="a directory alone"),
    pytest.param("outputs", "type=local,dest=P", id="a directory"),
    pytest.param("outputs", "type=oci,DEST=P,tar=false", id="among other attributes"),
    pytest.param("cache_to", "type=local,mode=max,dest=P", id="a cache that is written"),
    pytest.param("output_file", "P", id="the outputs"),
    pytest.param("summary_file", "P", id="the summary"),
]
OTHERS = [
    pytest.param("context", "https://example.com/P", id="a URL"),
    pytest.param("context", "{{defaultContext}}:P", id="below the default context"),
    pytest.param("build_contexts", "base=docker-image://P", id="an image"),
    pytest.param("build_contexts", "base=target:P", id="a target"),
    pytest.param("outputs", "-", id="standard output"),
    pytest.param("outputs", "type=tar,dest=-", id="standard output by its attribute"),
    pytest.param("outputs", "type=image,name=P", id="an image's name"),
    pytest.param("cache_from", "P", id="a cache's ref"),
    pytest.param("source", "https://P.git", id="a repository of bake files"),
    pytest.param("build_args", "A=P", id="a build argument"),
    pytest.param("labels", "a=P", id="a label"),
]


def put(text: str, path: str) -> str:
    return text.replace("P", path)


@pytest.mark.parametrize(
    ("name", "text", "is_written"),
    [
        *(pytest.param(*row.values, False, id=f"read: {row.id}") for row in READ),
        *(pytest.param(*row.values, True, id=f"written: {row.id}") for row in WRITTEN),
    ],
)
def test_a_path_is_named(
    parsed: Callable[..., Inputs],
    name: str,
    text: str,
    is_written: bool,  # noqa: FBT001
) -> None:
    given = parsed(**{name: put(text, "/here")})
    expected = Named(name=name.replace("_", "-"), path="/here", is_written=is_written)
    assert list(paths.named(given)) == [expected]


@pytest.mark.parametrize(("name", "text"), OTHERS)
def test_anything_else_is_none(parsed: Callable[..., Inputs], name: str, text: str) -> None:
    assert list(paths.named(parsed(**{name: put(text, "ghcr.io/here")}))) == []


def test_the_cache_directory_is_written(parsed: Callable[..., Inputs]) -> None:
    given = parsed(cache_backend="local", cache_dir="/here")
    assert list(paths.named(given)) == [Named(name="cache-dir", path="/here", is_written=True)]


def test_each_key_of_an_agent_is_a_path() -> None:
    assert paths.keys("default=/a,/b") == ["/a", "/b"]


def test_a_path_with_a_comma_is_one(parsed: Callable[..., Inputs]) -> None:
    (found,) = paths.named(parsed(outputs='type=tar,"dest=/a,b"'))
    assert found.path == "/a,b"


def test_the_dockerfile_of_a_remote_context_is_its_own(parsed: Callable[..., Inputs]) -> None:
    given = parsed(context="https://example.com/shop.git", file="/docker/Dockerfile")
    assert list(paths.named(given)) == []


@pytest.mark.parametrize(
    ("source", "file", "expected"),
    [
        pytest.param("sub", "b.hcl", ["sub", "sub/b.hcl"], id="in a directory"),
        pytest.param("sub", "cwd://b.hcl", ["sub", "sub/b.hcl"], id="in a directory, told so"),
        pytest.param("sub", "/b.hcl", ["sub", "/b.hcl"], id="elsewhere"),
        pytest.param("https://a.io/a.git", "b.hcl", [], id="in a repository"),
        pytest.param("https://a.io/a.git", "cwd://b.hcl", ["b.hcl"], id="beside a repository"),
        pytest.param("{{defaultContext}}", "b.hcl", [], id="in the default context"),
    ],
)
def test_definitions_are_where_their_source_is(
    parsed: Callable[..., Inputs], source: str, file: str, expected: list[str]
) -> None:
    given = parsed(source=source, bake_files=file)
    assert [one.path for one in paths.named(given)] == expected
