"""The image keeps the rules that GitHub and GitLab have for images of steps and jobs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def instructions(read: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return (instruction, its text) in order, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", read("Dockerfile"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in lines)
        if word
    ]


def test_no_shell_stands_between_the_inputs_and_python(
    instructions: list[tuple[str, str]],
) -> None:
    # A shell drops variables with a hyphen in the name, as GitHub gives inputs.
    (entry,) = [text for word, text in instructions if word == "ENTRYPOINT"]
    assert json.loads(entry) == ["python", "-m", "warmbuild"]


def test_output_is_not_held_back(instructions: list[tuple[str, str]]) -> None:
    variables = " ".join(text for word, text in instructions if word == "ENV").split()
    assert "PYTHONUNBUFFERED=1" in variables


@pytest.mark.parametrize("word", ["USER", "WORKDIR"])
def test_user_and_directory_are_left_to_the_ci_system(
    word: str, instructions: list[tuple[str, str]]
) -> None:
    # https://docs.github.com/actions/reference/dockerfile-support-for-github-actions
    assert [text for found, text in instructions if found == word] == []


def test_a_release_can_pin_every_base_image(instructions: list[tuple[str, str]]) -> None:
    arguments = {text.partition("=")[0] for word, text in instructions if word == "ARG"}
    bases = [text for word, text in instructions if word == "FROM"]
    assert bases
    for base in bases:
        named = re.search(r":\$\{(\w+_TAG)\}\$\{(\w+_DIGEST):\+@\$\{(\w+_DIGEST)\}\}", base)
        assert named, base
        assert set(named.groups()) <= arguments


def test_the_release_pins_every_base_image(
    instructions: list[tuple[str, str]], read: Callable[[str], str]
) -> None:
    text = read(".github/workflows/release.yml")
    digests = {text.rstrip("=") for word, text in instructions if text.endswith("_DIGEST=")}
    assert {digest for digest in digests if f"{digest}=$" not in text} == set()
