"""The files that compose files name, however they are written."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbuild.bake import compose_paths
from warmbuild.bake.compose_paths import Named


def variables(*paths: str) -> list[Named]:
    return [Named(path=path, is_compose=False) for path in paths]


def files(*paths: str) -> list[Named]:
    return [Named(path=path, is_compose=True) for path in paths]


def named(text: str) -> list[Named]:
    return sorted(compose_paths.named(text), key=lambda one: one.path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("services: {web: {build: .}}", [], id="none"),
        pytest.param("services: {web: {env_file: .env}}", variables(".env"), id="one"),
        pytest.param(
            "services: {web: {env_file: [a, {path: b, required: false, format: raw}]}}",
            variables("a", "b"),
            id="several",
        ),
        pytest.param("services: {web: {label_file: a}}", variables("a"), id="labels"),
        pytest.param("services: {web: {extends: base}}", [], id="a service of this file"),
        pytest.param(
            "services: {web: {extends: {file: /a, service: b}}}", files("/a"), id="of another file"
        ),
        pytest.param("include: [a, b]", files("a", "b"), id="included files"),
        pytest.param(
            "include: [{path: [a, b], env_file: c}]",
            [*files("a", "b"), *variables("c")],
            id="included files with variables",
        ),
        pytest.param(
            "x: &x {file: a}\nservices: {web: {extends: {<<: *x, service: b}}}",
            files("a"),
            id="a merged mapping",
        ),
        pytest.param("x: &x /a\nservices: {web: {env_file: *x}}", variables("/a"), id="an anchor"),
        pytest.param(
            "x: &x {env_file: /a}\nservices: {web: *x}", variables("/a"), id="an anchored service"
        ),
        pytest.param("--- {}\n---\ninclude: [a]", files("a"), id="a second document"),
        pytest.param('{"inc\\x6cude": ["/\\x61"]}', files("/a"), id="escapes"),
        pytest.param("services: {web: {env_file: !override [a]}}", variables("a"), id="a tag"),
        pytest.param("secrets: {a: {file: b}}", [], id="a file that the definition names, too"),
        pytest.param("a: &a [*a]", [], id="a list in itself"),
    ],
)
def test_what_a_file_names(text: str, expected: list[Named]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("a: [", "is not YAML, at line 1, column 5", id="no YAML"),
        pytest.param("a: \0", "is not YAML", id="no text"),
        pytest.param("[" * 5_000, "is nested too deeply", id="depth"),
        pytest.param("!!binary aW5jbHVkZQ==: [a]", "has the tag !!binary", id="an encoded key"),
        pytest.param("a: !!python/name:os.x ''", "has the tag !!python/name:os.x", id="a name"),
        pytest.param("a: !<tag:e,1:x> b", "has the tag tag:e,1:x", id="a tag of their own"),
        pytest.param(
            "services: {a: {env_file: '${HOME}/a'}}",
            "fills in the path '${HOME}/a'",
            id="filled in",
        ),
        pytest.param(
            "include: [{path: a, project_directory: /}]", "sets project_directory", id="elsewhere"
        ),
    ],
)
def test_what_cannot_be_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        named(text)
    assert str(caught.value) == why


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        named(text)


def test_a_file_of_many_aliases_takes_no_longer_than_its_length() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 2_000)]
    begun = time.monotonic()
    assert named("\n".join([*lines, "include: *a1999"])) == files("x")
    assert time.monotonic() - begun < 10
