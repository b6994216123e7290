"""Which parts of inputs are paths, and how they are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warmbuild.inputs import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbuild.inputs.paths import Named
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
UNTOUCHED = [
    pytest.param("context", "https://example.com/P", id="a URL"),
    pytest.param("context", "{{defaultContext}}:P", id="below the default context"),
    pytest.param("build_contexts", "base=docker-image://P", id="an image"),
    pytest.param("build_contexts", "base=target:P", id="a target"),
    pytest.param("outputs", "-", id="standard output"),
    pytest.param("outputs", "type=tar,dest=-", id="standard output by its attribute"),
    pytest.param("outputs", "type=image,name=P", id="an image's name"),
    pytest.param("cache_from", "P", id="a cache's ref"),
    pytest.param("build_args", "A=P", id="a build argument"),
    pytest.param("labels", "a=P", id="a label"),
]


def put(text: str, path: str) -> str:
    return text.replace("P", path)


def moved(one: Named) -> str:
    return f"/there{one.path}"


@pytest.mark.parametrize(
    ("name", "text", "is_written"),
    [
        *(pytest.param(*row.values, False, id=f"read: {row.id}") for row in READ),
        *(pytest.param(*row.values, True, id=f"written: {row.id}") for row in WRITTEN),
    ],
)
def test_a_path_is_named_and_replaced(
    parsed: Callable[..., Inputs],
    name: str,
    text: str,
    is_written: bool,  # noqa: FBT001
) -> None:
    given = parsed(**{name: put(text, "/here")})
    assert [
        (one.name, one.path, one.is_written) for one in paths.named(given) if one.path != "."
    ] == [(name.replace("_", "-"), "/here", is_written)]
    expected = parsed(**{name: put(text, "/there/here")})
    assert paths.changed(given, moved) == expected


@pytest.mark.parametrize(("name", "text"), UNTOUCHED)
def test_anything_else_stays(parsed: Callable[..., Inputs], name: str, text: str) -> None:
    given = parsed(**{name: put(text, "ghcr.io/here")})
    assert paths.named(given) == ()
    assert paths.changed(given, moved) == given


def test_the_cache_directory_is_written(parsed: Callable[..., Inputs]) -> None:
    given = parsed(cache_backend="local", cache_dir="/here")
    assert paths.changed(given, moved).cache_dir == "/there/here"
    assert [one.is_written for one in paths.named(given)] == [True]


def test_each_key_of_an_agent_is_a_path(parsed: Callable[..., Inputs]) -> None:
    given = parsed(ssh='"default=/a"\ndefault')
    assert paths.changed(given, moved).passed.ssh == ("default=/there/a", "default")


def test_a_path_with_a_comma_stays_one(parsed: Callable[..., Inputs]) -> None:
    given = parsed(outputs='type=tar,"dest=/a,b"')
    assert paths.changed(given, moved).outputs == ('type=tar,"dest=/there/a,b"',)


def test_the_dockerfile_of_a_remote_context_is_its_own(parsed: Callable[..., Inputs]) -> None:
    given = parsed(context="https://example.com/shop.git", file="/docker/Dockerfile")
    assert paths.named(given) == ()
